//! The topology file as it is written: text with positions, nothing checked yet.

use serde::Deserialize;
use toml::Spanned;

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopologyFile {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) router: RouterFile,
    #[serde(default)]
    pub(super) nat: NatFile,
    #[serde(default, rename = "uplink")]
    pub(super) uplinks: Vec<UplinkFile>,
    #[serde(default, rename = "bridge")]
    pub(super) bridges: Vec<BridgeFile>,
    #[serde(default, rename = "namespace")]
    pub(super) namespaces: Vec<NamespaceFile>,
    #[serde(default, rename = "masquerade")]
    pub(super) masquerades: Vec<MasqueradeFile>,
    #[serde(default, rename = "forward")]
    pub(super) forwards: Vec<ForwardFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouterFile {
    pub(super) namespace: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NatFile {
    pub(super) flow_table: Option<Spanned<i64>>,
    pub(super) source_check: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UplinkFile {
    pub(super) name: Text,
    pub(super) address: Option<Text>,
    pub(super) gateway: Option<Text>,
    pub(super) outside: Option<Spanned<OutsideFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsideFile {
    pub(super) namespace: Text,
    pub(super) interface: Text,
    pub(super) address: Text,
    #[serde(default)]
    pub(super) answers: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BridgeFile {
    pub(super) name: Text,
    pub(super) address: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceFile {
    pub(super) name: Text,
    pub(super) bridge: Text,
    pub(super) address: Text,
    pub(super) interface: Option<Text>,
    pub(super) port: Option<Text>,
    pub(super) gateway: Option<Text>,
    #[serde(default)]
    pub(super) dns: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MasqueradeFile {
    pub(super) source: Text,
    pub(super) uplink: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForwardFile {
    pub(super) protocol: Text,
    pub(super) address: Option<Text>,
    pub(super) port: Spanned<i64>,
    pub(super) target: Text,
}
