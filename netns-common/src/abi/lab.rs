//! What the datapath knows of the lab: its ends, its ports and its settings.

use super::{Mac, Prefix, ticks};

/// How many inside prefixes a lab may have: the guard compares each outbound packet with
/// all of them.
pub const MAX_INSIDE_PREFIXES: usize = 16;

/// How many uplinks a lab may have.
pub const MAX_UPLINKS: usize = 8;

/// An address inside, at the far end of one of our cables.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Index of the cable's host side, for `bpf_redirect_peer`.
    pub cable: u32,
    pub mac: Mac,
    pub padding: [u8; 2],
}

/// The host side of a cable: a port of a bridge.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BridgePort {
    /// Index of the bridge, the device on which the kernel would forward.
    pub bridge: u32,
    /// A frame for another Ethernet address is bridged, not routed.
    pub bridge_mac: Mac,
    pub padding: [u8; 2],
}

/// Idle times after which a flow is over, in [ticks](super::Tick).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before both sides have spoken (RFC 5382 REQ-5: at least 4 minutes).
    pub tcp_opening: u32,
    /// TCP in use (RFC 5382 REQ-5: at least 2 hours 4 minutes).
    pub tcp_established: u32,
    /// TCP after a FIN or RST (RFC 5382 REQ-5, RFC 7857 section 2: 4 minutes).
    pub tcp_closing: u32,
    /// UDP before an answer (RFC 4787 REQ-5: at least 2 minutes).
    pub udp_unreplied: u32,
    /// UDP (RFC 4787 REQ-5c: 5 minutes).
    pub udp: u32,
    /// ICMP queries (RFC 5508 REQ-2: at least 60 seconds).
    pub icmp: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_opening: ticks(240),
            tcp_established: ticks(7_440),
            tcp_closing: ticks(240),
            udp_unreplied: ticks(120),
            udp: ticks(300),
            icmp: ticks(60),
        }
    }
}

/// What holds for the whole lab.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Secret from which the ports of flows that cannot keep theirs are drawn.
    pub seed: [u64; 2],
    /// The router's network namespace, for the cgroup hooks.
    pub router_cookie: u64,
    /// Prefixes that must never be seen as a source beyond an uplink.
    pub inside: [Prefix; MAX_INSIDE_PREFIXES],
    pub inside_count: u32,
    /// Indexes of the uplinks.
    pub uplinks: [u32; MAX_UPLINKS],
    pub uplink_count: u32,
    pub timeouts: Timeouts,
    /// Range (native order, inclusive) of ports for flows that cannot keep theirs.
    pub port_min: u16,
    pub port_max: u16,
    /// 1: a cable carries only packets from its own namespace's addresses.
    pub source_check: u8,
    /// 1: some masquerade has a [`mss`](super::Masquerade::mss).
    pub mss_clamp: u8,
    pub padding: [u8; 2],
}

const _: () = {
    assert!(size_of::<Endpoint>() == 12);
    assert!(size_of::<BridgePort>() == 12);
    assert!(size_of::<Timeouts>() == 24);
    assert!(size_of::<Settings>() == 224);
};
