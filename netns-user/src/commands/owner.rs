//! Which interfaces belong to labs.

use anyhow::bail;

use super::list::readable_records;
use crate::{
    lab::LabRecord,
    step::{End, Place},
    topology::Topology,
};

/// Refuses to delete what a lab has made: `netns down` does that.
pub(super) fn require_unowned(end: &End) -> anyhow::Result<()> {
    for record in readable_records()? {
        if owns(&record, end) {
            let lab = record.name();
            bail!(
                "{end} belongs to lab \"{lab}\": `netns down {lab}` takes the lab down, with \
                 this interface"
            );
        }
    }
    Ok(())
}

fn owns(record: &LabRecord, end: &End) -> bool {
    // A namespace that only bears the name of the lab's is somebody else's.
    end.place.name().is_none_or(|name| record.owns(name))
        && interfaces(&record.topology).contains(&(end.place.clone(), end.interface.as_str()))
}

/// All interfaces that a lab makes.
fn interfaces(topology: &Topology) -> Vec<(Place, &str)> {
    let mut all = Vec::new();
    for bridge in &topology.bridges {
        all.push((Place::of(bridge.router.as_deref()), bridge.name.as_str()));
    }
    let router_of =
        |bridge: &str| Place::of(topology.bridge(bridge).and_then(|b| b.router.as_deref()));
    for (namespace, plug) in topology.plugged() {
        all.push((router_of(&plug.bridge), plug.port.as_str()));
        all.push((Place::namespace(&namespace.name), plug.interface.as_str()));
    }
    for uplink in topology.uplinks.iter().filter(|uplink| uplink.far.is_some()) {
        all.push((Place::of(uplink.router.as_deref()), uplink.name.as_str()));
        if let Some(outside) = uplink.outside() {
            all.push((Place::namespace(&outside.namespace), outside.interface.as_str()));
        }
        if let Some(plug) = uplink.plug() {
            all.push((router_of(&plug.bridge), plug.port.as_str()));
        }
    }
    for end in topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]) {
        all.push((Place::namespace(&end.namespace), end.interface.as_str()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_of_the_lectures_lab_are_its_own() {
        let topology = Topology::lecture();
        let mut ends: Vec<String> = interfaces(&topology)
            .into_iter()
            .map(|(place, interface)| End::new(place, interface).to_string())
            .collect();
        ends.sort();
        assert_eq!(
            ends,
            [
                "blue:veth-blue",
                "host:ens3",
                "host:v-net-0",
                "host:veth-blue-br",
                "host:veth-red-br",
                "lan:eth0",
                "red:veth-red"
            ]
        );
    }
}
