//! Parts of a lab in words.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{Interface, Node, Rule};
use crate::{
    counted,
    topology::{Route, Topology, Uplink},
};

/// The router that is the machine's own namespace.
pub(super) const MACHINE: &str = "this machine";

pub(super) fn route(route: &Route) -> String {
    let mut text = match route.to.prefix_len() {
        0 => "route default".to_owned(),
        _ => format!("route {}", route.to),
    };
    if let Some(via) = route.via {
        text += &format!(" via {via}");
    }
    if let Some(interface) = &route.interface {
        text += &format!(" dev {interface}");
    }
    if route.metric > 0 {
        text += &format!(" metric {}", route.metric);
    }
    text
}

pub(super) fn mtu(mtu: u32) -> String {
    format!("mtu {mtu}")
}

/// The NAT rules, those for sources first.
pub(super) fn rules(topology: &Topology) -> Vec<Rule> {
    let masquerades = topology.masquerades.iter().map(|rule| {
        let uplink = topology.uplinks.iter().find(|up| Some(&up.name) == rule.uplink.as_ref());
        let address = uplink.and_then(Uplink::primary).map(|address| address.addr());
        let source = match rule.to.or(address) {
            Some(address) => address.to_string(),
            None => "that uplink's address".to_owned(),
        };
        let except = match list(&rule.except) {
            except if except.is_empty() => except,
            except => format!(", but as it is to {except}"),
        };
        let way = rule.uplink.as_deref().unwrap_or("any uplink");
        let text = format!("{} leaves by {way} as {source}{except}", rule.source);
        Rule { kind: "masquerade", text }
    });
    let forwards = topology.forwards.iter().map(|rule| {
        let address = rule.address.map_or("the host".to_owned(), |address| address.to_string());
        let ports = match rule.ports.single() {
            Some(port) => format!("port {port}"),
            None => format!("ports {}", rule.ports),
        };
        let from = match list(&rule.from) {
            from if from.is_empty() => from,
            from => format!(", from {from} alone"),
        };
        let target = rule.target;
        let plugs = topology.plugged().map(|(owner, plug)| (&owner.name, Some(plug.address)));
        let ends = topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]);
        let owner = plugs
            .chain(ends.map(|end| (&end.namespace, end.address)))
            .find(|(_, address)| address.is_some_and(|address| address.addr() == *target.ip()))
            .map_or(String::new(), |(owner, _)| format!(" in {owner}"));
        let text = format!(
            "{} {ports} of {address} leads to {}{owner}{from}",
            rule.protocol,
            rule.leads_to()
        );
        Rule { kind: "forward", text }
    });
    let routed = topology.uplinks.iter().flat_map(|uplink| {
        let text = |source| format!("{source} leaves by {} untranslated", uplink.name);
        uplink.routed.iter().map(move |source| Rule { kind: "routed", text: text(source) })
    });
    masquerades.chain(routed).chain(forwards).collect()
}

fn list(networks: &BTreeSet<Ipv4Net>) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Node {
    /// Its own addresses, the first one first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &String> {
        self.address.iter().chain(&self.further_addresses)
    }

    /// All there is to say of it below its name, a line each.
    pub(super) fn facts(&self) -> Vec<String> {
        let interfaces = self.interfaces.iter().map(Interface::words);
        let gateway = self.gateway.iter().map(|gateway| format!("via {gateway}"));
        let count = (self.count > 1).then(|| counted(self.count, "namespace"));
        (self.addresses().cloned())
            .chain(gateway)
            .chain(interfaces)
            .chain(self.answers.iter().cloned())
            .chain(count)
            .chain(self.notes.iter().cloned())
            .collect()
    }
}

impl Interface {
    /// Its name and, where it has one, its address.
    pub(super) fn words(&self) -> String {
        match &self.address {
            Some(address) => format!("{} {address}", self.name),
            None => self.name.clone(),
        }
    }
}
