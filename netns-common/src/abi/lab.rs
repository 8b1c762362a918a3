//! The lab as the datapath knows it: its endpoints, ports and settings.

use super::{FlowKind, Ip4, Limits, Mac, Prefix, Protocol, Tick, ticks};

/// How many inside prefixes the settings have room for: the egress guard compares each outbound
/// packet with all of them.
pub const MAX_INSIDE_PREFIXES: usize = 16;

/// How many uplinks a lab may have.
pub const MAX_UPLINKS: usize = 8;

/// The number of links with a bit in [`maps::LAB_LINKS`](super::maps::LAB_LINKS). Links with a
/// higher index are looked up in [`maps::LINK_ROLES`](super::maps::LINK_ROLES) and
/// [`maps::BRIDGE_PORTS`](super::maps::BRIDGE_PORTS) for each packet.
pub const LINKS_NOTED: u32 = 1 << 16;

/// How many counters of identifications (RFC 6864) a lab has. Its destinations share them.
pub const IP_ID_COUNTERS: u32 = 1024;

/// An inside address, at the far end of a cable of the lab.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Index of the cable's host side, for `bpf_redirect_peer`.
    pub cable: u32,
    /// Index of the bridge that the cable is plugged into.
    pub bridge: u32,
    pub mac: Mac,
    pub padding: [u8; 2],
}

/// The host side of a cable: a port of a bridge.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BridgePort {
    /// Index of the bridge, the device on which the kernel would forward.
    pub bridge: u32,
    /// Ethernet address of the bridge. A frame for another address is bridged, not routed.
    pub bridge_mac: Mac,
    /// Whether the cable's sources are checked: a [`SourceCheck`].
    pub source_check: u8,
    pub padding: u8,
    /// Ethernet address of the far end, the namespace's.
    pub mac: Mac,
    pub padding_after: [u8; 2],
    /// Overrides [`Limits::quota`], in records; 0: does not.
    pub quota: u32,
}

/// How many [`PortDevice`]s a router has: a power of two.
pub const PORT_DEVICES_KNOWN: u32 = 1 << 12;

/// The kernel's device of a cable's host side.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortDevice {
    /// Address of its `struct net_device`; 0: unknown. Programs check that it still belongs to the
    /// link before they use it.
    pub device: u64,
    /// Index of the link.
    pub link: u32,
    /// Its [`BridgePort::bridge`].
    pub bridge: u32,
}

/// Whether a cable accepts only packets with the addresses of its own namespace.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceCheck {
    /// As [`Settings::source_check`] says.
    #[default]
    AsLab = 0,
    On = 1,
    Off = 2,
}

impl SourceCheck {
    /// The check for a choice in the topology file; `None` leaves it to the lab.
    pub const fn from_choice(choice: Option<bool>) -> Self {
        match choice {
            None => Self::AsLab,
            Some(true) => Self::On,
            Some(false) => Self::Off,
        }
    }
}

impl BridgePort {
    /// Whether packets from this port are checked.
    #[inline(always)]
    pub const fn is_checked(&self, settings: &Settings) -> bool {
        const ON: u8 = SourceCheck::On as u8;
        const OFF: u8 = SourceCheck::Off as u8;
        match self.source_check {
            ON => true,
            OFF => false,
            _ => settings.source_check != 0,
        }
    }
}

/// The idle times after which a flow expires, in [ticks](super::Tick).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before both ends have sent (RFC 5382 REQ-5: at least 4 minutes).
    pub tcp_opening: u32,
    /// TCP in use (RFC 5382 REQ-5: at least 2 hours 4 minutes).
    pub tcp_established: u32,
    /// TCP after a FIN or RST (RFC 5382 REQ-5, RFC 7857 section 2: 4 minutes).
    pub tcp_closing: u32,
    /// UDP before an answer (RFC 4787 REQ-5: at least 2 minutes).
    pub udp_unreplied: u32,
    /// UDP (RFC 4787 REQ-5c: 5 minutes).
    pub udp: u32,
    /// UDP of one question to a port below 1024, and one answer (RFC 4787 REQ-5a allows less
    /// there).
    pub udp_question: u32,
    /// ICMP queries (RFC 5508 REQ-2: at least 60 seconds).
    pub icmp: u32,
    /// SCTP before an answer: an INIT is repeated for some minutes (RFC 9260 section 16).
    pub sctp_unreplied: u32,
    /// SCTP. An idle association sends a HEARTBEAT about every 30 seconds (RFC 9260 section 16).
    pub sctp: u32,
    /// Protocols without ports before an answer.
    pub portless_unreplied: u32,
    /// Protocols without ports.
    pub portless: u32,
}

