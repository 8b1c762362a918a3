//! The topology file as it is written: text with positions, nothing checked yet.

mod links;
mod namespaces;
mod rules;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub(in crate::topology) use links::{
    BridgeFile, CableEndFile, CableFile, OutsideFile, PlugFile, RouteFile, UplinkFile,
};
pub(in crate::topology) use namespaces::{NamespaceFile, TemplateFile};
pub(in crate::topology) use rules::{ForwardFile, MasqueradeFile};

pub(in crate::topology) use super::choices::{
    AddressesFile, GatewayFile, MssClampFile, PortsFile, RoutersFile,
};
use super::schema::{FlowTable, Quota, Timeout};

/// Text, and where it stands.
pub(in crate::topology) type Text = Spanned<String>;

/// A number, and where it stands. Wider than any key's range: the range is checked later, with
/// words of its own.
pub(in crate::topology) type Number = Spanned<i64>;

/// A lab: namespaces, cables, bridges, routers and rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "netns topology file")]
pub(in crate::topology) struct TopologyFile {
    /// Name of the lab, unique on the machine: letters, digits, '-' and '_'.
    #[schemars(with = "String")]
    pub(in crate::topology) name: Text,
    /// What routes between bridges and uplinks: one table, or several. Without it, the machine
    /// itself.
    #[serde(default)]
    pub(in crate::topology) router: RoutersFile,
    /// Settings of the address translation.
    #[serde(default)]
    pub(in crate::topology) nat: NatFile,
    /// Interfaces of routers that lead out of their networks.
    #[serde(default, rename = "uplink")]
    pub(in crate::topology) uplinks: Vec<UplinkFile>,
    /// Switches inside routers.
    #[serde(default, rename = "bridge")]
    pub(in crate::topology) bridges: Vec<BridgeFile>,
    /// Namespaces, most with a cable to a bridge.
    #[serde(default, rename = "namespace")]
    pub(in crate::topology) namespaces: Vec<NamespaceFile>,
    /// Keys that several namespaces share, by a name of the template.
    #[serde(default, rename = "template")]
    #[schemars(with = "BTreeMap<String, TemplateFile>")]
    pub(in crate::topology) templates: BTreeMap<Text, TemplateFile>,
    /// Cables between two namespaces.
    #[serde(default, rename = "cable")]
    pub(in crate::topology) cables: Vec<CableFile>,
    /// Source translation towards uplinks.
    #[serde(default, rename = "masquerade")]
    pub(in crate::topology) masquerades: Vec<MasqueradeFile>,
    /// Ports of routers that lead to namespaces inside.
    #[serde(default, rename = "forward")]
    pub(in crate::topology) forwards: Vec<ForwardFile>,
}

/// What routes between bridges and uplinks, and translates addresses on the way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "router")]
pub(in crate::topology) struct RouterFile {
    /// Name of a namespace that is made for the router. Without it, the machine itself routes;
    /// only the first router can be the machine.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(in crate::topology) namespace: Option<Text>,
    /// Routes of the router, besides those by its uplinks.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(in crate::topology) routes: Vec<Spanned<RouteFile>>,
}

/// Settings of the address translation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "nat")]
pub(in crate::topology) struct NatFile {
    /// How many connections each router tracks at a time.
    #[serde(default)]
    #[schemars(with = "FlowTable")]
    pub(in crate::topology) flow_table: Option<Number>,
    /// How many of them each namespace may have, where it does not say it, and each uplink of
    /// what comes from outside; without it, half of the flow table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(in crate::topology) quota: Option<Number>,
    /// How many connections without an answer each namespace may have; without it, an eighth of
    /// the flow table. Each uplink may have as many half-open calls, or a quarter of the table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(in crate::topology) unreplied: Option<Number>,
    /// Whether a cable carries only what bears its own namespace's Ethernet and IPv4 address,
    /// where the namespace does not say it.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) source_check: Option<bool>,
    /// Whether translated packets take the way through the kernel's stack, where netfilter and
    /// tcpdump see them, instead of the short one.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) via_stack: Option<bool>,
    /// Where ports are chosen for connections that cannot keep theirs, as "1024-65535".
    #[serde(default)]
    #[schemars(with = "PortsFile")]
    pub(in crate::topology) ports: Option<Spanned<PortsFile>>,
    /// Whether an even port becomes an even one, and an odd port an odd one (RFC 4787 REQ-4).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) keep_parity: Option<bool>,
    /// Whether a port below 1024 becomes one below 1024, and no other does (RFC 4787 REQ-3a).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(in crate::topology) keep_class: Option<bool>,
    /// How long connections may be idle.
    #[serde(default)]
    pub(in crate::topology) timeouts: TimeoutsFile,
}

/// How long connections may be idle before they are forgotten, in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "timeouts")]
pub(in crate::topology) struct TimeoutsFile {
    /// TCP before both sides have spoken; RFC 5382 asks for 240 at least.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) tcp_opening: Option<Number>,
    /// TCP in use; RFC 5382 asks for 7440 at least.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) tcp_established: Option<Number>,
    /// TCP after a FIN or RST; RFC 5382 asks for 240 at least.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) tcp_closing: Option<Number>,
    /// UDP before an answer; RFC 4787 asks for 120 at least.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) udp_unreplied: Option<Number>,
    /// UDP; RFC 4787 asks for 120 at least and recommends 300.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) udp: Option<Number>,
    /// UDP of one question to a port below 1024, and one answer; RFC 4787 leaves it open.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) udp_question: Option<Number>,
    /// ICMP queries; RFC 5508 asks for 60 at least.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) icmp: Option<Number>,
    /// SCTP before an answer.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) sctp_unreplied: Option<Number>,
    /// SCTP.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) sctp: Option<Number>,
    /// Protocols without ports before an answer.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) other_unreplied: Option<Number>,
    /// Protocols without ports.
    #[schemars(with = "Timeout")]
    pub(in crate::topology) other: Option<Number>,
}
