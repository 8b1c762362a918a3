//! The lab of the demonstration: built, changed, and always taken down at the end.

use anyhow::{Context as _, anyhow};

use crate::{
    datapath::{Datapath, DatapathError},
    lab::{self, LabRecord, Progress, UpOutcome},
    net::{NetError, Netns},
    output::style::{BAD, paint},
    rules::MasqueradeRule,
    topology::Topology,
};

/// A lab that is taken down when this is dropped, even by a panic.
#[derive(Debug)]
pub struct DemoLab<'a> {
    topology: &'a Topology,
    is_up: bool,
}

impl<'a> DemoLab<'a> {
    /// Builds the lab. Fails if it is already up, since it would be taken down at the end.
    pub fn build(topology: &'a Topology, progress: &dyn Progress) -> anyhow::Result<Self> {
        let name = &topology.name;
        let taken = || {
            anyhow!(
                "lab \"{name}\" is already up, and the demonstration would take it down: run \
                 `netns down {name}` first"
            )
        };
        if lab_is_up(name)? {
            return Err(taken());
        }
        // Before `up`, which cleans up after its errors but not after a panic.
        let mut demo_lab = Self { topology, is_up: true };
        match lab::up(topology, progress) {
            Ok(UpOutcome::Built) => Ok(demo_lab),
            Ok(UpOutcome::Changed | UpOutcome::AlreadyUp) => {
                demo_lab.is_up = false;
                Err(taken())
            }
            Err(error) => {
                demo_lab.is_up = false;
                Err(error).with_context(|| format!("cannot build lab \"{name}\""))
            }
        }
    }

    /// Takes the lab down and reports errors.
    pub fn tear_down(mut self) -> anyhow::Result<()> {
        self.is_up = false;
        lab::down(&self.topology.name, false)
            .with_context(|| format!("cannot take down lab \"{}\"", self.topology.name))?;
        Ok(())
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
        Netns::of(self.topology.first_router()).run(work)
    }
}

impl Drop for DemoLab<'_> {
    fn drop(&mut self) {
        if self.is_up
            && let Err(error) = lab::down(&self.topology.name, false)
        {
            // Another error or a panic is already being reported; this must not replace it.
            crate::tell!("{} {error}", paint(BAD, "error while taking the lab down:"));
        }
    }
}

/// Whether the lab is up. A lab with an interrupted `up` is not.
fn lab_is_up(name: &str) -> anyhow::Result<bool> {
    let labs = LabRecord::list().context("cannot list the labs")?;
    Ok(labs.iter().any(|lab| lab.is_settled() && lab.topology.name == name))
}
