//! A query to the kernel's routing table, and its answer.

use crate::{
    abi::{Ip4, Port},
    datapath::packet::headers::Headers,
};

/// A packet for a route look-up. Routing rules, and the next hop of a multipath route, may depend
/// on all fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteQuery {
    /// Unspecified: not known.
    pub source: Ip4,
    pub destination: Ip4,
    /// 0 for protocols without ports.
    pub source_port: Port,
    pub destination_port: Port,
    pub protocol: u8,
    pub tos: u8,
    pub padding: [u8; 2],
    /// The packet's mark; 0: none.
    pub mark: u32,
}

impl RouteQuery {
    /// The query for a packet of which only the destination is known.
    #[inline(always)]
    pub fn to(destination: Ip4) -> Self {
        Self { destination, ..Self::default() }
    }

    /// The query for a packet with these headers and this mark.
    #[inline(always)]
    pub(crate) fn of(headers: &Headers, mark: u32) -> Self {
        let has_ports = headers.kind.has_ports();
        let port = |port| if has_ports { port } else { Port::ZERO };
        Self {
            source: headers.source,
            destination: headers.destination,
            source_port: port(headers.source_port),
            destination_port: port(headers.destination_port),
            protocol: headers.protocol,
            tos: headers.tos,
            padding: [0; 2],
            mark,
        }
    }
}

/// The kernel's decision about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteOutcome {
    /// Forward it out of [`Route::egress`].
    Forward,
    /// Deliver it to the host itself, or no route: the kernel answers both alike.
    Local,
    /// Refuse it: a blackhole, unreachable or prohibit route, or forwarding is off.
    Refused,
}

/// The link and next hop of a packet, and its source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub outcome: RouteOutcome,
    pub egress: u32,
    pub next_hop: Ip4,
    pub source: Ip4,
}
