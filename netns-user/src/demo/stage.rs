//! The lab of the demonstration: built, changed, and always taken down at the end.

use anyhow::{Context as _, anyhow};

use super::cast;
use crate::{
    datapath::{Datapath, DatapathError},
    lab::{self, LabRecord, Progress, UpOutcome},
    net::{NetError, netns},
    output::style::{BAD, paint},
    rules::MasqueradeRule,
    step::Place,
    topology::Topology,
};

/// A lab that is taken down when this is dropped, even by a panic.
#[derive(Debug)]
pub struct Stage<'a> {
    topology: &'a Topology,
    standing: bool,
}

impl<'a> Stage<'a> {
    /// Builds the lab. Fails if it is already up, since it would be taken down at the end.
    pub fn raise(topology: &'a Topology, progress: &dyn Progress) -> anyhow::Result<Self> {
        let name = &topology.name;
        let taken = || {
            anyhow!(
                "lab \"{name}\" is already up, and the demonstration would take it down: run \
                 `netns down {name}` first"
            )
        };
        if is_standing(name)? {
            return Err(taken());
        }
        // Before `up`, which cleans up after its errors but not after a panic.
        let mut stage = Self { topology, standing: true };
        match lab::up(topology, progress) {
            Ok(UpOutcome::Built) => Ok(stage),
            Ok(UpOutcome::Changed | UpOutcome::AlreadyUp) => {
                stage.standing = false;
                Err(taken())
            }
            Err(error) => {
                stage.standing = false;
                Err(error).with_context(|| format!("cannot build lab \"{name}\""))
            }
        }
    }

    /// Takes the lab down and reports errors.
    pub fn strike(mut self) -> anyhow::Result<()> {
        self.standing = false;
        lab::down(&self.topology.name, false)
            .with_context(|| format!("cannot take down lab \"{}\"", self.topology.name))?;
        Ok(())
    }

    /// Runs `work` on a thread in `place`.
    pub fn within<T: Send>(
        &self,
        place: &cast::Place,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, NetError> {
        match place {
            cast::Place::Router => self.in_router(work),
            cast::Place::Namespace(name) => netns::run_in(name, work),
        }
    }

    /// Adds a masquerade rule to the running lab.
    pub fn masquerade(&self, rule: &MasqueradeRule) -> anyhow::Result<()> {
        self.change(|datapath| datapath.add_masquerades(std::slice::from_ref(rule)))
            .with_context(|| format!("cannot add \"{rule}\""))
    }

    /// Removes a masquerade rule of the running lab.
    pub fn unmasquerade(&self, rule: &MasqueradeRule) -> anyhow::Result<()> {
        self.change(|datapath| datapath.remove_masquerade(rule))
            .with_context(|| format!("cannot remove \"{rule}\""))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Datapath) -> Result<(), DatapathError> + Send,
    ) -> anyhow::Result<()> {
        let name = &self.topology.name;
        self.in_router(|| change(&mut Datapath::open(name)?))??;
        Ok(())
    }

    fn in_router<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
        lab::in_place(&Place::of(self.topology.first_router()), work)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if self.standing
            && let Err(error) = lab::down(&self.topology.name, false)
        {
            // Another error or a panic is already being reported; this must not replace it.
            crate::tell!("{} {error}", paint(BAD, "error while taking the lab down:"));
        }
    }
}

/// Whether the lab is up. A lab with an interrupted `up` is not.
fn is_standing(name: &str) -> anyhow::Result<bool> {
    let labs = LabRecord::list().context("cannot list the labs")?;
    Ok(labs.iter().any(|lab| lab.is_settled() && lab.topology.name == name))
}