impl Timeouts {
    /// The timeout of a flow of a protocol without states, before or after its first answer.
    #[inline(always)]
    pub(crate) const fn of_datagrams(&self, protocol: u8, is_replied: bool) -> Tick {
        const ICMP: u8 = Protocol::Icmp as u8;
        const UDP: u8 = Protocol::Udp as u8;
        const UDP_LITE: u8 = Protocol::UdpLite as u8;
        const SCTP: u8 = Protocol::Sctp as u8;
        match (protocol, is_replied) {
            (ICMP, _) => self.icmp,
            (UDP | UDP_LITE, false) => self.udp_unreplied,
            (UDP | UDP_LITE, true) => self.udp,
            (SCTP, false) => self.sctp_unreplied,
            (SCTP, true) => self.sctp,
            (_, false) => self.portless_unreplied,
            (_, true) => self.portless,
        }
    }

    /// The timeouts for flows of other NATs: netfilter's defaults (Linux 6.18,
    /// Documentation/networking/nf_conntrack-sysctl.rst), because nearly always netfilter
    /// translates them.
    pub const OF_NETFILTER: Self = Self {
        tcp_opening: ticks(300),
        tcp_established: ticks(432_000),
        tcp_closing: ticks(120),
        udp_unreplied: ticks(30),
        udp: ticks(120),
        udp_question: ticks(30),
        icmp: ticks(30),
        sctp_unreplied: ticks(30),
        sctp: ticks(210),
        portless_unreplied: ticks(600),
        portless: ticks(600),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_opening: ticks(240),
            tcp_established: ticks(7_440),
            tcp_closing: ticks(240),
            udp_unreplied: ticks(120),
            udp: ticks(300),
            udp_question: ticks(30),
            icmp: ticks(60),
            sctp_unreplied: ticks(240),
            sctp: ticks(900),
            portless_unreplied: ticks(120),
            portless: ticks(600),
        }
    }
}

