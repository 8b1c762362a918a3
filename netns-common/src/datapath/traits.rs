//! What the logic needs from its surroundings: a packet, and the tables.

use core::ops::Deref;

use super::{
    Direction, Evictable, ForwardTable, Newcomer, Observation, Route, RouteQuery, State, evict,
    external_port, reclaim, update_flow, usage,
};
use crate::abi::{
    Addition, BridgePort, DropReason, Endpoint, Flow, FlowKey, FlowRecord, Fragment,
    FragmentBudget, HostCallKey, InsideKey, Ip4, Limited, LinkRole, Load, Mapping, MappingKey,
    Masquerade, Port, RuleId, Sequences, Settings, Tick,
};

/// A type that any bytes of its size are a valid value of, and that has no padding.
///
/// # Safety
/// Implementors promise just that: the kernel side reads them straight from the packet.
pub unsafe trait Plain: Copy {}

// SAFETY: integers and arrays of bytes have no padding and no invalid bit patterns.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u8; N] {}

/// The headers of an ICMP error: IPv4 and ICMP.
pub const ENVELOPE: usize = 28;

/// An IPv4 header and the eight bytes that every error holds (RFC 792).
pub const LEAST_QUOTED: usize = 28;

/// As much of a packet as an error of 576 bytes has room for (RFC 1812 section 4.3.2.3).
pub const MOST_QUOTED: usize = 576 - ENVELOPE;

/// An Ethernet frame. Offsets count from its first byte.
pub trait Packet {
    /// Length of the frame in bytes; of a GSO packet, the whole of it.
    fn length(&self) -> u32;

    /// The link it came in by (ingress) or goes out by (egress).
    fn link(&self) -> u32;

    /// Whether it carries the tag of a VLAN outside its bytes. A priority tag (VLAN 0) is
    /// none: the stack takes it off and goes on as without.
    fn is_tagged(&self) -> bool;

    /// At an egress hook: the link that it came in by; 0 if a socket of the host made it.
    fn ingress_link(&self) -> u32;

    /// Its mark, by which rules of policy routing may tell it from others; 0: none.
    fn mark(&self) -> u32;

    /// Where a checksum is yet to be written (`CHECKSUM_PARTIAL`): the offset of the first byte
    /// that it covers, and from there that of its field. `None` if none is, or that cannot be
    /// known. `partial`: [`Settings::checksum_partial`].
    fn pending_checksum(&self, partial: u8) -> Option<(u32, u32)>;

    /// How many packets it becomes when it is sent: more than 1 with segmentation offload.
    /// May be 0 for one.
    fn segments(&self) -> u32;

    /// Whether it, or each of its segments, is larger than the MTU of `link`.
    fn exceeds_mtu(&self, link: u32) -> bool;

    /// The MTU of a link, in bytes of IP.
    fn mtu(&self, link: u32) -> u32;

    /// The ones' complement sum of `length` bytes from an even `offset` on, folded to 16 bits:
    /// 0xffff where a right checksum is among them (RFC 1071). `None` if the frame is shorter.
    fn sum(&self, offset: usize, length: usize) -> Option<u16>;

    /// Makes the packet the content of another: puts [`ENVELOPE`] bytes between the Ethernet
    /// header and the packet, and cuts the packet after `length` bytes, at least
    /// [`LEAST_QUOTED`] and at most [`MOST_QUOTED`]. The frame has no offloads afterwards.
    /// `None` leaves it unusable: it must then be dropped.
    fn enclose(&mut self, length: usize) -> Option<()>;

    /// Reads at a constant offset within the first 54 bytes.
    fn load<T: Plain>(&self, offset: usize) -> Option<T>;

    /// Reads at any offset.
    fn load_at<T: Plain>(&self, offset: usize) -> Option<T>;

    /// Writes at a constant offset within the first 54 bytes.
    fn store<T: Plain>(&mut self, offset: usize, value: T) -> Option<()>;

    /// Writes at any offset. Bytes read earlier stay valid, pointers do not.
    fn store_at<T: Plain>(&mut self, offset: usize, value: T) -> Option<()>;

    /// Adds `diff` to the transport checksum at `offset`.
    ///
    /// `pseudo_header`: the change is in the pseudo-header, so a checksum that hardware will
    /// complete must absorb it too. `zero_is_none`: a checksum of 0 means none (UDP) and
    /// stays 0, and a computed 0 becomes 0xffff (RFC 768).
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        diff: u32,
        pseudo_header: bool,
        zero_is_none: bool,
    ) -> Option<()>;
}

