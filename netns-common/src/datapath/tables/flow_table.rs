//! The flow table as the datapath uses it, and the records in it.

use core::ops::Deref;

use crate::{
    abi::{
        Addition, Direction, Flow, FlowKey, FlowRecord, FlowState, InsideKey, Ip4, Load, Sequences,
        Settings, Tick,
    },
    datapath::tables::observation::Observation,
};

/// What a packet changes in the record of its flow.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub direction: Direction,
    /// The state of its connection by now; `None`: that of before.
    pub state: Option<FlowState>,
    /// `None`: the packet does not keep the flow alive.
    pub seen: Option<Tick>,
    /// Bytes of IP.
    pub bytes: u32,
}

/// Which record it is that was found, and how it was then: nothing else is removed when it is
/// judged to be over, whatever other CPUs have put in its place meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// No other record has it at the same time.
    pub number: u64,
    pub last_seen: Tick,
}

/// A record in the flow table, in place.
pub trait FlowRef: Deref<Target = FlowRecord> {
    /// To be had before the record is judged.
    fn version(&self) -> Version;

    /// Whether what was read from it before was of this connection: another CPU may have forgotten
    /// it and taken the record for another meanwhile.
    fn was_of(&self, key: &FlowKey) -> bool;

    /// What was seen of the ends of a TCP connection.
    fn sequences(&self) -> Sequences;

    /// Writes what was seen of them.
    fn set_sequences(&self, sequences: &Sequences);

    /// Writes what else a packet changed.
    fn touch(&self, touch: &Touch);

    /// Writes another way out.
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

/// Whether a record takes an inside name over from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The inside end begins its connection afresh.
    TakeOver,
    /// The other is another connection.
    Leave,
}

/// What is counted of the flows that links have begun.
pub trait UsageTable {
    /// What a link has in the flow table; nothing if it never began a flow.
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

    /// The record of a connection as the outside calls it.
    fn flow(&self, key: &FlowKey) -> Option<Self::FlowRef<'_>>;
    /// As the inside calls it, if it has the same ports inside and outside.
    fn flow_with_kept_port(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;
    /// As the inside calls it, if a port of it had to change.
    fn flow_with_translated_port(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;

    /// A record at a place, which is anywhere in 32 bits; `None` where there is a free one.
    fn sampled_flow(&self, place: u32) -> Option<Self::FlowRef<'_>>;

    /// For how long the record at such a place was idle, and one tick more; 0 if it must not make
    /// room.
    fn evictable(&self, settings: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick;

    /// Updates the record of a flow for a packet.
    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation);

    /// For how long the connection of an external port was idle, and one tick more;
    /// [`Tick::MAX`] if none has the port, 0 if it must not give way to `newcomer`.
    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick;

    /// Inserts a record; never overwrites one. Its head has the address and the protocol of the
    /// key.
    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError>;
    /// Removes just this record; whether it was there still.
    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool;

    /// Has the record of `flow`, which is there, found as the inside calls it. `naming` says
    /// whether another record that is found so is found so no more.
    fn index_translated(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError>;
    /// Has just this record found so no more.
    fn remove_translated(&self, key: &InsideKey, version: Version);
}

/// Which records may make room.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evictable {
    /// The link of which it must be; [`WHOLE_TABLE`]: any.
    pub link: u32,
    /// Whether it must be without an answer.
    pub is_unreplied: bool,
}

/// A connection that looks for an external port.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    pub now: Tick,
    /// The upper half of its first sequence number, native order; `None` for all protocols but TCP.
    pub sequence: Option<u16>,
}
