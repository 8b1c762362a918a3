//! All tables together: the maps, and the kernel's routes, sockets and bridge ports.

use crate::{
    abi::{
        BridgePort, DropReason, Endpoint, FlowKey, HostCallKey, Ip4, Limited, LinkRole, Masquerade,
        Port, Protocol, RuleId, Settings, Tick,
    },
    datapath::tables::{
        flow_table::FlowTable,
        forward_table::ForwardTable,
        fragment_table::FragmentTable,
        mapping_table::MappingTable,
        route::{Route, RouteQuery},
    },
};

/// The maps and the kernel's own tables.
pub trait Tables: FlowTable + ForwardTable + FragmentTable + MappingTable {
    fn settings(&self) -> Option<&Settings>;

    /// Of the rules of `uplink`, 0 being those of any, that of the longest prefix that covers
    /// `source`.
    fn masquerade(&self, uplink: u32, source: Ip4) -> Option<Masquerade>;
    fn endpoint(&self, address: Ip4) -> Option<Endpoint>;
    fn bridge_port(&self, link: u32) -> Option<BridgePort>;

    /// What the kernel does with what the namespace behind a cable sends. `link` is the cable's
    /// host side, by which the packet came.
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
    /// Handoff that it is.
    fn note_link(&self, link: u32);

    /// Whether translated packets bear this address, besides
    /// [`Settings::externals`](crate::abi::Settings::externals).
    fn is_external(&self, address: Ip4) -> bool;
    /// Handoff that translated packets will bear this address from now on.
    fn add_external(&self, address: Ip4);

    /// Whether `source` may leave by `uplink` untranslated, because a rule says so.
    fn is_routed(&self, uplink: u32, source: Ip4) -> bool;

    /// The kernel's route for a packet that came in by `link`.
    fn route(&self, query: &RouteQuery, link: u32) -> Route;
    /// The kernel's route for a packet out of `egress`, and no other link.
    fn route_by(&self, query: &RouteQuery, egress: u32) -> Route;
    /// The time when a socket of the host last sent a datagram whose answer has this key.
    fn host_call(&self, key: &HostCallKey) -> Option<Tick>;
    /// The socket of the host that packets to this port from this remote are for.
    fn host_socket(&self, port: &PortQuery) -> HostSocket;

    /// Whether an external port is free: no connection with the remote has it, and no forward
    /// either, unless `even_forwarded` permits forwarded ports.
    fn is_port_free(&self, key: &FlowKey, even_forwarded: bool) -> bool;

    /// Whether one more ICMP error of this kind may pass on this CPU; it is then counted.
    fn take_allowance(&self, kind: Limited, now: Tick) -> bool;

    /// Adds to a counter of identifications, below
    /// [`IP_ID_COUNTERS`](crate::abi::IP_ID_COUNTERS), and returns what it was before. No two
    /// CPUs are given the same.
    fn take_ids(&self, counter: u32, count: u32) -> u32;

    fn count_rule(&self, rule: RuleId, new_flow: bool, bytes: u32);
    fn count_drop(&self, reason: DropReason, bytes: u32);
}

/// What the kernel does with frames between a cable's host side and its bridge. The router takes
/// the place of the bridge at a point-to-point cable.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortState {
    /// It carries all of them, so a way past the bridge leads to the same.
    #[default]
    Open = 0,
    /// It carries them to and from the router, but not between every two ports.
    Isolated = 1,
    /// It decides frame by frame, or programs cannot see what it does. The kernel must see each
    /// frame.
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

/// Whether the kernel says which socket of the host has a port of this protocol.
#[inline(always)]
pub const fn has_sockets(protocol: u8) -> bool {
    const TCP: u8 = Protocol::Tcp as u8;
    const UDP: u8 = Protocol::Udp as u8;
    matches!(protocol, TCP | UDP)
}
