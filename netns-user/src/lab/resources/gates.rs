//! The gates of a lab: its interfaces in routers. Nothing is forwarded from a gate until the
//! datapath of its router guards it.

use std::collections::HashSet;

use crate::{
    net::{Interface, Netns},
    step::Step,
    topology::Topology,
};

/// The step that opens or closes a gate.
pub(in crate::lab) fn step(interface: &Interface, open: bool) -> Step {
    Step::SetForwarding { interface: interface.clone(), on: open }
}

/// All gates: bridges, ends of point-to-point cables, uplinks.
pub(in crate::lab) fn gates(topology: &Topology) -> Vec<Interface> {
    let bridges = topology
        .bridges
        .iter()
        .map(|bridge| Interface::new(Netns::of(bridge.router.as_deref()), &bridge.name));
    let uplinks = topology.uplinks.iter().filter(|uplink| uplink.far.is_some());
    let uplinks =
        uplinks.map(|uplink| Interface::new(Netns::of(uplink.router.as_deref()), &uplink.name));
    // Uplinks first: while bridges are being switched off, no packet of the lab must find another
    // way out.
    uplinks.chain(bridges).chain(cable_gates(topology)).collect()
}

fn cable_gates(topology: &Topology) -> impl Iterator<Item = Interface> {
    let routers: HashSet<&str> =
        topology.routers.iter().filter_map(|router| router.namespace.as_deref()).collect();
    let sides = topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]);
    let sides = sides.filter(move |side| routers.contains(side.namespace.as_str()));
    sides.map(|side| Interface::new(Netns::named(&side.namespace), &side.interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interfaces_of_a_router_are_gates_and_those_of_other_namespaces_are_not() {
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
