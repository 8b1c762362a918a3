//! The names of a lab's namespaces: which address each stands for, and what changes.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use super::{Correction, Deviation};
use crate::{
    net::{
        HostEntry,
        hosts::{is_host_name, links, shared},
    },
    step::Step,
    topology::{Topology, Uplink},
};

/// A change of more names is counted.
const NAMED: usize = 3;

/// The names of all namespaces that have an address, each with the first one: that on its bridge,
/// else that of a cable, else that of an uplink. A router has those of its uplinks too:
/// getaddrinfo(3) returns first an address that can be reached, and from outside that is one of
/// them (RFC 6724 section 6 rule 1).
pub(super) fn entries(topology: &Topology) -> Vec<HostEntry> {
    let mut addresses = HashMap::new();
    let mut note = |name, address| {
        addresses.entry(name).or_insert_with(|| vec![address]);
    };
    for bridge in &topology.bridges {
        if let Some(router) = bridge.router.as_deref() {
            note(router, bridge.address.addr());
        }
    }
    for (namespace, plug) in topology.plugged() {
        note(&namespace.name, plug.address.addr());
    }
    for end in topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]) {
        if let Some(address) = end.address {
            note(&end.namespace, address.addr());
        }
    }
    for outside in topology.uplinks.iter().filter_map(Uplink::outside) {
        note(&outside.namespace, outside.address.addr());
    }
    for uplink in &topology.uplinks {
        if let (Some(router), Some(primary)) = (uplink.router.as_deref(), uplink.primary()) {
            let known: &mut Vec<Ipv4Addr> = addresses.entry(router).or_default();
            if !known.contains(&primary.addr()) {
                known.push(primary.addr());
            }
        }
    }
    let named = topology.namespace_names().filter(|name| is_host_name(name));
    let entries_of = |name: &str| -> Vec<HostEntry> {
        let known = addresses.get(name).into_iter().flatten();
        known.map(|address| HostEntry { address: *address, name: name.to_owned() }).collect()
    };
    named.flat_map(entries_of).collect()
}

/// The kind, path and target of a namespace's link to the lab's shared hosts file, for a person.
pub(super) fn describe_link(namespace: &str, lab: &str) -> (&'static str, String, String) {
    let target = format!("link to {}", shared::path(lab).display());
    ("hosts file", links::path(namespace).display().to_string(), target)
}

/// The kind, path and number of names of a lab's shared hosts file, for a person.
pub(super) fn describe(lab: &str, entries: &[HostEntry]) -> (&'static str, String, String) {
    let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let names = match names.len() {
        1 => "1 name".to_owned(),
        count => format!("{count} names"),
    };
    ("hosts file", shared::path(lab).display().to_string(), names)
}

/// The correction for a shared hosts file with other names than the wanted ones.
pub(super) fn correction(lab: &str, is: &[HostEntry], wanted: &[HostEntry]) -> Option<Correction> {
    if is == wanted {
        return None;
    }
    let of = format!("lab {lab}");
    let deviation = Deviation::new(of, "names", only_in(is, wanted), only_in(wanted, is));
    let step = Step::SetHosts { lab: lab.to_owned(), entries: wanted.to_owned() };
    Some((deviation, vec![step]))
}

/// The entries that only one of two files has, in words.
fn only_in(one: &[HostEntry], other: &[HostEntry]) -> String {
    let others: HashSet<&HostEntry> = other.iter().collect();
    let is_new = |entry: &&HostEntry| !others.contains(entry);
    let new: Vec<String> = one.iter().filter(is_new).map(ToString::to_string).collect();
    match new.as_slice() {
        [] => "none".to_owned(),
        few if few.len() <= NAMED => few.join(", "),
        many => format!("{} and {} more", many[0], many.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two routers of which one has no bridge, a namespace at two cables, and one without address.
    const LAB: &str = r#"
name = "names"
[[router]]
namespace = "gw"
[[router]]
namespace = "edge"
[[uplink]]
name = "wan"
router = "edge"
address = "192.0.2.2/24"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24", answers = ["8.8.8.8"] }
[[uplink]]
name = "out"
router = "gw"
address = "198.51.100.2/24"
outside = { namespace = "net", interface = "eth1", address = "198.51.100.1/24" }
[[bridge]]
name = "br0"
router = "gw"
address = "10.1.0.1/24"
[[bridge]]
name = "br1"
router = "gw"
address = "10.2.0.1/24"
[[namespace]]
name = "red"
bridge = "br1"
address = "10.2.0.10/24"
[[namespace]]
name = "far"
[[namespace]]
name = "lonely"
[[namespace]]
name = "7"
bridge = "br1"
address = "10.2.0.11/24"
[[cable]]
a = { namespace = "red", interface = "x", address = "10.7.0.1/30" }
b = { namespace = "far", interface = "y", address = "10.7.0.2/30" }
"#;

    fn texts(entries: &[HostEntry]) -> Vec<String> {
        entries.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_namespace_has_its_first_address_and_a_router_those_of_its_uplinks_too() {
        let lab = Topology::parse(LAB, "names.toml").unwrap();
        let wanted = [
            "10.1.0.1 gw",
            "198.51.100.2 gw",
            "192.0.2.2 edge",
            "192.0.2.1 net",
            "10.2.0.10 red",
            "10.7.0.2 far",
        ];
        assert_eq!(texts(&entries(&lab)), wanted);
    }

    #[test]
    fn a_change_names_the_entries_that_differ() {
        let lab = Topology::parse(LAB, "names.toml").unwrap();
        let all = entries(&lab);
        assert_eq!(correction("names", &all, &all), None);
        let (deviation, _) = correction("names", &all[1..], &all).unwrap();
        assert_eq!(deviation.as_change(), "names of lab names: none -> 10.1.0.1 gw");
        let (deviation, _) = correction("names", &[], &all).unwrap();
        assert!(deviation.as_change().ends_with(": none -> 10.1.0.1 gw and 5 more"));
    }
}