/// What a packet changes in the record of its flow.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub direction: Direction,
    /// The state of its connection by now; `None`: that of before.
    pub state: Option<State>,
    /// `None`: the packet does not keep the flow alive.
    pub seen: Option<Tick>,
    /// Bytes of IP.
    pub bytes: u32,
}

/// Which record it is that was found, and how it was then: nothing else is removed when it is judged to
/// be over, whatever other CPUs have put in its place meanwhile.
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

    /// Whether what was read from it before was of this connection: another CPU may have forgotten it and taken
    /// the record for another meanwhile.
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

    /// Counts the answer to a flow, if a packet that leads it to `state` is that.
    #[inline(always)]
    fn settle<F: FlowRef>(&self, flow: &F, state: State, from_initiator: bool)
    where
        Self: Sized,
    {
        usage::settle(self, flow, state, from_initiator);
    }
}

/// The flow table, and the tables that are derived from it.
pub trait FlowTable: UsageTable {
    type FlowRef<'a>: FlowRef
    where
        Self: 'a;

    /// The record of a connection as the outside calls it.
    fn flow(&self, key: &FlowKey) -> Option<Self::FlowRef<'_>>;
    /// As the inside calls it, if it has the same ports inside and outside.
    fn kept_flow(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;
    /// As the inside calls it, if a port of it had to change.
    fn moved_flow(&self, key: &InsideKey) -> Option<Self::FlowRef<'_>>;

    /// A record at a place, which is anywhere in 32 bits; `None` where there is a free one.
    fn sampled_flow(&self, place: u32) -> Option<Self::FlowRef<'_>>;

    /// For how long the record at such a place was idle, and one tick more; 0 if it must not make
    /// room.
    #[inline(always)]
    fn evictable(&self, settings: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick
    where
        Self: Sized,
    {
        self.sampled_flow(place)
            .map_or(0, |flow| evict::idle_if_evictable(&flow, settings, wanted, now))
    }

    /// Writes into a flow's record what a packet changes.
    #[inline(always)]
    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation)
    where
        Self: Sized,
    {
        update_flow::update_flow(self, flow, packet);
    }

    /// For how long the connection of an external port was idle, and one tick more;
    /// [`Tick::MAX`] if none has the port, 0 if it must not give way to `newcomer`.
    #[inline(always)]
    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick
    where
        Self: Sized,
    {
        reclaim::reclaimable(self, key, newcomer)
    }

    /// Inserts a record; never overwrites one. Its head has the address and the protocol of the
    /// key.
    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError>;
    /// Removes just this record; whether it was there still.
    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool;

    /// Has the record of `flow`, which is there, found as the inside calls it. `naming` says
    /// whether another record that is found so is found so no more.
    fn name_moved(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError>;
    /// Has just this record found so no more.
    fn unname_moved(&self, key: &InsideKey, version: Version);
}

/// The table of endpoint-independent mappings.
pub trait MappingTable {
    fn mapping(&self, key: &MappingKey) -> Option<Mapping>;
    /// Inserts or overwrites.
    fn insert_mapping(&self, key: &MappingKey, mapping: &Mapping) -> Result<(), InsertError>;
    /// Writes when a living flow of it was last met, if it is there.
    fn keep_mapping(&self, key: &MappingKey, now: Tick);
    fn remove_mapping(&self, key: &MappingKey);
}

/// The table of datagrams that come in fragments.
pub trait FragmentTable {
    type FragmentRef<'a>: Deref<Target = Fragment>
    where
        Self: 'a;

    /// What is in a place.
    fn fragment(&self, place: u32) -> Option<Self::FragmentRef<'_>>;
    /// Puts something into a place, whatever was there.
    fn set_fragment(&self, place: u32, fragment: &Fragment);

    /// What the sources of a group have in the reassembler.
    fn fragment_budget(&self, group: u32) -> FragmentBudget;
    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget);
}

/// The maps and the kernel's own tables.
pub trait Tables: FlowTable + ForwardTable + FragmentTable + MappingTable {
    fn settings(&self) -> Option<&Settings>;

