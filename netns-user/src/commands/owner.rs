//! What belongs to labs, and is not changed by hand just so.

use anyhow::bail;

use super::list::readable_records;
use crate::{
    cli::Forcing,
    lab::LabRecord,
    net::{Interface, Netns},
    topology::Topology,
};

/// Refuses to delete what a lab has made, `netns down` does that, and what it leads out by.
pub(super) fn require_unowned(interface: &Interface) -> anyhow::Result<()> {
    for record in readable_records()? {
        if owns(&record, interface) {
            let lab = record.name();
            bail!(
                "{interface} belongs to lab \"{lab}\": `netns down {lab}` takes the lab down, with \
                 this interface"
            );
        }
        if leads_out_by(&record.topology, interface) {
            let lab = record.name();
            bail!(
                "{interface} is an uplink of lab \"{lab}\", which is cut off without it: take the lab \
                 down first (`netns down {lab}`)"
            );
        }
    }
    Ok(())
}

/// Refuses to change an interface of a lab, or an address or a route of it, unless it is forced.
pub(super) fn require_free(interface: &Interface, forcing: Forcing) -> anyhow::Result<()> {
    if forcing.force {
        return Ok(());
    }
    if let Some(lab) = readable_records()?.iter().find(|record| has(record, interface)) {
        bail!(
            "{interface} belongs to lab \"{}\": change the lab's file and run `netns up FILE`, or repeat \
             this with --force: `netns status` then tells of it",
            lab.name()
        );
    }
    Ok(())
}

/// Refuses to delete a namespace of a lab.
pub(super) fn require_no_lab(namespace: &str) -> anyhow::Result<()> {
    if let Some(lab) = readable_records()?.iter().find(|record| record.owns(namespace)) {
        let lab = lab.name();
        bail!(
            "namespace \"{namespace}\" belongs to lab \"{lab}\": take it out of the lab's file and \
             run `netns up FILE`, or take the lab down (`netns down {lab}`)"
        );
    }
    Ok(())
}

/// Whether it is an interface of the machine's that the lab has as its uplink.
fn leads_out_by(topology: &Topology, interface: &Interface) -> bool {
    let mut uplinks = topology.uplinks_of(None);
    interface.netns == Netns::Machine
        && uplinks.any(|uplink| uplink.far.is_none() && uplink.name == interface.name)
}

fn owns(record: &LabRecord, interface: &Interface) -> bool {
    // A namespace that only bears the name of the lab's is somebody else's.
    interface.netns.name().is_none_or(|name| record.owns(name))
        && interfaces(&record.topology)
            .contains(&(interface.netns.clone(), interface.name.as_str()))
}

/// Whether the lab has an interface: one that it makes, or the loopback interface of one of its
/// namespaces.
fn has(record: &LabRecord, interface: &Interface) -> bool {
    let is_loopback =
        interface.name == "lo" && interface.netns.name().is_some_and(|it| record.owns(it));
    is_loopback || owns(record, interface)
}

/// All interfaces that a lab makes.
fn interfaces(topology: &Topology) -> Vec<(Netns, &str)> {
    let mut all = Vec::new();
    for bridge in &topology.bridges {
        all.push((Netns::of(bridge.router.as_deref()), bridge.name.as_str()));
    }
    let router_of =
        |bridge: &str| Netns::of(topology.bridge(bridge).and_then(|b| b.router.as_deref()));
    for (namespace, plug) in topology.plugged() {
        all.push((router_of(&plug.bridge), plug.port.as_str()));
        all.push((Netns::named(&namespace.name), plug.interface.as_str()));
    }
    for uplink in topology.uplinks.iter().filter(|uplink| uplink.far.is_some()) {
        all.push((Netns::of(uplink.router.as_deref()), uplink.name.as_str()));
        if let Some(outside) = uplink.outside() {
            all.push((Netns::named(&outside.namespace), outside.interface.as_str()));
        }
        if let Some(plug) = uplink.plug() {
            all.push((router_of(&plug.bridge), plug.port.as_str()));
        }
    }
    for side in topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]) {
        all.push((Netns::named(&side.namespace), side.interface.as_str()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_of_the_machines_is_used_as_an_uplink() {
        let text = "name = \"x\"\n[[uplink]]\nname = \"wan\"\n";
        let topology = Topology::parse(text, "x.toml").unwrap();
        assert!(leads_out_by(&topology, &Interface::new(Netns::Machine, "wan")));
        assert!(!leads_out_by(&topology, &Interface::new(Netns::Machine, "eth0")));
        assert!(!leads_out_by(&topology, &Interface::new(Netns::named("red"), "wan")));
    }

    #[test]
    fn all_interfaces_of_the_lectures_lab_are_its_own() {
        let topology = Topology::lecture();
        let mut interfaces: Vec<String> = interfaces(&topology)
            .into_iter()
            .map(|(netns, interface)| Interface::new(netns, interface).to_string())
            .collect();
        interfaces.sort();
        assert_eq!(
            interfaces,
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
