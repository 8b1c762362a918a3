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

    /// The rule of `uplink` (0: any uplink) with the longest prefix that covers `source`.
    fn masquerade(&self, uplink: u32, source: Ip4) -> Option<Masquerade>;
    fn endpoint(&self, address: Ip4) -> Option<Endpoint>;
    fn bridge_port(&self, link: u32) -> Option<BridgePort>;

    /// The state of the port by which the namespace behind a cable sends. `link` is the host side
    /// of the cable, by which the packet came.
    fn sender_state(&self, link: u32) -> PortState;
    /// The state of the port towards the namespace behind a cable.
    fn receiver_state(&self, link: u32) -> PortState;

    /// Whether the address was one of the router's own when userspace last recorded them. The
    /// kernel's route look-up alone does not distinguish an own address from one without a route.
    fn is_host_address(&self, address: Ip4) -> bool;

    /// Index of the link that has an address of the router; 0 if unknown.
    fn link_of_address(&self, address: Ip4) -> u32;

    /// Whether the address was a broadcast address of the router's links when userspace last
    /// recorded them.
    fn is_broadcast_address(&self, address: Ip4) -> bool;

    /// The role of a link of the router in the lab; `None` for links of others.
    fn link_role(&self, link: u32) -> Option<LinkRole>;

    /// Whether a link is already recorded as one of the lab.
    fn is_noted_link(&self, link: u32) -> bool;
    /// Records a link as one of the lab.
    fn note_link(&self, link: u32);

    /// Whether translated packets have this source address, besides those in
    /// [`Settings::externals`](crate::abi::Settings::externals).
    fn is_external(&self, address: Ip4) -> bool;
    /// Records an address as a source of translated packets from now on.
    fn add_external(&self, address: Ip4);

    /// Whether a rule permits packets from `source` to leave by `uplink` untranslated.
    fn is_routed(&self, uplink: u32, source: Ip4) -> bool;

    /// The kernel's route for a packet that came in by `link`.
    fn route(&self, query: &RouteQuery, link: u32) -> Route;
    /// The kernel's route for a packet by the link `egress` only.
    fn route_by(&self, query: &RouteQuery, egress: u32) -> Route;
    /// The time when a socket of the host last sent a datagram whose answer has this key.
    fn host_call(&self, key: &HostCallKey) -> Option<Tick>;
    /// The socket of the host that receives packets to this port from this remote.
    fn host_socket(&self, port: &PortQuery) -> HostSocket;

    /// Whether an external port is free: no connection with the remote has it, and no forward
    /// either, unless `even_forwarded` permits forwarded ports.
    fn is_port_free(&self, key: &FlowKey, even_forwarded: bool) -> bool;

    /// Whether one more ICMP error of this kind may pass on this CPU. If so, counts it.
    fn take_allowance(&self, kind: Limited, now: Tick) -> bool;

    /// Adds to one of the [`IP_ID_COUNTERS`](crate::abi::IP_ID_COUNTERS) counters of
    /// identifications, and returns its value before. No two CPUs get the same value.
    fn take_ids(&self, counter: u32, count: u32) -> u32;

    fn count_rule(&self, rule: RuleId, new_flow: bool, bytes: u32);
    fn count_drop(&self, reason: DropReason, bytes: u32);
}

/// The state of a cable's host side as a port of its bridge. At a point-to-point cable, the router
/// takes the place of the bridge.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortState {
    /// The port forwards all frames, so a packet may be redirected past the bridge.
    #[default]
    Open = 0,
    /// The port forwards frames to and from the router, but not between every two ports.
    Isolated = 1,
    /// The kernel decides about each frame, or programs cannot read the state. The kernel must see
    /// each frame.
    Unknown = 2,
    /// The link is no longer the port of this bridge.
    Elsewhere = 3,
    /// The port forwards no frames: the cable is unplugged, or the bridge or the port is down.
    Closed = 4,
}

/// The answer of the host's socket tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSocket {
    None,
    /// A socket for any remote.
    Listening,
    /// A socket for exactly this remote.
    Connected,
}

/// A query to the host's socket tables.
#[derive(Clone, Copy, Debug)]
pub struct PortQuery {
    pub remote: Ip4,
    pub external: Ip4,
    pub remote_port: Port,
    pub external_port: Port,
    pub protocol: u8,
}

/// Whether the kernel can look up host sockets of this protocol.
#[inline(always)]
pub const fn has_sockets(protocol: u8) -> bool {
    const TCP: u8 = Protocol::Tcp as u8;
    const UDP: u8 = Protocol::Udp as u8;
    matches!(protocol, TCP | UDP)
}
