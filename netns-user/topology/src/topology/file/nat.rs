//! Settings of the address translation.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    number_or_text::PortsFile,
    values::{FlowTable, Number, Quota, Timeout},
};

/// Settings of the address translation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "nat")]
pub(crate) struct NatFile {
    /// How many connections each router tracks at a time.
    #[serde(default)]
    #[schemars(with = "FlowTable")]
    pub(crate) flow_table: Option<Number>,
    /// How many of them each namespace can have that has no `quota` of its own, and each uplink for
    /// connections from outside; without it, half of the flow table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(crate) quota: Option<Number>,
    /// How many unanswered connections each namespace can have; without it, an eighth of the flow
    /// table. Each uplink can have as many half-open connections from outside, or a quarter of the
    /// table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(crate) unreplied: Option<Number>,
    /// Whether packets that do not have their own namespace's Ethernet and IPv4 address as their
    /// source are dropped, where the namespace does not set it.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) source_check: Option<bool>,
    /// Whether translated packets pass through the kernel's stack, where netfilter and tcpdump see
    /// them, instead of being redirected.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) via_stack: Option<bool>,
    /// The ports for connections that cannot keep their own, as "1024-65535".
    #[serde(default)]
    #[schemars(with = "PortsFile")]
    pub(crate) ports: Option<Spanned<PortsFile>>,
    /// Whether an even port is translated to an even port, and an odd port to an odd one (RFC 4787
    /// REQ-4).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) keep_parity: Option<bool>,
    /// Whether a port below 1024 is translated to a port below 1024, and no other port is (RFC 4787
    /// REQ-3a).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(crate) keep_class: Option<bool>,
    /// How long connections can be idle.
    #[serde(default)]
    pub(crate) timeouts: TimeoutsFile,
}

/// How long connections can be idle before they are removed, in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "timeouts")]
pub(crate) struct TimeoutsFile {
    /// TCP before both sides have sent; RFC 5382 requires at least 240.
    #[schemars(with = "Timeout")]
    pub(crate) tcp_opening: Option<Number>,
    /// Established TCP; RFC 5382 requires at least 7440.
    #[schemars(with = "Timeout")]
    pub(crate) tcp_established: Option<Number>,
    /// TCP after a FIN or RST; RFC 5382 requires at least 240.
    #[schemars(with = "Timeout")]
    pub(crate) tcp_closing: Option<Number>,
    /// UDP before an answer; RFC 4787 requires at least 120.
    #[schemars(with = "Timeout")]
    pub(crate) udp_unreplied: Option<Number>,
    /// UDP; RFC 4787 requires at least 120 and recommends 300.
    #[schemars(with = "Timeout")]
    pub(crate) udp: Option<Number>,
    /// UDP of one question to a port below 1024 and one answer; RFC 4787 leaves it open.
    #[schemars(with = "Timeout")]
    pub(crate) udp_question: Option<Number>,
    /// ICMP queries; RFC 5508 requires at least 60.
    #[schemars(with = "Timeout")]
    pub(crate) icmp: Option<Number>,
    /// SCTP before an answer.
    #[schemars(with = "Timeout")]
    pub(crate) sctp_unreplied: Option<Number>,
    /// SCTP.
    #[schemars(with = "Timeout")]
    pub(crate) sctp: Option<Number>,
    /// Protocols without ports before an answer.
    #[schemars(with = "Timeout")]
    pub(crate) other_unreplied: Option<Number>,
    /// Protocols without ports.
    #[schemars(with = "Timeout")]
    pub(crate) other: Option<Number>,
}
