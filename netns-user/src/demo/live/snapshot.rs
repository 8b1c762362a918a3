//! The counters and flows of the datapath at one moment.

use std::{
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use netns_common::abi::FlowKind;
use serde::{Serialize, Serializer};

/// A source of snapshots: a running datapath, or a test.
pub trait Source {
    /// Reads all counters and flows now.
    fn sample(&mut self) -> anyhow::Result<Snapshot>;
}

/// All counters and flows of a lab at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    #[serde(skip)]
    pub at: Instant,
    pub rules: Vec<RuleSample>,
    /// Reasons that never occurred may be missing.
    pub drops: Vec<DropSample>,
    /// All flows, or some of them, in any order.
    pub flows: Vec<FlowSample>,
    pub flow_count: u64,
    /// The largest possible number of flows.
    pub capacity: u64,
}

/// A rule with its counters since it was added. Bytes are those of IP packets.
#[derive(Clone, Debug, Serialize)]
pub struct RuleSample {
    /// Identifies the rule in every snapshot.
    pub id: u32,
    pub rule: String,
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

/// A drop reason with its counters since the lab was built. Bytes are those of IP packets.
#[derive(Clone, Debug, Serialize)]
pub struct DropSample {
    pub reason: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

/// One connection. For an ICMP query, the inside and external ports are its identifiers, and the
/// remote port is 0.
#[derive(Clone, Debug, Serialize)]
pub struct FlowSample {
    pub protocol: &'static str,
    pub state: &'static str,
    #[serde(serialize_with = "crate::datapath::kind_in_a_word")]
    pub kind: FlowKind,
    pub inside: SocketAddrV4,
    pub external: SocketAddrV4,
    pub remote: SocketAddrV4,
    /// Since its first packet; in JSON, in whole seconds.
    #[serde(serialize_with = "whole_seconds")]
    pub age: Duration,
    /// The sum of both directions.
    pub packets: u64,
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
            FlowKind::Masquerade | FlowKind::Host | FlowKind::OtherNat => {
                format!("{inside} ⇒ {external} → {remote}")
            }
            FlowKind::Forward | FlowKind::Admitted | FlowKind::Hairpin => {
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
