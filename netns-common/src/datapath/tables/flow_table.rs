//! The flow table as the datapath uses it, and the records in it.

use core::ops::Deref;

use crate::{
    abi::{
        Addition, Direction, Flow, FlowKey, FlowRecord, FlowState, InsideKey, Ip4, Load, Sequences,
        Settings, Tick,
    },
    datapath::tables::observation::Observation,
};

/// The changes that a packet makes to the record of its flow.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub direction: Direction,
    /// The new state of its connection; `None`: unchanged.
    pub state: Option<FlowState>,
    /// The new time of the last packet; `None`: the packet does not refresh the flow.
    pub seen: Option<Tick>,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
}

/// The identity and state of a record at a look-up. A removal names the version, so that it never
/// removes a record that another CPU has put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// A number that no other record has at the same time.
    pub number: u64,
    pub last_seen: Tick,
}

/// A record in the flow table, in place.
pub trait FlowRef: Deref<Target = FlowRecord> {
    /// The version; callers read it before they judge the record.
    fn version(&self) -> Version;

    /// Whether all values read before belonged to this connection: another CPU may have freed the
    /// record and reused it for another connection.
    fn was_of(&self, key: &FlowKey) -> bool;

    /// The recorded sequence numbers of a TCP connection.
    fn sequences(&self) -> Sequences;

    /// Writes the sequence numbers.
    fn set_sequences(&self, sequences: &Sequences);

    /// Writes the other changes of a packet.
    fn touch(&self, touch: &Touch);

    /// Writes another route.
    fn reroute(&self, egress: u32, next_hop: Ip4);
}

/// Why a record could not be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The key has a record already.
    Exists,
    /// The table is full.
    Full,
}

/// Whether a record takes over an inside key from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The inside end begins a new connection with the same key, so its record replaces the entry.
    Replace,
    /// The other record is of another connection, whose entry stays.
    Keep,
}

/// The counts of the flows that links have begun.
pub trait UsageTable {
    /// The records of a link in the flow table; none if it never began a flow.
    fn load(&self, link: u32) -> Load;
    /// Adds to the counts of a link.
    fn add_usage(&self, link: u32, addition: Addition);

    /// Counts the answer to a flow, if a packet that leads to `state` is its first answer.
    fn settle<F: FlowRef>(&self, flow: &F, state: FlowState, from_initiator: bool);
}

/// The flow table, and the tables that are derived from it.
pub trait FlowTable: UsageTable {
    type FlowRef<'a>: FlowRef
    where
        Self: 'a;

    /// The record of a connection by its outside key.
    fn flow(&self, key: &FlowKey) -> Option<Self::FlowRef<'_>>;
    /// The record by the inside key, if the ports are the same inside and outside.
    fn flow_with_kept_port(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;
    /// The record by the inside key, if a port was translated.
    fn flow_with_translated_port(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;

    /// The record at a place, which is any 32-bit number; `None` if that record is free.
    fn sampled_flow(&self, place: u32) -> Option<Self::FlowRef<'_>>;

    /// How long the record at such a place has been idle, in ticks, plus one; 0 if it must not be
    /// evicted.
    fn evictable(&self, settings: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick;

    /// Updates the record of a flow for a packet.
    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation);

    /// How long the connection of an external port has been idle, in ticks, plus one. [`Tick::MAX`]
    /// if no connection has the port; 0 if `newcomer` must not take it.
    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick;

    /// Inserts a record; never overwrites one. Its head must have the external address and the
    /// protocol of the key.
    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError>;
    /// Removes exactly this version of a record. Returns whether it was still there.
    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool;

    /// Adds the index entry by translated port for the record of `flow`, which is in the table.
    /// `naming` says whether it replaces the entry of another record with the same inside key.
    fn index_translated(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError>;
    /// Removes the index entry by translated port of exactly this record.
    fn remove_translated(&self, key: &InsideKey, version: Version);
}

/// The records that may be evicted.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evictable {
    /// The link that the record must count for; [`WHOLE_TABLE`](crate::abi::WHOLE_TABLE): any.
    pub link: u32,
    /// Whether it must be unanswered.
    pub is_unreplied: bool,
}

/// A new connection that needs an external port.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    pub now: Tick,
    /// The upper half of its first sequence number, native order; `None` for protocols other than
    /// TCP.
    pub sequence: Option<u16>,
}
