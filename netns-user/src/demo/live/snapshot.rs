//! What the datapath has counted up to one moment.

use std::{
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use netns_common::abi::FlowKind;
use serde::{Serialize, Serializer};

/// Gives a snapshot whenever asked; the living datapath, or a test.
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
    /// Reasons that never occurred may be left out.
    pub drops: Vec<DropSample>,
    /// All flows, or as many as one cares to show, in any order.
    pub flows: Vec<FlowSample>,
    pub flow_count: u64,
    /// How many flows there may be.
    pub capacity: u64,
}

/// A rule and what it has translated since it was made; bytes of IP packets.
#[derive(Clone, Debug, Serialize)]
pub struct RuleSample {
    /// The same in every snapshot, and no other rule's.
    pub id: u32,
    pub rule: String,
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

/// A reason and what was dropped for it since the lab was made; bytes of IP packets.
#[derive(Clone, Debug, Serialize)]
pub struct DropSample {
    pub reason: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

/// One connection. The ports of ICMP queries are the identifier inside and outside, and 0
/// at the remote end.
#[derive(Clone, Debug, Serialize)]
pub struct FlowSample {
    pub protocol: &'static str,
    pub state: &'static str,
    #[serde(serialize_with = "crate::datapath::kind_in_a_word")]
    pub kind: FlowKind,
    pub inside: SocketAddrV4,
    pub external: SocketAddrV4,
    pub remote: SocketAddrV4,
    /// Since it began; in JSON, whole seconds.
    #[serde(serialize_with = "whole_seconds")]
    pub age: Duration,
    /// Both directions together.
    pub packets: u64,
    pub bytes: u64,
}

impl FlowSample {
    /// Whether both are the same connection at different moments.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity() && other.age <= self.age
    }

    pub(super) fn identity(&self) -> (&'static str, SocketAddrV4, SocketAddrV4, SocketAddrV4) {
        (self.protocol, self.inside, self.external, self.remote)
    }

    /// The way of its first packet; `⇒` stands where one end was written over.
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
