//! Protects objects of labs against changes by hand.

use anyhow::bail;

use super::list::readable_records;
use crate::{
    cli::Forcing,
    lab::LabRecord,
    net::{Interface, Netns},
    topology::Topology,
};

/// Refuses to delete an interface that a lab has made or uses as its uplink.
pub(super) fn require_unowned(interface: &Interface) -> anyhow::Result<()> {
    for record in readable_records()? {
        if owns(&record, interface) {
            let lab = record.name();
            bail!(
                "{interface} belongs to lab \"{lab}\": take the lab down (`netns down {lab}`), which \
                 deletes this interface too"
            );
        }
        if leads_out_by(&record.topology, interface) {
            let lab = record.name();
            bail!(
                "{interface} is an uplink of lab \"{lab}\": take the lab down first (`netns down {lab}`)"
            );
        }
    }
    Ok(())
}

/// Refuses to change an interface of a lab, or its addresses and routes, unless --force is given.
pub(super) fn require_free(interface: &Interface, forcing: Forcing) -> anyhow::Result<()> {
    if forcing.force {
        return Ok(());
    }
    if let Some(lab) = readable_records()?.iter().find(|record| has(record, interface)) {
        bail!(
            "{interface} belongs to lab \"{}\": change the lab's file and run `netns up FILE`, or use \
             --force, after which `netns status` reports the difference",
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
            "namespace \"{namespace}\" belongs to lab \"{lab}\": remove it from the lab's file and \
             run `netns up FILE`, or take the lab down (`netns down {lab}`)"
        );
    }
    Ok(())
}

/// Whether it is an interface of the machine that the lab uses as an uplink.
fn leads_out_by(topology: &Topology, interface: &Interface) -> bool {
    let mut uplinks = topology.uplinks_of(None);
    interface.netns == Netns::Machine
        && uplinks.any(|uplink| uplink.far.is_none() && uplink.name == interface.name)
}

fn owns(record: &LabRecord, interface: &Interface) -> bool {
    // Another namespace with the same name does not belong to the lab.
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
    fn only_an_uplink_on_the_machine_itself_is_protected() {
        let text = "name = \"x\"\n[[uplink]]\nname = \"wan\"\n";
        let topology = Topology::parse(text, "x.toml").unwrap();
        assert!(leads_out_by(&topology, &Interface::new(Netns::Machine, "wan")));
        assert!(!leads_out_by(&topology, &Interface::new(Netns::Machine, "eth0")));
        assert!(!leads_out_by(&topology, &Interface::new(Netns::named("red"), "wan")));
    }

    #[test]
    fn every_interface_of_the_lectures_lab_is_known_to_belong_to_it() {
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
