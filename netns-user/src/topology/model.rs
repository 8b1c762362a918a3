//! The lab as data. Serialised, it is a topology file again.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::rules::{ForwardRule, MasqueradeRule};

/// The name of an uplink that stands for the interface of the machine's default route.
pub const AUTO: &str = "auto";

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Unique among the labs of the machine; a plain file name.
    pub name: String,
    pub router: Router,
    pub nat: NatOptions,
    #[serde(rename = "uplink")]
    pub uplinks: Vec<Uplink>,
    #[serde(rename = "bridge")]
    pub bridges: Vec<Bridge>,
    #[serde(rename = "namespace")]
    pub namespaces: Vec<Namespace>,
    #[serde(rename = "masquerade")]
    pub masquerades: Vec<MasqueradeRule>,
    #[serde(rename = "forward")]
    pub forwards: Vec<ForwardRule>,
}

/// What routes between the bridges and the uplinks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Router {
    /// A namespace made for it; `None`: the machine's own namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// An interface of the router that leads out of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uplink {
    /// Interface name in the router, or [`AUTO`].
    pub name: String,
    /// Present where the uplink is simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Net>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

/// The simulated network at the far end of an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    pub namespace: String,
    /// Name of the far end of the uplink's cable.
    pub interface: String,
    pub address: Ipv4Net,
    /// Further addresses that the outside answers for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Ipv4Addr>,
}

/// A switch inside the router, which has an address on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bridge {
    pub name: String,
    pub address: Ipv4Net,
}

/// A namespace with one cable to a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    pub name: String,
    pub bridge: String,
    pub address: Ipv4Net,
    /// Name of the cable's end in the namespace.
    pub interface: String,
    /// Name of the cable's end on the bridge.
    pub port: String,
    pub gateway: Ipv4Addr,
    /// Name servers, for /etc/netns/NAME/resolv.conf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<Ipv4Addr>,
}

/// Settings of the address translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NatOptions {
    /// How many connections are tracked at a time.
    pub flow_table: u32,
    /// Whether a cable carries only packets from its own namespace's address.
    pub source_check: bool,
}

impl Default for NatOptions {
    fn default() -> Self {
        Self { flow_table: 131_072, source_check: true }
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

    /// The bridge called `name`.
    pub fn bridge(&self, name: &str) -> Option<&Bridge> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// The simulated networks outside.
    pub fn outsides(&self) -> impl Iterator<Item = &Outside> {
        self.uplinks.iter().filter_map(|uplink| uplink.outside.as_ref())
    }

    /// Names of all namespaces that are made for the lab: the router's first, then those
    /// outside, then those inside.
    pub fn namespace_names(&self) -> impl Iterator<Item = &str> {
        let router = self.router.namespace.as_deref();
        let outside = self.outsides().map(|outside| outside.namespace.as_str());
        let inside = self.namespaces.iter().map(|namespace| namespace.name.as_str());
        router.into_iter().chain(outside).chain(inside)
    }

    /// Names of all interfaces that are made in the router: ports and simulated uplinks,
    /// then bridges, so that deleting them in this order leaves nothing half cabled.
    pub fn router_interfaces(&self) -> impl Iterator<Item = &str> {
        let ports = self.namespaces.iter().map(|namespace| namespace.port.as_str());
        let simulated = self.uplinks.iter().filter(|uplink| uplink.outside.is_some());
        let uplinks = simulated.map(|uplink| uplink.name.as_str());
        let bridges = self.bridges.iter().map(|bridge| bridge.name.as_str());
        ports.chain(uplinks).chain(bridges)
    }
}