    /// Of the rules of `uplink`, 0 being those of any, that of the longest prefix that covers
    /// `source`.
    fn masquerade(&self, uplink: u32, source: Ip4) -> Option<Masquerade>;
    fn endpoint(&self, address: Ip4) -> Option<Endpoint>;
    fn bridge_port(&self, link: u32) -> Option<BridgePort>;

    /// What the kernel does with what the namespace behind a cable sends. `link` is the cable's host side,
    /// by which the packet came.
    fn sender_state(&self, link: u32) -> PortState;
    /// What it does with what is sent to the namespace behind a cable.
    fn receiver_state(&self, link: u32) -> PortState;

    /// Whether the address was the router's own when its addresses were last written down.
    /// The kernel's routing answer alone does not tell an own address from one without route.
    fn is_host_address(&self, address: Ip4) -> bool;

    /// Index of the link that has an address of the router; 0 if none is known to.
    fn link_of_address(&self, address: Ip4) -> u32;

    /// Whether the address was a broadcast address of the router's links then.
    fn is_broadcast_address(&self, address: Ip4) -> bool;

    /// The part that a link of the router has in the lab; `None` for links of others.
    fn link_role(&self, link: u32) -> Option<LinkRole>;

    /// Whether a link was found to be the lab's before.
    fn is_noted_link(&self, link: u32) -> bool;
    /// Notes that it is.
    fn note_link(&self, link: u32);

    /// Whether translated packets bear this address, besides
    /// [`Settings::externals`](crate::abi::Settings::externals).
    fn is_external(&self, address: Ip4) -> bool;
    /// Notes that translated packets will bear this address from now on.
    fn add_external(&self, address: Ip4);

    /// Whether `source` may leave by `uplink` untranslated, because a rule says so.
    fn is_routed(&self, uplink: u32, source: Ip4) -> bool;

    /// The kernel's route for a packet that came in by `link`.
    fn route(&self, query: &RouteQuery, link: u32) -> Route;
    /// The kernel's route for a packet out of `egress`, and no other link.
    fn route_by(&self, query: &RouteQuery, egress: u32) -> Route;
    /// When a socket of the host last sent a datagram whose answer has this key.
    fn host_call(&self, key: &HostCallKey) -> Option<Tick>;
    /// The socket of the host that packets to this port from this remote are for.
    fn host_socket(&self, port: &PortQuery) -> HostSocket;

    /// Whether no connection with the remote has an external port, and no forward has it, unless
    /// forwarded ports may be taken too.
    #[inline(always)]
    fn is_port_free(&self, key: &FlowKey, even_forwarded: bool) -> bool
    where
        Self: Sized,
    {
        external_port::is_port_free(self, key, even_forwarded)
    }

    /// Whether one more ICMP error of this kind may pass on this CPU; it is then counted.
    fn take_allowance(&self, kind: Limited, now: Tick) -> bool;

    /// Adds to a counter of identifications, below
    /// [`IP_ID_COUNTERS`](crate::abi::IP_ID_COUNTERS), and returns what it was before. No two
    /// CPUs are given the same.
    fn take_ids(&self, counter: u32, count: u32) -> u32;

    fn count_rule(&self, rule: RuleId, new_flow: bool, bytes: u32);
    fn count_drop(&self, reason: DropReason, bytes: u32);
}

/// What the kernel does with frames between a cable's host side and its bridge. The router takes the place
/// of the bridge at a point-to-point cable.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortState {
    /// It carries all of them, so a way past the bridge leads to the same.
    #[default]
    Open = 0,
    /// It carries them to and from the router, but not between every two ports.
    Isolated = 1,
    /// It decides frame by frame, or programs cannot see what it does. The kernel must see each frame.
    Unknown = 2,
    /// The link belongs to something else by now, such as another bridge.
    Elsewhere = 3,
    /// It carries none: the cable is pulled, or the bridge or the port is switched off.
    Closed = 4,
}

/// What the host's socket tables answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSocket {
    None,
    /// One for any remote.
    Listening,
    /// One for this very remote.
    Connected,
}

/// A question to the host's socket tables.
#[derive(Clone, Copy, Debug)]
pub struct PortQuery {
    pub remote: Ip4,
    pub external: Ip4,
    pub remote_port: Port,
    pub external_port: Port,
    pub protocol: u8,
}
