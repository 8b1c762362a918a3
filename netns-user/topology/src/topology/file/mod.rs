//! The topology file as it is written: text with positions, not checked yet.

mod gateway;
mod links;
mod namespaces;
mod nat;
mod number_or_text;
mod one_or_many;
mod routers;
mod rules;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use gateway::{GATEWAY, GatewayFile};
pub(crate) use links::{BridgeFile, CableEndFile, CableFile, OutsideFile, PlugFile, UplinkFile};
pub(crate) use namespaces::{NamespaceFile, NamespaceKeys, TemplateFile};
pub(crate) use nat::{NatFile, TimeoutsFile};
pub(crate) use number_or_text::{MSS_CLAMP, MssClampFile, NumberOrText, PORTS, PortsFile};
pub(crate) use one_or_many::{
    ADDRESSES, AddressesFile, PROTOCOLS, ProtocolsFile, ROUTERS, RoutersFile,
};
pub(crate) use routers::{RouteFile, RouterFile};
pub(crate) use rules::{ForwardFile, MasqueradeFile};
pub(crate) use values::{Number, Text};

/// A lab: namespaces, cables, bridges, routers and rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "netns topology file")]
pub(crate) struct TopologyFile {
    /// Name of the lab, unique on the machine: letters, digits, '-' and '_'.
    #[schemars(with = "String")]
    pub(crate) name: Text,
    /// Routers between bridges and uplinks: one table, or several. Without it, the machine itself
    /// is the router.
    #[serde(default)]
    pub(crate) router: RoutersFile,
    /// Settings of the address translation.
    #[serde(default)]
    pub(crate) nat: NatFile,
    /// Interfaces of routers that lead out of their networks.
    #[serde(default, rename = "uplink")]
    pub(crate) uplinks: Vec<UplinkFile>,
    /// Switches inside routers.
    #[serde(default, rename = "bridge")]
    pub(crate) bridges: Vec<BridgeFile>,
    /// Namespaces, most of them with a cable to a bridge.
    #[serde(default, rename = "namespace")]
    pub(crate) namespaces: Vec<NamespaceFile>,
    /// Keys that several namespaces share, by the name of the template.
    #[serde(default, rename = "template")]
    #[schemars(with = "BTreeMap<String, TemplateFile>")]
    pub(crate) templates: BTreeMap<Text, TemplateFile>,
    /// Cables between two namespaces.
    #[serde(default, rename = "cable")]
    pub(crate) cables: Vec<CableFile>,
    /// Source translation towards uplinks.
    #[serde(default, rename = "masquerade")]
    pub(crate) masquerades: Vec<MasqueradeFile>,
    /// Ports of routers that lead to namespaces inside.
    #[serde(default, rename = "forward")]
    pub(crate) forwards: Vec<ForwardFile>,
}
