//! The routers of a living lab that have something to translate, each with a datapath of its
//! own.

use anyhow::bail;

use super::open_datapath;
use crate::{
    cli::Changing,
    datapath::{Datapath, DatapathError},
    lab,
    net::Netns,
    topology::Topology,
};

/// A router of a living lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LivingRouter {
    pub(super) netns: Netns,
    /// What its datapath is called.
    pub(super) datapath: String,
}

/// The routers of a lab in the order of its file, those that have nobody to translate for left
/// out; only the one named, if one is.
///
/// # Errors
/// When there is none, or none of that name.
pub(super) fn routers(
    topology: &Topology,
    name: Option<&str>,
) -> anyhow::Result<Vec<LivingRouter>> {
    let all = all(topology);
    let lab = &topology.name;
    let busy = names(&all);
    match name {
        None if all.is_empty() => {
            bail!(
                "lab \"{lab}\" has no router with a bridge, or with an uplink and a cable: there is \
                 nothing to translate"
            )
        }
        None => Ok(all),
        Some(name) => match all.into_iter().find(|router| router.name() == name) {
            Some(router) => Ok(vec![router]),
            None if topology
                .routers
                .iter()
                .any(|router| of(router.namespace.as_deref()) == name) =>
            {
                bail!(
                    "router \"{name}\" has no bridge, and no uplink with a cable: there is nothing \
                     to translate"
                )
            }
            None => bail!("lab \"{lab}\" has no router \"{name}\": its routers are {busy}"),
        },
    }
}

/// The one that is meant where there can be only one: that of the name, or the first. The
/// others' names come with it.
///
/// # Errors
/// As [`routers`].
pub(super) fn first_router(
    topology: &Topology,
    name: Option<&str>,
) -> anyhow::Result<(LivingRouter, Vec<String>)> {
    let mut all = routers(topology, name)?;
    let first = all.remove(0);
    Ok((first, all.iter().map(|router| router.name().to_owned()).collect()))
}

/// Says which of several routers is looked at, and how to look at another.
pub(super) fn tell_others(router: &LivingRouter, others: &[String]) {
    if !others.is_empty() {
        crate::tell!(
            "this is router \"{}\" alone: with --router there are {} too",
            router.name(),
            others.join(", ")
        );
    }
}

/// The names of routers, for a person.
pub(super) fn names(routers: &[LivingRouter]) -> String {
    routers.iter().map(LivingRouter::name).collect::<Vec<_>>().join(", ")
}

fn all(topology: &Topology) -> Vec<LivingRouter> {
    let routers = topology.routers.iter().map(|router| router.namespace.as_deref());
    let busy = routers.filter(|router| topology.has_datapath(*router));
    busy.map(|router| LivingRouter {
        netns: Netns::of(router),
        datapath: topology.datapath_of(router),
    })
    .collect()
}

/// What the router in a namespace is called. No lab has the machine and a namespace of that
/// name as routers.
fn of(namespace: Option<&str>) -> &str {
    namespace.unwrap_or(MACHINE)
}

/// What the machine is called as a router.
pub(super) const MACHINE: &str = "machine";

impl LivingRouter {
    /// What it is called.
    pub(super) fn name(&self) -> &str {
        of(self.netns.name())
    }

    /// The namespace that it is; `None`: the machine's own.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.netns.name()
    }

    /// Its datapath, without what a log that was killed left in it. While somebody makes it
    /// anew, it is waited for.
    pub(super) fn open(&self) -> anyhow::Result<Datapath> {
        match open_datapath(&self.datapath) {
            Err(DatapathError::NotUp(_)) if lab::wait_for_changes()? => {
                Ok(open_datapath(&self.datapath)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Makes its rules whole before one is changed: an earlier change may have been killed. Not
    /// where nothing is to be changed.
    pub(super) fn recover(&self, changing: Changing) -> anyhow::Result<()> {
        if changing.dry_run { Ok(()) } else { self.work(Datapath::recover_rules) }
    }

    /// Works on its datapath where it is. A lab that goes down meanwhile is told of as such,
    /// whatever of it was missed first.
    pub(super) fn work<T: Send>(
        &self,
        work: impl FnOnce(&Datapath) -> Result<T, DatapathError> + Send,
    ) -> anyhow::Result<T> {
        let datapath = self.open()?;
        match self.netns.run(|| work(&datapath)) {
            Ok(done) => Ok(done?),
            Err(error) => {
                self.open()?;
                Err(error.into())
            }
        }
    }
}
