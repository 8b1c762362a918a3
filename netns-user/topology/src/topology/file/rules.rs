//! Masquerades and forwards.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    number_or_text::{MssClampFile, PortsFile},
    one_or_many::ProtocolsFile,
    values::{Address, Network, Subnet, Target, Text},
};
use crate::rules::{Filtering, Mapping};

/// Source translation: packets of a subnet leave by an uplink with the uplink's address as their
/// source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "masquerade")]
pub(crate) struct MasqueradeFile {
    /// A subnet inside, or one address with /32.
    #[schemars(with = "Subnet")]
    pub(crate) source: Text,
    /// Name of the uplink; without it, all uplinks of the routers that lead to the subnet.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) uplink: Option<Text>,
    /// Destinations that are not translated: packets to them keep their source.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(crate) except: Vec<Text>,
    /// The new source, an address of the router at the uplink; without it, the address that the
    /// kernel chooses.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(crate) to: Option<Text>,
    /// The largest segment that both sides of a TCP connection can announce, in bytes; "pmtu": the
    /// largest that fits the uplink and the namespace's cable.
    #[serde(default)]
    #[schemars(with = "MssClampFile")]
    pub(crate) mss_clamp: Option<Spanned<MssClampFile>>,
    /// Whether an inside port gets one outside port for each remote address and port, or one for
    /// all remotes.
    #[serde(default)]
    #[schemars(with = "Mapping")]
    pub(crate) mapping: Option<Text>,
    /// Which remotes can open a connection to an endpoint-independent mapping.
    #[serde(default)]
    #[schemars(with = "Filtering")]
    pub(crate) filtering: Option<Text>,
}

/// Destination translation: packets to a port of the router go to a namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "forward")]
pub(crate) struct ForwardFile {
    /// "tcp", "udp", "sctp" or "udplite", or several of them: each gets a rule of its own.
    #[schemars(with = "ProtocolsFile")]
    pub(crate) protocol: ProtocolsFile,
    /// The router's address; without it, all of its addresses.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(crate) address: Option<Text>,
    /// The router's port, or several, as "8000-17999".
    #[schemars(with = "PortsFile")]
    pub(crate) port: Spanned<PortsFile>,
    /// The target, as NAME:PORT or ADDRESS:PORT: a namespace on a bridge or at the other end of a
    /// router's cable, or an uplink that is plugged into a bridge. With several ports, the target
    /// of the first.
    #[schemars(with = "Target")]
    pub(crate) target: Text,
    /// Sources that the forward is for; without it, all sources. For others there is no forward.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(crate) from: Vec<Text>,
}
