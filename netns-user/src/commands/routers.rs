//! The routers of a running lab that have a datapath.

use anyhow::bail;

use super::open_datapath;
use crate::{
    cli::{Changing, LabOptions},
    datapath::{Datapath, DatapathError},
    lab::{self, LabError},
    net::Netns,
    topology::Topology,
};

/// A router of a running lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LivingRouter {
    pub(super) netns: Netns,
    /// The name of its datapath.
    pub(super) datapath: String,
}

/// The lab that gets a rule.
///
/// # Errors
/// As [`lab::choose`]. Without a lab, the error also says how rules come to a network that was made
/// by hand.
pub(super) fn lab_of_rule(about: &LabOptions) -> anyhow::Result<Topology> {
    match lab::choose(about.lab().as_deref()) {
        Ok(record) => Ok(record.topology),
        Err(error @ LabError::NoLab) => bail!(
            "{error}; a rule belongs to a lab, so write a network that was made by hand into FILE, \
             and delete its parts first"
        ),
        Err(error) => Err(error.into()),
    }
}

/// The routers of a lab in the order of its file, or only the named one. Routers without a datapath
/// are left out.
///
/// # Errors
/// When there is no such router.
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
                "lab \"{lab}\" has no NAT: no router of it has a bridge, or an uplink and a cable"
            )
        }
        None => Ok(all),
        Some(name) => match all.into_iter().find(|router| router.name() == name) {
            Some(router) => Ok(vec![router]),
            None if topology
                .routers
                .iter()
                .any(|router| name_of(router.namespace.as_deref()) == name) =>
            {
                bail!("router \"{name}\" has no NAT: it has no bridge, and no uplink with a cable")
            }
            None => bail!("lab \"{lab}\" has no router \"{name}\": use one of {busy}"),
        },
    }
}

/// The named router, or the first one, and the names of the others.
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

/// Says which of several routers is shown, and how to see another.
pub(super) fn tell_others(router: &LivingRouter, others: &[String]) {
    if !others.is_empty() {
        crate::tell!(
            "this shows router \"{}\" only; --router selects another: {}",
            router.name(),
            others.join(", ")
        );
    }
}

/// The names of routers as a list.
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

/// The name of the router in a namespace. No lab has both the machine and a namespace called
/// "machine" as routers.
pub(super) fn name_of(namespace: Option<&str>) -> &str {
    namespace.unwrap_or(MACHINE)
}

/// The name of the machine as a router.
pub(super) const MACHINE: &str = "machine";

impl LivingRouter {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        name_of(self.netns.name())
    }

    /// Its namespace; `None`: the machine's own.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.netns.name()
    }

    /// Its datapath. If a `netns log` was killed, its programs are replaced first; if another
    /// process is rebuilding the datapath, this waits.
    pub(super) fn open(&self) -> anyhow::Result<Datapath> {
        match open_datapath(&self.datapath) {
            Err(DatapathError::NotUp(_)) if lab::wait_for_changes()? => {
                Ok(open_datapath(&self.datapath)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Repairs its rules before one is changed, since an earlier change may have been killed. A dry
    /// run repairs nothing.
    pub(super) fn recover(&self, changing: Changing) -> anyhow::Result<()> {
        if changing.dry_run { Ok(()) } else { self.work(Datapath::recover_rules) }
    }

    /// Runs `work` on its datapath, in its namespace. If that fails because the lab was taken down
    /// in the meantime, the error says so.
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
