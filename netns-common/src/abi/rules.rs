//! The NAT rules as the kernel looks them up, and their counters.

use super::{Ip4, NO_RULE, Port, Protocol, RuleId, Settings};

/// How many rules one lab may have, [`NO_RULE`] included. Each has 24 bytes of counters for each
/// CPU, from the start.
pub const MAX_RULES: u32 = 1 << 14;

/// How many CIDRs the rules of one lab may have in all: sources of forwards, and destinations
/// that masquerades leave alone.
pub const MAX_RULE_PREFIXES: u32 = 1 << 16;

/// What a masquerade is found by: the longest prefix of the source, at one uplink.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MasqueradeKey {
    /// Index of the uplink; 0 means any.
    pub uplink: u32,
    pub source: Ip4,
}

impl MasqueradeKey {
    /// Bits of the key before the source: all of them count in a match.
    pub const UPLINK_BITS: u32 = 32;
}

/// Source translation for the prefix it is keyed by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masquerade {
    /// The address that packets leave with; unspecified: the one that the kernel would choose.
    pub to: Ip4,
    pub rule: RuleId,
    /// Most bytes of a TCP segment that ends of its connections may announce, native order;
    /// 0: as they like; [`Masquerade::PATH_MTU`]: what fits the links on the way.
    pub mss: u16,
    /// Length of the prefix it is keyed by.
    pub length: u8,
    /// 1: destinations of [`RulePrefix`]es are left alone.
    pub excludes: u8,
    /// 1: an inside port has one external port, whatever it talks to (RFC 4787 REQ-1); 0: one
    /// for each remote address and port.
    pub endpoint_independent: u8,
    /// A [`Filtering`](super::Filtering), of endpoint-independent mappings.
    pub filtering: u8,
}

impl Masquerade {
    /// [`Masquerade::mss`] for what fits the links on the way.
    pub const PATH_MTU: u16 = u16::MAX;
}

/// A CIDR of a rule: a source that a forward is for, or a destination that a masquerade leaves
/// alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RulePrefix {
    /// A [`RuleId`].
    pub rule: u32,
    pub address: Ip4,
}

impl RulePrefix {
    /// Bits of the key before the address: all of them count in a match.
    pub const RULE_BITS: u32 = 32;
}

/// How many ports share a page.
pub const PAGE: usize = 256;

/// How many pages there are: all ports of each protocol that can be forwarded.
pub const PAGES: u32 = (PROTOCOLS as u32) << 8;

const PROTOCOLS: u8 = 4;

/// The ports of one high byte, by their low byte. In [`super::maps::FORWARD_PORTS`] the rule for
/// any address of the host, with [`OF_ADDRESS`] where there are rules for single addresses too;
/// in [`super::maps::ADDRESS_PORTS`] the rule for that address.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPage(pub [RuleId; PAGE]);

impl PortPage {
    /// A page of ports that are not forwarded.
    pub const EMPTY: Self = Self([NO_RULE; PAGE]);
}

/// In a [`PortPage`]: single addresses of the host have rules of their own for this port.
pub const OF_ADDRESS: RuleId = 1 << 15;

/// Where a port stands in the pages: the page and the place in it. `None` for a protocol that
/// is not forwarded.
#[inline(always)]
pub const fn page_of(protocol: u8, port: Port) -> Option<(u32, usize)> {
    const TCP: u8 = Protocol::Tcp as u8;
    const UDP: u8 = Protocol::Udp as u8;
    const SCTP: u8 = Protocol::Sctp as u8;
    const UDP_LITE: u8 = Protocol::UdpLite as u8;
    let slot: u32 = match protocol {
        TCP => 0,
        UDP => 1,
        SCTP => 2,
        UDP_LITE => 3,
        _ => return None,
    };
    let number = port.number();
    Some(((slot << 8) | (number >> 8) as u32, (number & 0xff) as usize))
}

/// The key of a page of ports of one address: of an address of the host in
/// [`super::maps::ADDRESS_PORTS`], of a forward's target in [`super::maps::TARGET_PORTS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPage {
    pub address: Ip4,
    /// As [`page_of`] has it.
    pub page: u32,
}

/// A forward: ports of the host, and where they lead.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// The host address it listens on; unspecified means any address of the host.
    pub address: Ip4,
    pub target: Ip4,
    /// First and last port, native order.
    pub first: u16,
    pub last: u16,
    /// Where the first port leads, native order; the others follow.
    pub target_first: u16,
    pub protocol: u8,
    /// 1: only for sources of [`RulePrefix`]es.
    pub restricted: u8,
}

impl Forward {
    /// The target's port that a port of the range leads to.
    #[inline(always)]
    pub const fn target_port(&self, port: Port) -> Port {
        Port::new(self.target_first.wrapping_add(port.number().wrapping_sub(self.first)))
    }

    /// The port of the host that leads to a port of the target; `None` if none does.
    #[inline(always)]
    pub const fn published_port(&self, target_port: Port) -> Option<Port> {
        let offset = target_port.number().wrapping_sub(self.target_first);
        if offset > self.last.wrapping_sub(self.first) {
            return None;
        }
        Some(Port::new(self.first.wrapping_add(offset)))
    }

    /// Whether the pages of the host's ports do not tell by which port of the host the outside
    /// knows a port of the target: it has another number, or belongs to a single address. One of
    /// loopback or of an inside address is unknown outside.
    pub fn needs_target_page(&self, settings: &Settings) -> bool {
        let inside = settings.inside.iter().take(settings.inside_count as usize);
        let is_unknown_outside =
            self.address.is_loopback() || inside.into_iter().any(|net| net.contains(self.address));
        let is_of_one = self.address != Ip4::UNSPECIFIED;
        (self.first != self.target_first || is_of_one) && !is_unknown_outside
    }
}

/// What passed: flows begun, packets and bytes (of IP, as iptables counts them).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

const _: () = {
    assert!(size_of::<MasqueradeKey>() == 8);
    assert!(size_of::<Masquerade>() == 12);
    assert!(size_of::<RulePrefix>() == 8);
    assert!(size_of::<PortPage>() == 512);
    assert!(size_of::<AddressPage>() == 8);
    assert!(size_of::<Forward>() == 16);
    assert!(size_of::<Counter>() == 24);
    assert!(MAX_RULES <= OF_ADDRESS as u32);
};
