//! Masquerades and forwards.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Text;
use crate::{
    rules::{Filtering, Mapping},
    topology::{
        choices::{MssClampFile, PortsFile},
        schema::{Address, Network, Protocol, Subnet, Target},
    },
};

/// Source translation: what a subnet sends out of an uplink bears the uplink's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "masquerade")]
pub(in crate::topology) struct MasqueradeFile {
    /// A subnet inside, or one address with /32.
    #[schemars(with = "Subnet")]
    pub(in crate::topology) source: Text,
    /// Name of the uplink; without it, all uplinks of the routers that lead to the subnet.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) uplink: Option<Text>,
    /// Destinations that are left alone: what goes there keeps its source.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(in crate::topology) except: Vec<Text>,
    /// The address that it bears, one of the router's at the uplink; without it, the one that
    /// the kernel chooses.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(in crate::topology) to: Option<Text>,
    /// The largest segment that ends of TCP connections may announce, in bytes; "pmtu": what
    /// fits the uplink and the namespace's cable.
    #[serde(default)]
    #[schemars(with = "MssClampFile")]
    pub(in crate::topology) mss_clamp: Option<Spanned<MssClampFile>>,
    /// Which outside port an inside port has: one for each remote address and port, or one.
    #[serde(default)]
    #[schemars(with = "Mapping")]
    pub(in crate::topology) mapping: Option<Text>,
    /// Who outside may begin a connection to an endpoint-independent mapping.
    #[serde(default)]
    #[schemars(with = "Filtering")]
    pub(in crate::topology) filtering: Option<Text>,
}

/// Destination translation: what reaches a port of the router goes to a namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "forward")]
pub(in crate::topology) struct ForwardFile {
    /// "tcp", "udp", "sctp" or "udplite".
    #[schemars(with = "Protocol")]
    pub(in crate::topology) protocol: Text,
    /// The router's address that it is for; without it, all of them.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(in crate::topology) address: Option<Text>,
    /// The router's port, or several, as "8000-17999".
    #[schemars(with = "PortsFile")]
    pub(in crate::topology) port: Spanned<PortsFile>,
    /// Where to, as ADDRESS:PORT: the address of a namespace on a bridge or at the other end of a
    /// router's cable, or of an uplink that is plugged into a bridge. Of several ports, where the
    /// first leads.
    #[schemars(with = "Target")]
    pub(in crate::topology) target: Text,
    /// Whom it is for; for others there is no forward. Without it, everybody.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(in crate::topology) from: Vec<Text>,
}
