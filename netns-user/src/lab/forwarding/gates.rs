//! Forwarding from the lab's links in a router: off until what they carry is guarded.
//!
//! The kernel forwards what comes in by a link only if `conf/LINK/forwarding` is 1. Each link is
//! made with 0, and gets 1 when the datapath of its router is there. So nothing of the lab leaves
//! before it is guarded, on the machine as well, whose own forwarding stays as it is.

use std::collections::HashSet;

use crate::{
    lab::{
        LabError,
        actual_state::ActualState,
        record::{LabRecord, NamespaceOwner},
        resources::{Resource, gates::gates, resources},
    },
    net::{Interface, Link, NetError, Netlink, netns::Visitor},
    topology::Topology,
};

/// Opens the links of a lab whose datapaths are there, and switches on what they lead to.
pub(in crate::lab) fn open(topology: &Topology) -> Result<(), LabError> {
    gates(topology).iter().try_for_each(|interface| set(interface, true))?;
    let resources = resources(topology);
    let far_ends = resources.iter().filter_map(Resource::guarded_far_interface);
    far_ends.into_iter().try_for_each(|interface| at_link(interface, Netlink::set_up))
}

/// Closes those links that are in the router of a datapath, before that datapath goes.
pub(in crate::lab) fn close(record: &LabRecord, datapath: &str) -> Result<(), LabError> {
    for topology in record.topologies() {
        let is_its =
            |interface: &&Interface| topology.datapath_of(interface.netns.name()) == datapath;
        let own = Visitor::send(|visitor| own_gates(record, topology, visitor))?;
        own.iter().filter(is_its).try_for_each(|interface| set(interface, false))?;
    }
    Ok(())
}

/// Switches off the links that a lab has in its routers, before their datapaths go. Nothing is
/// in them any more when it returns.
pub(in crate::lab) fn switch_off(record: &LabRecord) -> Vec<LabError> {
    let mut errors = Vec::new();
    let mut seen = HashSet::new();
    for topology in record.topologies() {
        match Visitor::send(|visitor| own_gates(record, topology, visitor)) {
            Ok(own) => {
                for interface in own.into_iter().filter(|interface| seen.insert(interface.clone()))
                {
                    errors.extend(switch_link_off(&interface).err());
                }
            }
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// Those of a topology's links that are still the lab's.
fn own_gates(
    record: &LabRecord,
    topology: &Topology,
    visitor: &Visitor,
) -> Result<Vec<Interface>, LabError> {
    let gates = gates(topology);
    let mut own_namespaces = HashSet::new();
    for name in gates.iter().filter_map(|interface| interface.netns.name()).collect::<HashSet<_>>()
    {
        if record.owner_of(name, visitor)? == NamespaceOwner::Own {
            own_namespaces.insert(name);
        }
    }
    // A bridge that somebody else has made under that name is no link of the lab.
    let machine = if topology.uses_machine() {
        let resources = resources(topology);
        ActualState::of_machine(&resources)?
            .actual(&resources)
            .iter()
            .flat_map(Resource::interfaces)
            .cloned()
            .collect()
    } else {
        HashSet::new()
    };
    let is_own = |interface: &&Interface| match interface.netns.name() {
        Some(name) => own_namespaces.contains(name),
        None => machine.contains(interface),
    };
    Ok(gates.iter().filter(is_own).cloned().collect())
}

fn set(interface: &Interface, open: bool) -> Result<(), LabError> {
    at_link(interface, |netlink, link| netlink.set_forwarding(link, open))
}

fn switch_link_off(interface: &Interface) -> Result<(), LabError> {
    at_link(interface, Netlink::set_down)
}

/// Does something to a link. One that is gone, by itself or with its namespace, needs nothing.
fn at_link(
    interface: &Interface,
    work: impl FnOnce(&Netlink, &Link) -> Result<(), NetError> + Send,
) -> Result<(), LabError> {
    let work = || {
        let netlink = Netlink::open()?;
        work(&netlink, &netlink.link(&interface.name)?)
    };
    match interface.netns.run(work).and_then(|done| done) {
        Err(error) if error.is_absence() => Ok(()),
        done => Ok(done?),
    }
}
