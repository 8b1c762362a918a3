//! Uplinks, bridges, cables and routes.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{Number, Text};
use crate::topology::{
    choices::AddressesFile,
    schema::{Address, Destination, Interface, Metric, Mtu, Network, Subnet},
};

/// An interface of a router that leads out of its networks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "uplink")]
pub(in crate::topology) struct UplinkFile {
    /// Name of the interface in the router, unique in the lab. "auto" is the interface of the
    /// machine's default route.
    #[schemars(with = "Interface")]
    pub(in crate::topology) name: Text,
    /// Namespace of the router that it belongs to; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) router: Option<Text>,
    /// Its address, with the length of its subnet, or a list of addresses, of which the first is
    /// the one that the router speaks from. Only where the lab makes the uplink.
    #[serde(default)]
    #[schemars(with = "AddressesFile")]
    pub(in crate::topology) address: Option<AddressesFile>,
    /// Where the router's default route leads. Without it, the uplink has none.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(in crate::topology) gateway: Option<Text>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge it is
    /// plugged into, or the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(in crate::topology) mtu: Option<Number>,
    /// Whether what is translated enters the far end of its cable at once, past the cable itself;
    /// without it, no.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) redirect_peer: Option<Spanned<bool>>,
    /// Sources that may leave by it untranslated, even where a masquerade covers them; without it,
    /// none.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(in crate::topology) routed: Vec<Text>,
    /// A simulated network at the far end of its cable.
    #[serde(default)]
    #[schemars(with = "OutsideFile")]
    pub(in crate::topology) outside: Option<Spanned<OutsideFile>>,
    /// Another router's bridge at the far end of its cable.
    #[serde(default)]
    #[schemars(with = "PlugFile")]
    pub(in crate::topology) plug: Option<Spanned<PlugFile>>,
}

impl UplinkFile {
    /// The texts of its addresses.
    pub(in crate::topology) fn addresses(&self) -> &[Text] {
        self.address.as_ref().map_or(&[], |addresses| &addresses.texts)
    }
}

/// A simulated network at the far end of an uplink.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "outside")]
pub(in crate::topology) struct OutsideFile {
    /// Name of the namespace that plays it. Several uplinks may lead to one.
    #[schemars(with = "String")]
    pub(in crate::topology) namespace: Text,
    /// Name of the cable's end there.
    #[schemars(with = "Interface")]
    pub(in crate::topology) interface: Text,
    /// Address of the cable's end there, in the subnet of the uplink's first address.
    #[schemars(with = "Subnet")]
    pub(in crate::topology) address: Text,
    /// Further addresses that the outside answers for.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(in crate::topology) answers: Vec<Text>,
}

/// Where an uplink is plugged in at another router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "plug")]
pub(in crate::topology) struct PlugFile {
    /// Name of a bridge of another router.
    #[schemars(with = "String")]
    pub(in crate::topology) bridge: Text,
    /// Name of the cable's end on that bridge; without it, veth-NAME-br.
    #[serde(default)]
    #[schemars(with = "Interface")]
    pub(in crate::topology) port: Option<Text>,
    /// Whether its cable carries only what bears the uplink's addresses; without it, as `nat`
    /// says.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) source_check: Option<bool>,
}

/// A switch inside a router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "bridge")]
pub(in crate::topology) struct BridgeFile {
    /// Name of the interface in the router, unique in the lab.
    #[schemars(with = "Interface")]
    pub(in crate::topology) name: Text,
    /// Namespace of the router that it is in; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) router: Option<Text>,
    /// The router's address on it, with the length of the subnet of all that is plugged in.
    #[schemars(with = "Subnet")]
    pub(in crate::topology) address: Text,
    /// Most bytes of a packet on the bridge and on what is plugged in; without it, the kernel's
    /// default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(in crate::topology) mtu: Option<Number>,
    /// Name servers of the namespaces on it that name none themselves.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(in crate::topology) dns: Vec<Text>,
}

/// A route of a namespace or a router. It has a `via`, an `interface` or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "route")]
pub(in crate::topology) struct RouteFile {
    /// The subnet that it leads to; "default" for all that no other route has.
    #[schemars(with = "Destination")]
    pub(in crate::topology) to: Text,
    /// Address of the next router, in a subnet of the namespace.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(in crate::topology) via: Option<Text>,
    /// Interface that it leads out of.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) interface: Option<Text>,
    /// Of several routes to one subnet, that with the lowest metric counts.
    #[serde(default)]
    #[schemars(with = "Metric")]
    pub(in crate::topology) metric: Option<Number>,
}

/// A cable between two namespaces of the lab, of whatever role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable")]
pub(in crate::topology) struct CableFile {
    /// One end.
    #[schemars(with = "CableEndFile")]
    pub(in crate::topology) a: Spanned<CableEndFile>,
    /// The other end.
    #[schemars(with = "CableEndFile")]
    pub(in crate::topology) b: Spanned<CableEndFile>,
    /// Most bytes of a packet, at both ends; without it, the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(in crate::topology) mtu: Option<Number>,
}

/// One end of a cable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable-end")]
pub(in crate::topology) struct CableEndFile {
    /// Namespace that the end is in.
    #[schemars(with = "String")]
    pub(in crate::topology) namespace: Text,
    /// Name of the end there.
    #[schemars(with = "Interface")]
    pub(in crate::topology) interface: Text,
    /// Its address, with the length of its subnet; it can do without.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(in crate::topology) address: Option<Text>,
}
