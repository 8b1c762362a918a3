//! The checks before a lab is built: permission, kernel, and that nothing is in its way.
//!
//! It uses the records of all labs and the resources of a topology, and changes nothing.

pub(super) mod machine;
pub(super) mod requirements;
pub(super) mod rights;

use std::{collections::HashSet, io};

use nix::sys::utsname::uname;

pub use rights::require_root;

use super::{
    error::LabError,
    record::{LabRecord, NamespaceOwner},
    resources::{Key, Resource},
};
use crate::{
    datapath::{Datapath, probe},
    net::{
        Netlink,
        netns::{self, Visitor},
        resolver,
    },
    rules::ForwardRule,
    topology::{Topology, Uplink},
};

/// `RT_TABLE_MAIN` of linux/rtnetlink.h.
const MAIN_TABLE: u32 = 254;

/// Refuses a kernel that lacks a feature which every lab needs. Each feature is tried, because a
/// release number does not show which features were backported.
fn require_kernel() -> Result<(), LabError> {
    let Some(missing) = missing_feature(&probe::has_tcx(), &probe::fib_source()) else {
        return Ok(());
    };
    let names =
        uname().map_err(|error| LabError::file("read the kernel's release", error.into()))?;
    let release = names.release().to_string_lossy().into_owned();
    Err(LabError::KernelLacks { release, missing })
}

/// The feature that the kernel lacks. Any other error of a trial, such as a missing right, says
/// nothing about the kernel: the step that needs the feature reports it better.
fn missing_feature(tcx: &io::Result<bool>, source: &io::Result<bool>) -> Option<&'static str> {
    if matches!(tcx, Ok(false)) {
        return Some("has no tcx hooks, which need Linux 6.6 or newer and CONFIG_NET_XGRESS");
    }
    let is_missing = matches!(source, Ok(false));
    is_missing.then_some(
        "does not select source addresses in bpf_fib_lookup, which needs Linux 6.7 or newer, or a \
         late release of 6.6",
    )
}

/// The interface of the machine's default route, if the topology asks for it.
pub(crate) fn auto_uplink(topology: &Topology) -> Result<Option<String>, LabError> {
    if !topology.has_auto() {
        return Ok(None);
    }
    if let Some(interface) = default_interface()? {
        return Ok(Some(interface));
    }
    match &default_interfaces()?[..] {
        [] => Err(LabError::NoDefaultRoute),
        // One interface with several gateways.
        [only] => Ok(Some(only.clone())),
        several => Err(LabError::SeveralDefaultInterfaces { interfaces: several.join(", ") }),
    }
}

/// The interfaces of a default route with several next hops.
fn default_interfaces() -> Result<Vec<String>, LabError> {
    let machine = Netlink::open()?;
    let routes = machine.routes_of_all_tables()?.into_iter().filter(|route| {
        route.table == MAIN_TABLE && route.destination.prefix_len() == 0 && route.links.len() > 1
    });
    let Some(best) = routes.min_by_key(|route| route.metric) else { return Ok(Vec::new()) };
    let links = machine.links()?.into_iter();
    Ok(links.filter(|link| best.links.contains(&link.index)).map(|link| link.name).collect())
}

/// The interface of the machine's default route.
pub(crate) fn default_interface() -> Result<Option<String>, LabError> {
    let machine = Netlink::open()?;
    let routes = machine.routes()?;
    let defaults = routes.iter().filter(|route| route.is_default() && route.kind == "unicast");
    let Some(best) = defaults.min_by_key(|route| route.metric) else { return Ok(None) };
    let link = machine.links()?.into_iter().find(|link| Some(link.index) == best.link);
    Ok(link.map(|link| link.name))
}

/// Refuses a lab if something that others own is in its way.
pub(in crate::lab) fn check_free(
    topology: &Topology,
    own: Option<&LabRecord>,
) -> Result<(), LabError> {
    LabError::collect(conflicts(topology, own)?)?;
    if topology.uses_machine() {
        machine::check(topology, &known(own))?;
    }
    Ok(())
}

/// Finds everything that others own under a name which the lab wants. Resources of the lab's own
/// record are not in its way.
pub(in crate::lab) fn conflicts(
    topology: &Topology,
    own: Option<&LabRecord>,
) -> Result<Vec<LabError>, LabError> {
    let mut found = Vec::new();
    for name in topology.datapath_names() {
        let path = Datapath::installed_at(&name);
        let path = path.filter(|_| own.is_none_or(|own| own.is_foreign_datapath(&name)));
        found.extend(path.map(|path| LabError::DatapathTaken { lab: topology.name.clone(), path }));
    }
    found.extend(namespaces_taken(topology, own)?);
    let known = known(own);
    for namespace in &topology.namespaces {
        // A file that the lab has written is its own, even if somebody has edited it since.
        let is_new = !known.contains(&Key::Resolver(namespace.name.clone()));
        if is_new && !namespace.dns.is_empty() {
            found.extend(match resolver::foreign_file(&namespace.name) {
                Ok(path) => path.map(|path| LabError::FileTaken { path }),
                Err(error) => Some(error.into()),
            });
        }
    }
    if topology.uses_machine() {
        found.extend(check_neighbours(topology).err());
        found.extend(machine::conflicts(topology, &known)?);
    }
    Ok(found)
}

