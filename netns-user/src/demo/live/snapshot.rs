//! The counters and flows of the datapath at one moment.

use std::{
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use netns_common::abi::FlowKind;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// A source of snapshots: a running datapath, or a test.
pub trait Source {
    /// Reads all counters and flows now.
    fn sample(&mut self) -> anyhow::Result<Snapshot>;
}

/// All counters and flows of a lab at one moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Snapshot {
    #[serde(skip)]
    pub at: Instant,
    /// The rules with their counters since they were added.
    pub rules: Vec<RuleSample>,
    /// The dropped packets by reason, since the lab was built. Reasons that never occurred may be
    /// missing.
    pub drops: Vec<DropSample>,
    /// All flows, or some of them, in any order.
    pub flows: Vec<FlowSample>,
    /// The number of all flows.
    pub flow_count: u64,
    /// The largest possible number of flows.
    pub capacity: u64,
}

/// A rule with its counters since it was added. Bytes are those of IP packets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RuleSample {
    /// Identifies the rule in every snapshot.
    pub id: u32,
    /// The rule in words.
    pub rule: String,
    /// Connections that it has begun.
    pub flows: u64,
    /// Translated packets, in both directions.
    pub packets: u64,
    /// Bytes of IP, in both directions.
    pub bytes: u64,
}

/// A drop reason with its counters since the lab was built. Bytes are those of IP packets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DropSample {
    /// The name of the reason; [drop-reasons.md](drop-reasons.md) explains each.
    pub reason: &'static str,
    /// Dropped packets.
    pub packets: u64,
    /// Their bytes of IP.
    pub bytes: u64,
}

/// One connection. For an ICMP query, the inside and external ports are its identifiers, and the
/// remote port is 0.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FlowSample {
    /// The keyword of its protocol, as in `netns flows`.
    pub protocol: &'static str,
    /// Its state, as in `netns flows`.
    pub state: &'static str,
    /// The kind of rule or packet that made it, as in `netns flows`.
    #[serde(serialize_with = "crate::datapath::kind_in_a_word")]
    #[schemars(with = "String")]
    pub kind: FlowKind,
    /// The inside end: address and port in the namespace.
    pub inside: SocketAddrV4,
    /// The external address and port of the inside end.
    pub external: SocketAddrV4,
    /// The other end.
    pub remote: SocketAddrV4,
    /// The time since its first packet, in JSON in whole seconds.
    #[serde(serialize_with = "whole_seconds")]
    #[schemars(with = "u64")]
    pub age: Duration,
    /// Packets in both directions.
    pub packets: u64,
    /// Bytes of IP in both directions.
    pub bytes: u64,
}

impl FlowSample {
    /// Whether `other` is the same connection at an earlier moment.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity() && other.age <= self.age
    }

    pub(super) fn identity(&self) -> (&'static str, SocketAddrV4, SocketAddrV4, SocketAddrV4) {
        (self.protocol, self.inside, self.external, self.remote)
    }

    /// The addresses of its first packet; `⇒` stands where the packet was translated.
    pub(super) fn path(&self) -> String {
        let (inside, external, remote) = (end(self.inside), end(self.external), end(self.remote));
        match self.kind {
            FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
                format!("{inside} ⇒ {external} → {remote}")
            }
            FlowKind::Forward | FlowKind::Admitted => {
                format!("{remote} → {external} ⇒ {inside}")
            }
        }
    }
}

fn whole_seconds<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(age.as_secs())
}

fn end(socket: SocketAddrV4) -> String {
    match socket.port() {
        0 => socket.ip().to_string(),
        _ => socket.to_string(),
    }
}
