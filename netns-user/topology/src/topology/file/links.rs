//! Uplinks, bridges and cables.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    one_or_many::AddressesFile,
    values::{Address, Interface, Mtu, Network, Number, Subnet, Text},
};

/// An interface of a router that leads out of its networks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "uplink")]
pub(crate) struct UplinkFile {
    /// Name of the interface in the router, unique in the lab. "auto" is the interface of the
    /// machine's default route.
    #[schemars(with = "Interface")]
    pub(crate) name: Text,
    /// Namespace of the router that it belongs to; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) router: Option<Text>,
    /// Its address with the prefix length, or a list of addresses. The first one is the primary
    /// address: the router sends from it. Only where the lab makes the uplink.
    #[serde(default)]
    #[schemars(with = "AddressesFile")]
    pub(crate) address: Option<AddressesFile>,
    /// Gateway of the router's default route. Without it, the uplink gives the router no default
    /// route.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(crate) gateway: Option<Text>,
    /// MTU of both ends of the cable, in bytes; without it, that of the bridge that it is plugged
    /// into, or the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(crate) mtu: Option<Number>,
    /// Whether translated packets enter the far end of the cable directly instead of crossing the
    /// cable; without it, no.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) redirect_peer: Option<Spanned<bool>>,
    /// Sources that leave by this uplink untranslated, even where a masquerade covers them; without
    /// it, none.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(crate) routed: Vec<Text>,
    /// A simulated network at the far end of the cable.
    #[serde(default)]
    #[schemars(with = "OutsideFile")]
    pub(crate) outside: Option<Spanned<OutsideFile>>,
    /// Another router's bridge at the far end of the cable.
    #[serde(default)]
    #[schemars(with = "PlugFile")]
    pub(crate) plug: Option<Spanned<PlugFile>>,
}

impl UplinkFile {
    /// The texts of its addresses.
    pub(crate) fn addresses(&self) -> &[Text] {
        self.address.as_ref().map_or(&[], |addresses| &addresses.texts)
    }
}

/// A simulated network at the far end of an uplink.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "outside")]
pub(crate) struct OutsideFile {
    /// Name of the namespace that simulates the network. Several uplinks can lead to one.
    #[schemars(with = "String")]
    pub(crate) namespace: Text,
    /// Name of the cable's end in this namespace.
    #[schemars(with = "Interface")]
    pub(crate) interface: Text,
    /// Address of this end, in the subnet of the uplink's first address.
    #[schemars(with = "Subnet")]
    pub(crate) address: Text,
    /// Further addresses that the outside answers for.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(crate) answers: Vec<Text>,
}

/// The bridge of another router that an uplink is plugged into.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "plug")]
pub(crate) struct PlugFile {
    /// Name of a bridge of another router.
    #[schemars(with = "String")]
    pub(crate) bridge: Text,
    /// Name of the cable's end on this bridge; without it, veth-NAME-br.
    #[serde(default)]
    #[schemars(with = "Interface")]
    pub(crate) port: Option<Text>,
    /// Whether packets that do not have an address of the uplink as their source are dropped at the
    /// bridge; without it, as `nat` says.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) source_check: Option<bool>,
}

/// A switch inside a router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "bridge")]
pub(crate) struct BridgeFile {
    /// Name of the interface in the router, unique in the lab.
    #[schemars(with = "Interface")]
    pub(crate) name: Text,
    /// Namespace of the router that it is in; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) router: Option<Text>,
    /// The router's address on the bridge, with the prefix length of its subnet.
    #[schemars(with = "Subnet")]
    pub(crate) address: Text,
    /// MTU of the bridge and of everything that is plugged in, in bytes; without it, the kernel's
    /// default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(crate) mtu: Option<Number>,
    /// Name servers of the namespaces on it that have no `dns` of their own.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(crate) dns: Vec<Text>,
}

/// A cable between two namespaces of the lab. Routers and the outside are namespaces too.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable")]
pub(crate) struct CableFile {
    /// One end.
    #[schemars(with = "CableEndFile")]
    pub(crate) a: Spanned<CableEndFile>,
    /// The other end.
    #[schemars(with = "CableEndFile")]
    pub(crate) b: Spanned<CableEndFile>,
    /// MTU of both ends, in bytes; without it, the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(crate) mtu: Option<Number>,
}

/// One end of a cable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable-end")]
pub(crate) struct CableEndFile {
    /// Namespace that the end is in.
    #[schemars(with = "String")]
    pub(crate) namespace: Text,
    /// Name of the end in the namespace.
    #[schemars(with = "Interface")]
    pub(crate) interface: Text,
    /// Its address with the prefix length; without it, the end has no address.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(crate) address: Option<Text>,
}
