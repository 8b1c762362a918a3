//! Namespaces, and what many have in common.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{Number, Text, links::RouteFile};
use crate::topology::{
    choices::GatewayFile,
    schema::{Address, Count, Mtu, Quota, Subnet},
};

/// A namespace, or several alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "namespace")]
pub(in crate::topology) struct NamespaceFile {
    /// Name of the namespace. With `count`, {} in it stands for the number of each; without {},
    /// -1, -2 and so on are appended.
    #[schemars(with = "String")]
    pub(in crate::topology) name: Text,
    /// How many to make.
    #[serde(default)]
    #[schemars(with = "Count")]
    pub(in crate::topology) count: Option<Number>,
    /// Name of the template whose keys it takes over, but for those that it gives itself.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) template: Option<Text>,
    /// Bridge that its cable leads to; without it, there is no cable.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) bridge: Option<Text>,
    /// Its address, with the length of the bridge's subnet. Without it, the next free one of the
    /// subnet is handed out. With `count`, that of the first one; the others follow upwards.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(in crate::topology) address: Option<Text>,
    /// Name of the cable's end in the namespace; without it, veth-NAME.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) interface: Option<Text>,
    /// Name of the cable's end on the bridge; without it, veth-NAME-br.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) port: Option<Text>,
    /// Where its default route leads; without it, to the bridge's address. False: it has none.
    #[serde(default)]
    #[schemars(with = "GatewayFile")]
    pub(in crate::topology) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(in crate::topology) mtu: Option<Number>,
    /// Whether its cable carries only what bears its own addresses; without it, as `nat` says.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) source_check: Option<Spanned<bool>>,
    /// How many connections it may have at a time; without it, as `nat` says.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(in crate::topology) quota: Option<Number>,
    /// Name servers, for /etc/netns/NAME/resolv.conf; without it, those of the bridge.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(in crate::topology) dns: Option<Vec<Text>>,
    /// Whether it forwards packets between its interfaces, as a router without translation.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) forwarding: Option<bool>,
    /// Routes of the namespace, besides the default route by its gateway.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(in crate::topology) routes: Option<Vec<Spanned<RouteFile>>>,
}

/// Keys that several namespaces share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "template")]
pub(in crate::topology) struct TemplateFile {
    /// Bridge that the cables of the namespaces lead to.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) bridge: Option<Text>,
    /// Address of the namespaces; of use for one that is used with one `count`.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(in crate::topology) address: Option<Text>,
    /// Name of the cable's end in the namespace.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) interface: Option<Text>,
    /// Name of the cable's end on the bridge.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) port: Option<Text>,
    /// Where the default route leads. False: there is none.
    #[serde(default)]
    #[schemars(with = "GatewayFile")]
    pub(in crate::topology) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(in crate::topology) mtu: Option<Number>,
    /// Whether the cables carry only what bears their own namespace's addresses.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) source_check: Option<Spanned<bool>>,
    /// How many connections each of the namespaces may have at a time.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(in crate::topology) quota: Option<Number>,
    /// Name servers.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(in crate::topology) dns: Option<Vec<Text>>,
    /// Whether the namespaces forward packets between their interfaces.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) forwarding: Option<bool>,
    /// Routes of the namespaces.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(in crate::topology) routes: Option<Vec<Spanned<RouteFile>>>,
}
