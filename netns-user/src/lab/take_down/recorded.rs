//! Takes down whatever of a lab is there.

use std::collections::{BTreeSet, HashSet};

use super::Cleared;
use crate::{
    datapath::Datapath,
    lab::{
        LabError,
        actual_state::ActualState,
        forwarding::{gates, machine},
        lock::LabLock,
        record::{LabRecord, NamespaceOwner},
        resources::Resource,
    },
    net::{
        NetError, Netlink, Netns,
        netns::{self, Visitor},
        resolver,
    },
    threads::{WorkQueue, on_threads},
    topology::Topology,
};

/// How many namespaces are deleted at once. Each makes its thread wait until no CPU can be at the mount
/// that was its name; those that wait together wait for the same.
const AT_ONCE: usize = 16;

/// Takes a lab down by its record: all that is there, past every failure. The record goes
/// last, and only when the rest is gone, so that a failed attempt can be repeated.
pub(in crate::lab) fn clear(record: &LabRecord, lock: &LabLock) -> Cleared {
    // First, while the links that its programs hang on are there.
    let names = record.topologies().flat_map(Topology::datapath_names);
    let names = names.filter(|name| !record.is_foreign_datapath(name)).collect();
    clear_with(record, &names, lock)
}

/// As [`clear`], for a lab that could not be built: only datapaths that were installed go.
/// Other pins of its name would be those of another lab.
pub(in crate::lab) fn clear_unbuilt(record: &LabRecord, lock: &LabLock) -> Vec<LabError> {
    clear_with(record, &record.datapaths, lock).errors
}

fn clear_with(record: &LabRecord, datapaths: &BTreeSet<String>, lock: &LabLock) -> Cleared {
    let resources = record.resources();
    let Cleared { mut strangers, mut edited, mut errors } = Cleared::default();
    // To the end, so that a signal does not come half-way.
    let expedited = lock.expedite_rcu(grace_periods(&resources)).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    // Nothing of the lab is forwarded any more when its datapaths go.
    errors.extend(gates::switch_off(record));
    if expedited.is_some() {
        // Left to the kernel, it would be done in the background, when grace periods are no longer expedited.
        datapaths.iter().for_each(|name| Datapath::detach(name));
    }
    let failures = datapaths.iter().filter_map(|name| Datapath::remove(name).err());
    errors.extend(failures.map(LabError::from));
    if record.uses_machine() {
        errors.extend(clear_machine(record, &resources));
    }
    errors.extend(machine::restore(record).err());
    // The links inside go with their namespaces.
    errors.extend(delete_own(record, &mut strangers).into_iter().map(LabError::from));
    for resource in &resources {
        if let Resource::Resolver { namespace, .. } = resource {
            match resolver::clear(namespace) {
                Ok(kept) => edited.extend(kept),
                Err(error) => errors.push(error.into()),
            }
        }
    }
    if errors.is_empty() {
        errors.extend(record.remove().err());
    }
    Cleared { strangers, edited, errors }
}

/// The number of RCU grace periods until all programs of a lab are detached.
pub(in crate::lab) fn grace_periods(resources: &[Resource]) -> usize {
    resources.iter().filter(|resource| matches!(resource, Resource::Cable(_))).count()
}

/// Deletes the lab's namespaces, routers first: a bridge that goes as a whole has less to do than one
/// that loses its ports one by one. One of another owner, who took the name over, is told and left alone.
/// All are looked at first, and only once more just before: as soon as some are deleted, the kernel
/// is busy with taking them down.
fn delete_own(record: &LabRecord, strangers: &mut Vec<String>) -> Vec<NetError> {
    let mut seen = HashSet::new();
    let names = record.topologies().flat_map(Topology::namespace_names);
    let names: Vec<_> = names.filter(|name| seen.insert(*name)).collect();
    let own: Vec<_> = Visitor::send(|visitor| {
        let look = |name| match record.owner_of(name, visitor)? {
            NamespaceOwner::Own => Ok(Some((name, netns::identity(name).ok()))),
            NamespaceOwner::Foreign => {
                strangers.push(name.to_owned());
                Ok(None)
            }
            NamespaceOwner::Nothing => Ok(None),
        };
        names.into_iter().map(look).collect()
    });
    strangers.sort_unstable();
    let deleters = AT_ONCE.min(own.len());
    let queue = WorkQueue::new(own);
    let delete = || {
        let mut errors = Vec::new();
        while let Some(found) = queue.take() {
            let deleted = match found {
                Ok(Some((name, identity))) if netns::identity(name).ok() == identity => {
                    netns::delete(name)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            errors.extend(deleted.err().filter(|error: &NetError| !error.is_absence()));
        }
        errors
    };
    on_threads(deleters, delete).into_iter().flatten().collect()
}

/// What the lab made in the machine's own namespace, as far as it is there. Routes over links
/// that are not the lab's must go by themselves.
fn clear_machine(record: &LabRecord, resources: &[Resource]) -> Vec<LabError> {
    let look = || Ok((ActualState::of(record, resources)?, Netlink::open()?));
    match look() {
        Ok((actual_state, machine)) => {
            let actual = actual_state.actual(resources);
            let cleared = actual.iter().rev().map(|resource| delete_resource(&machine, resource));
            cleared.filter_map(|cleared| cleared.err().map(LabError::from)).collect()
        }
        Err(error) => vec![error],
    }
}

fn delete_resource(machine: &Netlink, resource: &Resource) -> Result<(), NetError> {
    let gone = match resource {
        Resource::Bridge { interface, .. } if interface.netns == Netns::Machine => {
            machine.delete_link(&interface.name)
        }
        Resource::Cable(cable) if cable.near.netns == Netns::Machine => {
            machine.delete_link(&cable.near.name)
        }
        Resource::Cable(cable) if cable.far.netns == Netns::Machine => {
            machine.delete_link(&cable.far.name)
        }
        Resource::Route { netns: Netns::Machine, route, .. } => {
            let link = route.interface.as_ref().map(|name| machine.link(name)).transpose();
            link.and_then(|link| {
                machine.delete_route(route.to, route.via, link.as_ref(), route.metric)
            })
        }
        _ => Ok(()),
    };
    gone.or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })
}
