//! The lab as data, with every default filled in and every count resolved into single namespaces.
//! Serialised, it is a topology file again.

use std::{collections::HashSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::nat_options::NatOptions;
use crate::rules::{ForwardRule, MasqueradeRule};

/// The uplink name that stands for the interface of the machine's default route.
pub const AUTO: &str = "auto";

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Unique among the labs of the machine; valid as a file name.
    pub name: String,
    pub nat: NatOptions,
    /// Never empty. Uplinks and bridges belong to the first one where the file names none. Only the
    /// first one can be the machine's own namespace.
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

/// A router: it routes between bridges and uplinks, and translates addresses on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Router {
    /// The namespace that is made for it; `None`: the machine's own namespace.
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
    /// Not empty where the lab makes the uplink. The first one is the primary address: the router
    /// sends from it where no rule names another.
    #[serde(
        rename = "address",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "one_or_many"
    )]
    pub addresses: Vec<Ipv4Net>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// The MTU of both ends of the uplink's cable, in bytes; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Whether translated packets enter the far end of its cable directly.
    #[serde(skip_serializing_if = "is_false")]
    pub redirect_peer: bool,
    /// Sources that leave by it untranslated. They take precedence over its masquerades.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routed: Vec<Ipv4Net>,
    /// The far end of its cable.
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

/// The bridge of another router that an uplink is plugged into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plug {
    pub bridge: String,
    /// Name of the far end of the uplink's cable, on the bridge.
    pub port: String,
    /// `None`: as [`NatOptions::source_check`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_check: Option<bool>,
}

/// The simulated network at the far end of an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// Several uplinks can lead to the same one.
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
    /// The namespace of its router; `None`: the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The router's address on it, with the subnet of everything that is plugged in.
    pub address: Ipv4Net,
    /// The MTU of the bridge, its ports and their far ends, in bytes; `None`: the kernel's
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// A namespace, with or without a cable to a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    pub name: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub plug: Option<NamespacePlug>,
    /// Whether it forwards packets between its links, as a router without translation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarding: bool,
    /// Without the default route by its gateway.
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
    /// The gateway of its default route; `None`: it has no default route.
    #[serde(serialize_with = "address_or_false")]
    pub gateway: Option<Ipv4Addr>,
    /// The MTU of both ends of the cable, in bytes; `None`: the kernel's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `None`: as [`NatOptions::source_check`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_check: Option<bool>,
    /// `None`: as [`NatOptions::quota`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
}

/// A cable between two namespaces of the lab. Routers and the outside are namespaces too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cable {
    pub a: CableEnd,
    pub b: CableEnd,
    /// The MTU of both ends, in bytes; `None`: the kernel's default.
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

/// A route of a namespace or a router. It has a `via`, an `interface` or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Route {
    /// The destination; `"0.0.0.0/0"`: the default route.
    #[schemars(with = "String")]
    pub to: Ipv4Net,
    /// The gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Ipv4Addr>,
    /// The interface by which packets leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The route with the lowest metric is used where several have one destination; `None`: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub metric: u32,
}

/// Writes `false` for no gateway: a file without the key means the bridge's address.
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

/// Writes a single address without a list, so that older versions can read the record of the lab.
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

impl Topology {
    /// Whether an uplink stands for the interface of the machine's default route.
    pub fn has_auto(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink.name == AUTO)
    }

    /// The same lab with `interface` in place of [`AUTO`], also in its rules.
    #[must_use]
    pub fn with_auto(mut self, interface: &str) -> Self {
        let names = self.uplinks.iter_mut().map(|uplink| &mut uplink.name);
        let rules = self.masquerades.iter_mut().filter_map(|rule| rule.uplink.as_mut());
        for name in names.chain(rules).filter(|name| *name == AUTO) {
            interface.clone_into(name);
        }
        self
    }

    /// Whether the lab makes something in the machine's own namespace.
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

    /// The bridge called `name`. Names of bridges are unique in a lab, across all of its routers.
    pub fn bridge(&self, name: &str) -> Option<&Bridge> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// Whether a router has a bridge of this name; `None`: the machine.
    pub fn has_bridge(&self, router: Option<&str>, bridge: &str) -> bool {
        self.bridge(bridge).is_some_and(|bridge| bridge.router.as_deref() == router)
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

    /// The names of all namespaces that are made for the lab, each once: routers first, then
    /// networks outside, then namespaces inside.
    pub fn namespace_names(&self) -> impl Iterator<Item = &str> {
        let routers = self.routers.iter().filter_map(|router| router.namespace.as_deref());
        let mut seen = HashSet::new();
        let outside = self.outsides().map(|outside| outside.namespace.as_str());
        let outside = outside.filter(move |name| seen.insert(*name));
        let inside = self.namespaces.iter().map(|namespace| namespace.name.as_str());
        routers.chain(outside).chain(inside)
    }
}