/// The settings of the whole lab.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The secret that determines the ports of flows that cannot keep theirs.
    pub seed: [u64; 2],
    /// The cookie of the router's network namespace, for the cgroup hooks.
    pub router_cookie: u64,
    /// Prefixes that must never be seen as a source beyond an uplink.
    pub inside: [Prefix; MAX_INSIDE_PREFIXES],
    pub inside_count: u32,
    /// Indexes of the uplinks.
    pub uplinks: [u32; MAX_UPLINKS],
    pub uplink_count: u32,
    pub timeouts: Timeouts,
    /// Timeouts for connections of other NATs on the machine.
    pub other_nat_timeouts: Timeouts,
    /// Range (native order, inclusive) of ports for flows that cannot keep theirs.
    pub port_min: u16,
    pub port_max: u16,
    /// 1: a cable accepts only packets with the addresses of its own namespace, unless its port
    /// says otherwise.
    pub source_check: u8,
    /// 1: some masquerade has a [`mss`](super::Masquerade::mss).
    pub mss_clamp: u8,
    /// 1: translated packets go through the kernel's stack.
    pub via_stack: u8,
    /// The properties that a translated port shares with the original one: [`KEEP_PARITY`],
    /// [`KEEP_CLASS`].
    pub port_keep: u8,
    /// Index of the link to the reassembler, which puts fragments in order; 0: there is none.
    pub reassembler: u32,
    pub limits: Limits,
    /// 1: some masquerade is [endpoint-independent](super::Masquerade::endpoint_independent).
    pub mappings: u8,
    /// A bit for each of [`uplinks`](Self::uplinks): packets enter its far end, a veth in another
    /// namespace, by `bpf_redirect_peer`.
    pub far_ends: u8,
    /// 1: some uplink lets sources leave untranslated ([`maps::ROUTED`](super::maps::ROUTED)).
    pub routed: u8,
    /// 1: the router is a namespace of its own, so all packets that come neither from its own
    /// sockets nor from an uplink are the lab's. 0: it is the machine, which forwards for others
    /// too.
    pub own_namespace: u8,
    /// The Ethernet addresses of these far ends; for the port of a bridge, that of the bridge.
    pub far_macs: [Mac; MAX_UPLINKS],
    /// The first address of each of [`uplinks`](Self::uplinks), the source of nearly all translated
    /// packets; unspecified if it has none. Further addresses are in
    /// [`maps::EXTERNALS`](super::maps::EXTERNALS).
    pub externals: [Ip4; MAX_UPLINKS],
    /// 1: the router has more inside prefixes than [`inside`](Self::inside) has room for; the
    /// routing table has the others.
    pub has_more_inside: u8,
    /// The bits that are set for `CHECKSUM_PARTIAL` in the byte of `ip_summed` in the kernel's
    /// `struct sk_buff`; 0: programs cannot read it.
    pub checksum_partial: u8,
    /// 1: the kernel's route look-up accepts the mark of a packet (kernel 6.10).
    pub route_marks: u8,
    pub tail_padding: u8,
    /// No new flow is recorded before this time, because the flow table is being copied into
    /// another. A pause ends by itself, even if the copying process is killed.
    pub paused_until: Tick,
}

/// A kind of address that a link of the router has.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    Own = 1,
    /// The broadcast address of a link. `bpf_fib_lookup` answers as for an address of the router.
    Broadcast = 2,
}

/// An address of a link of the router.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkAddress {
    /// The number of a [`HostAddress`].
    pub kind: u32,
    /// Index of the link.
    pub link: u32,
}

/// The role of a link of the router in a lab.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRole {
    /// A bridge, or the router's end of a point-to-point cable.
    Lab = 1,
    Uplink = 2,
}

impl LinkRole {
    /// The role with this number; `None` for an unknown number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Lab),
            2 => Some(Self::Uplink),
            _ => None,
        }
    }
}

impl Settings {
    /// The timeouts for flows of the kind with this number.
    #[inline(always)]
    pub const fn timeouts_of(&self, kind: u8) -> &Timeouts {
        if kind == FlowKind::OtherNat as u8 { &self.other_nat_timeouts } else { &self.timeouts }
    }

    /// The Ethernet address of the far end of a link, if it is an uplink with a bit in
    /// [`far_ends`](Self::far_ends).
    #[inline(always)]
    pub fn far_end(&self, link: u32) -> Option<Mac> {
        let mut uplinks = self.uplinks.iter().zip(&self.far_macs).enumerate();
        let is_entered =
            |index: usize, uplink: u32| self.far_ends >> index & 1 != 0 && uplink == link;
        uplinks.find(|(index, (uplink, _))| is_entered(*index, **uplink)).map(|(_, (_, mac))| *mac)
    }
}

const _: () = assert!(MAX_UPLINKS <= u8::BITS as usize);

/// An even port becomes an even one, and an odd port an odd one (RFC 4787 REQ-4).
pub const KEEP_PARITY: u8 = 1;

/// A port below 1024 becomes one below 1024, and no other does (RFC 4787 REQ-3a).
pub const KEEP_CLASS: u8 = 2;

const _: () = {
    assert!(size_of::<Endpoint>() == 16);
    assert!(size_of::<BridgePort>() == 24);
    assert!(size_of::<PortDevice>() == 16);
    assert!(PORT_DEVICES_KNOWN.is_power_of_two());
    assert!(size_of::<Timeouts>() == 44);
    assert!(size_of::<Settings>() == 408);
};
