//! Takes down a lab by its record.

use std::collections::{BTreeSet, HashSet};

use super::Cleared;
use crate::{
    datapath::Datapath,
    lab::{
        actual_state::ActualState,
        error::LabError,
        forwarding::{gates, machine},
        lock::LabLock,
        record::{LabRecord, NamespaceOwner},
        resources::Resource,
    },
    net::{
        NetError, Netlink, Netns,
        hosts::links,
        netns::{self, Identity, Visitor},
        resolver,
    },
    threads::{WorkQueue, on_threads},
    topology::Topology,
};

/// How many namespaces, or their files, are deleted at once. Each deletion of a namespace waits for
/// an RCU grace period, because it unmounts the namespace; concurrent deletions share one.
const AT_ONCE: usize = 16;

/// Takes down everything that exists of a lab, in spite of failures. The record goes last, and only
/// if nothing is left, so that a failed attempt can be repeated.
pub(in crate::lab) fn clear(record: &LabRecord, lock: &LabLock) -> Cleared {
    // Datapaths first, while the links to which the programs are attached exist.
    let names = record.topologies().flat_map(Topology::datapath_names);
    let names = names.filter(|name| !record.is_foreign_datapath(name)).collect();
    clear_with(record, &names, lock)
}

/// As [`clear`], for a lab that could not be built: only installed datapaths are removed. Other
/// pins of its name belong to another lab.
pub(in crate::lab) fn clear_unbuilt(record: &LabRecord, lock: &LabLock) -> Vec<LabError> {
    clear_with(record, &record.datapaths, lock).errors
}

fn clear_with(record: &LabRecord, datapaths: &BTreeSet<String>, lock: &LabLock) -> Cleared {
    let resources = record.resources();
    let Cleared { mut foreign, mut edited, mut own_hosts, mut errors } = Cleared::default();
    // It lasts until the end, so that no signal interrupts the work.
    let expedited = lock.expedite_rcu(grace_periods(&resources)).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    // Nothing of the lab is forwarded any more when its datapaths are removed.
    errors.extend(gates::switch_off(record));
    if expedited.is_some() {
        // The kernel would detach them in the background, after RCU is no longer expedited.
        datapaths.iter().for_each(|name| Datapath::detach(name));
    }
    let failures = datapaths.iter().filter_map(|name| Datapath::remove(name).err());
    errors.extend(failures.map(LabError::from));
    if record.uses_machine() {
        errors.extend(clear_machine(record, &resources));
    }
    errors.extend(machine::restore(record).err());
    // Links inside namespaces disappear with them.
    errors.extend(delete_own(record, &mut foreign).into_iter().map(LabError::from));
    for deleted in delete_files(&resources) {
        edited.extend(deleted.edited);
        own_hosts.extend(deleted.own_hosts);
        errors.extend(deleted.errors);
    }
    own_hosts.sort_unstable();
    edited.sort_unstable();
    if errors.is_empty() {
        errors.extend(record.remove().err());
    }
    Cleared { foreign, edited, own_hosts, errors }
}

/// The number of RCU grace periods until all programs of a lab are detached.
pub(in crate::lab) fn grace_periods(resources: &[Resource]) -> usize {
    resources.iter().filter(|resource| matches!(resource, Resource::Cable(_))).count()
}

/// Deletes the lab's namespaces, routers first: deleting a whole bridge is faster than removing its
/// ports one by one. Somebody else's namespace under the same name is reported and left alone. All
/// are checked first, and once more just before the deletion: after the first deletions the kernel
/// is busy with them, and a check takes longer.
fn delete_own(record: &LabRecord, foreign: &mut Vec<String>) -> Vec<NetError> {
    let mut seen = HashSet::new();
    let names = record.topologies().flat_map(Topology::namespace_names);
    let names: Vec<_> = names.filter(|name| seen.insert(*name)).collect();
    let own: Vec<_> = Visitor::send(|visitor| {
        let look = |name| match record.owner_of(name, visitor)? {
            NamespaceOwner::Own => Ok(Some((name, netns::identity_if_present(name)?))),
            NamespaceOwner::Foreign => {
                foreign.push(name.to_owned());
                Ok(None)
            }
            NamespaceOwner::Nothing => Ok(None),
        };
        names.into_iter().map(look).collect()
    });
    foreign.sort_unstable();
    let deleters = AT_ONCE.min(own.len());
    let queue = WorkQueue::new(own);
    let delete = || {
        let mut errors = Vec::new();
        while let Some(found) = queue.take() {
            let deleted = match found {
                Ok(Some((name, identity))) => delete_if_same(name, identity),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            errors.extend(deleted.err().filter(|error: &NetError| !error.is_absence()));
        }
        errors
    };
    on_threads(deleters, delete).into_iter().flatten().collect()
}

/// Deletes the files of the lab's namespaces in /etc/netns. A disk may take milliseconds to free a
/// folder, and frees many at once. The shared hosts file goes with the record.
fn delete_files(resources: &[Resource]) -> Vec<Cleared> {
    let has_file =
        |it: &&Resource| matches!(it, Resource::Resolver { .. } | Resource::HostsLink { .. });
    let count = resources.iter().filter(has_file).count();
    let queue = WorkQueue::new(resources.iter().filter(has_file));
    let delete = || {
        let mut cleared = Cleared::default();
        while let Some(resource) = queue.take() {
            match resource {
                Resource::Resolver { namespace, .. } => match resolver::clear(namespace) {
                    Ok(kept) => cleared.edited.extend(kept),
                    Err(error) => cleared.errors.push(error.into()),
                },
                Resource::HostsLink { namespace, lab } => {
                    let removed = links::remove(namespace, lab);
                    cleared.errors.extend(removed.err().map(LabError::from));
                    cleared.own_hosts.extend(links::foreign_file(namespace));
                }
                _ => {}
            }
        }
        cleared
    };
    on_threads(AT_ONCE.min(count), delete)
}

/// Deletes a namespace, unless its name belongs to another one by now.
fn delete_if_same(name: &str, identity: Option<Identity>) -> Result<(), NetError> {
    if netns::identity_if_present(name)? == identity { netns::delete(name) } else { Ok(()) }
}

/// Deletes what the lab has in the machine's own namespace. Routes over links that are not the
/// lab's have to be deleted explicitly.
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
