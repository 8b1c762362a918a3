//! Descriptions of the parts of a lab, for all kinds of drawings.

use std::net::Ipv4Addr;

use super::{Interface, Node, Rule};
use crate::{
    counted,
    rules::{ForwardRule, MasqueradeRule, list},
    topology::{Route, Topology, Uplink},
};

/// The name of the router that is the machine's own namespace.
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

/// The NAT rules: masquerades, sources that are not translated, and forwards.
pub(super) fn rules(topology: &Topology) -> Vec<Rule> {
    let masquerades = topology.masquerades.iter().map(|rule| masquerade(topology, rule));
    let routed = topology.uplinks.iter().flat_map(|uplink| {
        let text = |source| format!("{source} leaves by {} untranslated", uplink.name);
        uplink.routed.iter().map(move |source| Rule { kind: "routed", text: text(source) })
    });
    let forwards = topology.forwards.iter().map(|rule| forward(topology, rule));
    masquerades.chain(routed).chain(forwards).collect()
}

fn masquerade(topology: &Topology, rule: &MasqueradeRule) -> Rule {
    let uplink = topology.uplinks.iter().find(|uplink| Some(&uplink.name) == rule.uplink.as_ref());
    let address = uplink.and_then(Uplink::primary).map(|address| address.addr());
    let new_source = match rule.to.or(address) {
        Some(address) => address.to_string(),
        None => "that uplink's address".to_owned(),
    };
    let uplink = rule.uplink.as_deref().unwrap_or("any uplink");
    let mut text = format!("{} leaves by {uplink} as {new_source}", rule.source);
    if !rule.except.is_empty() {
        text += &format!(", except to {}", list(&rule.except));
    }
    Rule { kind: "masquerade", text }
}

fn forward(topology: &Topology, rule: &ForwardRule) -> Rule {
    let ports = match rule.ports.single() {
        Some(port) => format!("port {port}"),
        None => format!("ports {}", rule.ports),
    };
    let address = rule.address.map_or("the host".to_owned(), |address| address.to_string());
    let mut text = format!("{} {ports} of {address} leads to {}", rule.protocol, rule.leads_to());
    if let Some(owner) = owner_of(topology, *rule.target.ip()) {
        text += &format!(" in {owner}");
    }
    if !rule.from.is_empty() {
        text += &format!(", only from {}", list(&rule.from));
    }
    Rule { kind: "forward", text }
}

/// The namespace that has an address at a bridge or a cable.
fn owner_of(topology: &Topology, address: Ipv4Addr) -> Option<&str> {
    let plugs = topology.plugged().map(|(owner, plug)| (&owner.name, Some(plug.address)));
    let ends = topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]);
    plugs
        .chain(ends.map(|end| (&end.namespace, end.address)))
        .find(|(_, own)| own.is_some_and(|own| own.addr() == address))
        .map(|(owner, _)| owner.as_str())
}

impl Node {
    /// Its addresses, the first one first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &String> {
        self.address.iter().chain(&self.further_addresses)
    }

    /// The lines below its name.
    pub(super) fn details(&self) -> Vec<String> {
        let interfaces = self.interfaces.iter().map(Interface::describe);
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
    /// Its name, with its address if it has one.
    pub(super) fn describe(&self) -> String {
        match &self.address {
            Some(address) => format!("{} {address}", self.name),
            None => self.name.clone(),
        }
    }
}
