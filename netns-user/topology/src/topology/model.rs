//! The lab as data: every default filled in, every count spelled out. Serialised, it is a
//! topology file again.

use std::{collections::HashSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use netns_common::abi::{Timeouts, seconds, ticks};
use serde::{Serialize, Serializer};

use crate::rules::{ForwardRule, MasqueradeRule, Ports};

/// The name of an uplink that stands for the interface of the machine's default route.
pub const AUTO: &str = "auto";

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Unique among the labs of the machine; a plain file name.
    pub name: String,
    pub nat: NatOptions,
    /// Never empty. The first is the one that uplinks and bridges belong to when the file does
    /// not say; only it can be the machine's own namespace.
    #[serde(rename = "router")]
    pub routers: Vec<Router>,
    #[serde(rename = "uplink")]
    pub uplinks: Vec<Uplink>,
    #[serde(rename = "bridge")]
    pub bridges: Vec<Bridge>,
    #[serde(rename = "namespace")]
    pub namespaces: Vec<Namespace>,
    #[serde(rename = "cable")]
    pub cables: Vec<Cable>,
    #[serde(rename = "masquerade")]
    pub masquerades: Vec<MasqueradeRule>,
    #[serde(rename = "forward")]
    pub forwards: Vec<ForwardRule>,
}

/// What routes between bridges and uplinks, and translates addresses on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Router {
    /// A namespace made for it; `None`: the machine's own namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// An interface of a router that leads out of its networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uplink {
    /// Interface name in the router, or [`AUTO`].
    pub name: String,
    /// The router's namespace; `None`: the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// Present where the lab makes the uplink. The first one is its primary address: the router
    /// speaks from it where no rule names another.
    #[serde(
        rename = "address",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "one_or_many"
    )]
    pub addresses: Vec<Ipv4Net>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// Bytes, of both ends of the uplink's cable; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Whether what is translated enters the far end of its cable at once.
    #[serde(skip_serializing_if = "is_false")]
    pub redirect_peer: bool,
    /// Sources that may leave by it untranslated. They win over its masquerades.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routed: Vec<Ipv4Net>,
    /// Where the far end of its cable is.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub far: Option<Far>,
}

/// The far end of an uplink that the lab makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Far {
    /// A simulated network outside.
    Outside(Outside),
    /// A port of another router's bridge.
    Plug(Plug),
}

/// Where an uplink is plugged in at another router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plug {
    pub bridge: String,
    /// Name of the far end of the uplink's cable, on the bridge.
    pub port: String,
    /// As [`NatOptions::source_check`], which holds where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_check: Option<bool>,
}

/// The simulated network at the far end of an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// May be the far end of several uplinks.
    pub namespace: String,
    /// Name of the far end of the uplink's cable.
    pub interface: String,
    pub address: Ipv4Net,
    /// Further addresses that the outside answers for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Ipv4Addr>,
}

/// A switch inside a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bridge {
    pub name: String,
    /// The namespace of the router that it is in; `None`: the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The router's own, and the subnet of all that is plugged in.
    pub address: Ipv4Net,
    /// Bytes, of the bridge, its ports and their far ends; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// A namespace, with a cable to a bridge or without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    pub name: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub plug: Option<NamespacePlug>,
    /// Whether it forwards packets between its links, as a router without translation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarding: bool,
    /// Besides the default route by its gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name servers, for /etc/netns/NAME/resolv.conf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<Ipv4Addr>,
}

/// A namespace's cable to a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamespacePlug {
    pub bridge: String,
    pub address: Ipv4Net,
    /// Name of the cable's end in the namespace.
    pub interface: String,
    /// Name of the cable's end on the bridge.
    pub port: String,
    /// Where its default route leads; `None`: it has none.
    #[serde(serialize_with = "address_or_false")]
    pub gateway: Option<Ipv4Addr>,
    /// Bytes, of both ends of the cable; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// As [`NatOptions::source_check`], which holds where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_check: Option<bool>,
    /// As [`NatOptions::quota`], which holds where this is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
}

