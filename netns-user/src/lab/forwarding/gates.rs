//! Forwarding from the lab's interfaces in a router: off until the datapath guards them.
//!
//! The kernel forwards the packets of an interface only if `conf/INTERFACE/forwarding` is 1. Each
//! gate is made with 0, and gets 1 once the datapath of its router is installed. So no packet of
//! the lab leaves unguarded. This holds on the machine too, whose own forwarding stays unchanged.

use std::collections::HashSet;

use crate::{
    lab::{
        actual_state::ActualState,
        error::LabError,
        record::{LabRecord, NamespaceOwner},
        resources::{Resource, gates::gates, resources},
    },
    net::{Interface, Link, NetError, Netlink, netns::Visitor},
    topology::Topology,
};

/// Opens the gates of a lab whose datapaths are installed, and switches on the far ends that waited
/// for it.
pub(in crate::lab) fn open(topology: &Topology) -> Result<(), LabError> {
    gates(topology).iter().try_for_each(|interface| set(interface, true))?;
    let resources = resources(topology);
    let far_ends = resources.iter().filter_map(Resource::guarded_far_interface);
    far_ends.into_iter().try_for_each(|interface| at_link(interface, Netlink::set_up))
}

/// Closes the gates in the router of a datapath that is about to be removed.
pub(in crate::lab) fn close(record: &LabRecord, datapath: &str) -> Result<(), LabError> {
    for topology in record.topologies() {
        let is_its =
            |interface: &&Interface| topology.datapath_of(interface.netns.name()) == datapath;
        let own = Visitor::send(|visitor| own_gates(record, topology, visitor))?;
        own.iter().filter(is_its).try_for_each(|interface| set(interface, false))?;
    }
    Ok(())
}

/// Switches off the gates of a lab whose datapaths are about to be removed. When it returns, no
/// packet is in them any more.
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

/// The gates of a topology that still belong to the lab.
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
    // A bridge that somebody else has made under the same name is not the lab's.
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

/// Does something to a link. A link that is gone needs nothing.
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
