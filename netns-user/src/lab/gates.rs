//! Forwarding from the lab's links in a router: off until what they carry is guarded.
//!
//! The kernel forwards what comes in by a link only if `conf/LINK/forwarding` is 1. Each link is
//! made with 0, and gets 1 when the datapath of its router is there. So nothing of the lab leaves
//! before it is guarded, on the machine as well, whose own forwarding stays as it is.

use std::collections::HashSet;

use super::{
    LabError, LabRecord, in_place,
    pieces::{Piece, pieces},
    record::Bearer,
    world::World,
};
use crate::{
    net::{Link, NetError, Netlink, netns::Visitor},
    step::{End, Place, Step},
    topology::Topology,
};

/// The step that opens or closes a link.
pub(super) fn step(end: &End, open: bool) -> Step {
    Step::SetForwarding { end: end.clone(), on: open }
}

/// The links that a lab makes in its routers: bridges, ends of point-to-point cables, uplinks.
pub(super) fn gates(topology: &Topology) -> Vec<End> {
    let bridges = topology
        .bridges
        .iter()
        .map(|bridge| End::new(Place::of(bridge.router.as_deref()), &bridge.name));
    let uplinks = topology.uplinks.iter().filter(|uplink| uplink.far.is_some());
    let uplinks = uplinks.map(|uplink| End::new(Place::of(uplink.router.as_deref()), &uplink.name));
    // Uplinks first: nothing of the lab finds another way by one while bridges are switched off.
    uplinks.chain(bridges).chain(cable_gates(topology)).collect()
}

fn cable_gates(topology: &Topology) -> impl Iterator<Item = End> {
    let routers: HashSet<&str> =
        topology.routers.iter().filter_map(|router| router.namespace.as_deref()).collect();
    let ends = topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]);
    let ends = ends.filter(move |end| routers.contains(end.namespace.as_str()));
    ends.map(|end| End::new(Place::namespace(&end.namespace), &end.interface))
}

/// Opens the links of a lab whose datapaths are there, and switches on what they lead to.
pub(super) fn open(topology: &Topology) -> Result<(), LabError> {
    gates(topology).iter().try_for_each(|end| set(end, true))?;
    let pieces = pieces(topology);
    let far_ends = pieces.iter().filter_map(Piece::guarded_far_end);
    far_ends.into_iter().try_for_each(|end| at_link(end, Netlink::set_up))
}

/// Closes those links that are in the router of a datapath, before that datapath goes.
pub(super) fn close(record: &LabRecord, datapath: &str) -> Result<(), LabError> {
    for topology in record.topologies() {
        let is_its = |end: &&End| topology.datapath_of(end.place.name()) == datapath;
        let own = Visitor::send(|visitor| own_gates(record, topology, visitor))?;
        own.iter().filter(is_its).try_for_each(|end| set(end, false))?;
    }
    Ok(())
}

/// Switches off the links that a lab has in its routers, before their datapaths go. Nothing is
/// in them any more when it returns.
pub(super) fn switch_off(record: &LabRecord) -> Vec<LabError> {
    let mut errors = Vec::new();
    let mut seen = HashSet::new();
    for topology in record.topologies() {
        match Visitor::send(|visitor| own_gates(record, topology, visitor)) {
            Ok(own) => {
                for end in own.into_iter().filter(|end| seen.insert(end.clone())) {
                    errors.extend(switch_link_off(&end).err());
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
) -> Result<Vec<End>, LabError> {
    let gates = gates(topology);
    let mut own_places = HashSet::new();
    for name in gates.iter().filter_map(|end| end.place.name()).collect::<HashSet<_>>() {
        if record.bearer(name, visitor)? == Bearer::Own {
            own_places.insert(name);
        }
    }
    // A bridge that somebody else has made under that name is no link of the lab.
    let machine = if topology.uses_machine() {
        let pieces = pieces(topology);
        World::of_machine(&pieces)?.actual(&pieces).iter().flat_map(Piece::ends).cloned().collect()
    } else {
        HashSet::new()
    };
    let is_own = |end: &&End| match end.place.name() {
        Some(name) => own_places.contains(name),
        None => machine.contains(end),
    };
    Ok(gates.iter().filter(is_own).cloned().collect())
}

fn set(end: &End, open: bool) -> Result<(), LabError> {
    at_link(end, |netlink, link| netlink.set_forwarding(link, open))
}

fn switch_link_off(end: &End) -> Result<(), LabError> {
    at_link(end, Netlink::set_down)
}

/// Does something to a link. One that is gone, by itself or with its namespace, needs nothing.
fn at_link(
    end: &End,
    work: impl FnOnce(&Netlink, &Link) -> Result<(), NetError> + Send,
) -> Result<(), LabError> {
    let work = || {
        let netlink = Netlink::open()?;
        work(&netlink, &netlink.link(&end.interface)?)
    };
    match in_place(&end.place, work).and_then(|done| done) {
        Err(error) if error.is_absence() => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_in_a_router_are_gates_and_those_in_namespaces_are_not() {
        let text = r#"
name = "gates"
router = { namespace = "gw" }
[[uplink]]
name = "wan"
address = "192.0.2.2/24"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24" }
[[bridge]]
name = "br0"
address = "10.1.0.1/24"
[[namespace]]
name = "red"
bridge = "br0"
[[namespace]]
name = "h1"
[[cable]]
a = { namespace = "h1", interface = "eth0", address = "10.2.0.2/30" }
b = { namespace = "gw", interface = "to-h1", address = "10.2.0.1/30" }
[[masquerade]]
source = "10.1.0.0/24"
"#;
        let topology = Topology::parse(text, "gates.toml").unwrap();
        let names: Vec<String> = gates(&topology).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["gw:wan", "gw:br0", "gw:to-h1"]);
    }
}