/// A cable between two of the lab's namespaces, of whatever role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cable {
    pub a: CableEnd,
    pub b: CableEnd,
    /// Bytes, of both ends; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// One end of a cable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CableEnd {
    pub namespace: String,
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Net>,
}

/// A route of a namespace or a router. At least one of `via` and `interface` is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Route {
    /// 0.0.0.0/0: the default route.
    pub to: Ipv4Net,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The lowest one counts.
    #[serde(skip_serializing_if = "is_zero")]
    pub metric: u32,
}

/// A gateway that is left out is the bridge's address: one that is not there must be told.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn address_or_false<S: Serializer>(
    gateway: &Option<Ipv4Addr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match gateway {
        Some(gateway) => gateway.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

/// A single address is written without a list: older versions can then read the record of the lab.
fn one_or_many<S: Serializer>(addresses: &[Ipv4Net], serializer: S) -> Result<S::Ok, S::Error> {
    match addresses {
        [address] => address.serialize(serializer),
        several => several.serialize(serializer),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(choice: &bool) -> bool {
    !*choice
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Settings of the address translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NatOptions {
    /// How many connections each router tracks at a time.
    pub flow_table: u32,
    /// How many of them each namespace may have, and each uplink of what comes from outside.
    pub quota: u32,
    /// How many of these may be without an answer.
    pub unreplied: u32,
    /// Whether a cable carries only what bears its own namespace's Ethernet and IPv4 address,
    /// unless the namespace says it for itself.
    pub source_check: bool,
    /// Whether translated packets take the way through the kernel's stack.
    pub via_stack: bool,
    /// Where ports are chosen for connections that cannot keep theirs.
    pub ports: Ports,
    /// Whether an even port becomes an even one, and an odd port an odd one.
    pub keep_parity: bool,
    /// Whether a port below 1024 becomes one below 1024, and no other does.
    pub keep_class: bool,
    pub timeouts: NatTimeouts,
}

impl NatOptions {
    /// What is not said, for a flow table of this size: so that one namespace leaves half of it
    /// to the others, and most of it while nobody answers.
    pub fn of_table(flow_table: u32) -> Self {
        Self {
            flow_table,
            quota: flow_table / 2,
            unreplied: flow_table / 8,
            source_check: true,
            via_stack: false,
            ports: Ports::UNPRIVILEGED,
            keep_parity: false,
            keep_class: false,
            timeouts: NatTimeouts::default(),
        }
    }
}

impl Default for NatOptions {
    fn default() -> Self {
        Self::of_table(131_072)
    }
}

/// How long connections may be idle, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NatTimeouts {
    pub tcp_opening: u32,
    pub tcp_established: u32,
    pub tcp_closing: u32,
    pub udp_unreplied: u32,
    pub udp: u32,
    pub udp_question: u32,
    pub icmp: u32,
    pub sctp_unreplied: u32,
    pub sctp: u32,
    pub other_unreplied: u32,
    pub other: u32,
}

impl Default for NatTimeouts {
    fn default() -> Self {
        Self::from(&Timeouts::default())
    }
}

impl NatTimeouts {
    /// Each with its key in the file.
    pub fn named(&self) -> [(&'static str, u32); 11] {
        [
            ("tcp_opening", self.tcp_opening),
            ("tcp_established", self.tcp_established),
            ("tcp_closing", self.tcp_closing),
            ("udp_unreplied", self.udp_unreplied),
            ("udp", self.udp),
            ("udp_question", self.udp_question),
            ("icmp", self.icmp),
            ("sctp_unreplied", self.sctp_unreplied),
            ("sctp", self.sctp),
            ("other_unreplied", self.other_unreplied),
            ("other", self.other),
        ]
    }
}

/// Whole seconds.
impl From<&Timeouts> for NatTimeouts {
    fn from(timeouts: &Timeouts) -> Self {
        Self {
            tcp_opening: seconds(timeouts.tcp_opening),
            tcp_established: seconds(timeouts.tcp_established),
            tcp_closing: seconds(timeouts.tcp_closing),
            udp_unreplied: seconds(timeouts.udp_unreplied),
            udp: seconds(timeouts.udp),
            udp_question: seconds(timeouts.udp_question),
            icmp: seconds(timeouts.icmp),
            sctp_unreplied: seconds(timeouts.sctp_unreplied),
            sctp: seconds(timeouts.sctp),
            other_unreplied: seconds(timeouts.portless_unreplied),
            other: seconds(timeouts.portless),
        }
    }
}

/// In the kernel's ticks, not shorter than asked.
impl From<&NatTimeouts> for Timeouts {
    fn from(timeouts: &NatTimeouts) -> Self {
        Self {
            tcp_opening: ticks(timeouts.tcp_opening),
            tcp_established: ticks(timeouts.tcp_established),
            tcp_closing: ticks(timeouts.tcp_closing),
            udp_unreplied: ticks(timeouts.udp_unreplied),
            udp: ticks(timeouts.udp),
            udp_question: ticks(timeouts.udp_question),
            icmp: ticks(timeouts.icmp),
            sctp_unreplied: ticks(timeouts.sctp_unreplied),
            sctp: ticks(timeouts.sctp),
            portless_unreplied: ticks(timeouts.other_unreplied),
            portless: ticks(timeouts.other),
        }
    }
}

impl Topology {
    /// Whether an uplink stands for the interface of the machine's default route.
    pub fn has_auto(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink.name == AUTO)
    }

    /// The same lab with `interface` in the place of [`AUTO`], in rules too.
    #[must_use]
    pub fn with_auto(mut self, interface: &str) -> Self {
        let names = self.uplinks.iter_mut().map(|uplink| &mut uplink.name);
        let rules = self.masquerades.iter_mut().filter_map(|rule| rule.uplink.as_mut());
        for name in names.chain(rules).filter(|name| *name == AUTO) {
            interface.clone_into(name);
        }
        self
    }

    /// Whether a router is the machine's own namespace, and something is to be made there.
    pub fn uses_machine(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink.router.is_none())
            || self.bridges.iter().any(|bridge| bridge.router.is_none())
            || self
                .routers
                .iter()
                .any(|router| router.namespace.is_none() && !router.routes.is_empty())
    }

    /// The namespace of the first router; `None`: the machine.
    pub fn first_router(&self) -> Option<&str> {
        self.routers.first().and_then(|router| router.namespace.as_deref())
    }

    /// The namespaces that have a cable to a bridge, with that cable.
    pub fn plugged(&self) -> impl Iterator<Item = (&Namespace, &NamespacePlug)> {
        self.namespaces.iter().filter_map(|namespace| Some((namespace, namespace.plug.as_ref()?)))
    }

    /// The bridge called `name`. Names of bridges are unique in a lab, whatever router they are in.
    pub fn bridge(&self, name: &str) -> Option<&Bridge> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// The bridges of a router; `None`: of the machine.
    pub fn bridges_of<'a>(&'a self, router: Option<&'a str>) -> impl Iterator<Item = &'a Bridge> {
        self.bridges.iter().filter(move |bridge| bridge.router.as_deref() == router)
    }

    /// The uplinks of a router; `None`: of the machine.
    pub fn uplinks_of<'a>(&'a self, router: Option<&'a str>) -> impl Iterator<Item = &'a Uplink> {
        self.uplinks.iter().filter(move |uplink| uplink.router.as_deref() == router)
    }

    /// The simulated networks outside, one entry for each uplink to them.
    pub fn outsides(&self) -> impl Iterator<Item = &Outside> {
        self.uplinks.iter().filter_map(Uplink::outside)
    }

    /// Names of all namespaces that are made for the lab, each once: routers first, then those
    /// outside, then those inside.
    pub fn namespace_names(&self) -> impl Iterator<Item = &str> {
        let routers = self.routers.iter().filter_map(|router| router.namespace.as_deref());
        let mut seen = HashSet::new();
        let outside = self.outsides().map(|outside| outside.namespace.as_str());
        let outside = outside.filter(move |name| seen.insert(*name));
        let inside = self.namespaces.iter().map(|namespace| namespace.name.as_str());
        routers.chain(outside).chain(inside)
    }
}