fn known(own: Option<&LabRecord>) -> HashSet<Key> {
    let resources = own.map_or_else(Vec::new, LabRecord::resources);
    resources.iter().map(Resource::key).collect()
}

fn namespaces_taken(
    topology: &Topology,
    own: Option<&LabRecord>,
) -> Result<Vec<LabError>, LabError> {
    let own_names = own.map(LabRecord::namespace_names).unwrap_or_default();
    let is_taken = |name: &str, visitor: &Visitor| match own {
        Some(own) if own_names.contains(name) => {
            Ok(own.owner_of(name, visitor)? == NamespaceOwner::Foreign)
        }
        _ => Ok::<_, LabError>(netns::exists(name)),
    };
    let records = LabRecord::list()?;
    let mut found = Vec::new();
    Visitor::send(|visitor| {
        for name in topology.namespace_names() {
            if is_taken(name, visitor)? {
                found.push(match owner(&records, name) {
                    Some(lab) => LabError::NamespaceOfLab { name: name.to_owned(), lab },
                    None => LabError::NamespaceTaken(name.to_owned()),
                });
            }
        }
        Ok(found)
    })
}

/// Other labs in the machine's own namespace share its addresses: each port of an address, and each
/// forward, needs one owner.
fn check_neighbours(topology: &Topology) -> Result<(), LabError> {
    for record in LabRecord::list()? {
        let other = &record.topology;
        if !other.uses_machine() || other.name == topology.name {
            continue;
        }
        check_uplinks(topology, other)?;
        // Rules change while a lab is up; without a datapath the rules of the file count.
        let living = Datapath::open(&other.name).and_then(|datapath| datapath.forwards());
        let forwards: Vec<ForwardRule> = living.map_or_else(
            |_| machine_forwards(other).cloned().collect(),
            |living| living.into_iter().map(|status| status.rule).collect(),
        );
        check_forwards(topology, &other.name, &forwards)?;
    }
    Ok(())
}

fn check_uplinks(topology: &Topology, other: &Topology) -> Result<(), LabError> {
    let is_of_other =
        |uplink: &&Uplink| other.uplinks_of(None).any(|taken| taken.name == uplink.name);
    match topology.uplinks_of(None).find(is_of_other) {
        None => Ok(()),
        Some(uplink) => {
            Err(LabError::UplinkOfLab { uplink: uplink.name.clone(), lab: other.name.clone() })
        }
    }
}

fn machine_forwards(topology: &Topology) -> impl Iterator<Item = &ForwardRule> {
    let networks = topology.networks();
    topology
        .forwards
        .iter()
        .filter(move |rule| networks.router_of_target(*rule.target.ip()) == Some(None))
}

fn check_forwards(
    topology: &Topology,
    lab: &str,
    existing: &[ForwardRule],
) -> Result<(), LabError> {
    let meet = |one: &ForwardRule, other: &ForwardRule| {
        // No address means all of them.
        let addresses = one.address.zip(other.address).is_none_or(|(one, other)| one == other);
        addresses && one.protocol == other.protocol && one.ports.overlaps(other.ports)
    };
    for wanted in machine_forwards(topology) {
        if let Some(existing) = existing.iter().find(|existing| meet(wanted, existing)) {
            return Err(LabError::ForwardOfLab {
                wanted: wanted.clone(),
                existing: existing.clone(),
                lab: lab.to_owned(),
            });
        }
    }
    Ok(())
}

/// The lab that a namespace belongs to.
fn owner(records: &[LabRecord], namespace: &str) -> Option<String> {
    let owner = records.iter().find(|record| record.owns(namespace));
    owner.map(|record| record.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> io::Result<bool> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    #[test]
    fn a_kernel_is_refused_for_the_feature_that_it_lacks() {
        assert_eq!(missing_feature(&Ok(true), &Ok(true)), None);
        assert!(missing_feature(&Ok(false), &Ok(true)).unwrap().contains("tcx"));
        assert!(missing_feature(&Ok(false), &refused()).unwrap().contains("tcx"));
        assert!(missing_feature(&Ok(true), &Ok(false)).unwrap().contains("bpf_fib_lookup"));
    }

    #[test]
    fn a_trial_without_the_right_says_nothing_about_the_kernel() {
        assert_eq!(missing_feature(&refused(), &refused()), None);
    }
}
