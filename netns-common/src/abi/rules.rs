//! The NAT rules in the maps, and their counters.

use super::{Ip4, NO_RULE, Port, Protocol, RuleId, Settings};

/// How many rules one lab may have, including [`NO_RULE`]. Each has 24 bytes of counters per CPU,
/// allocated at the start.
pub const MAX_RULES: u32 = 1 << 14;

/// How many CIDRs all rules of one lab may have: sources of forwards, and destinations that
/// masquerades exclude.
pub const MAX_RULE_PREFIXES: u32 = 1 << 16;

/// The key of a masquerade: the longest prefix of the source, at one uplink.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MasqueradeKey {
    /// Index of the uplink; 0 means any.
    pub uplink: u32,
    pub source: Ip4,
}

impl MasqueradeKey {
    /// Bits of the key before the source, all of which must match.
    pub const UPLINK_BITS: u32 = 32;
}

/// A masquerade: source translation for the prefix in its key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masquerade {
    /// The translated source address; unspecified: the kernel's choice.
    pub to: Ip4,
    pub rule: RuleId,
    /// The largest TCP segment size that the ends of a connection may announce, in bytes, native
    /// order; 0: no limit; [`Masquerade::PATH_MTU`]: the largest that fits the links of the path.
    pub mss: u16,
    /// Length of the prefix in its key.
    pub length: u8,
    /// 1: destinations in its [`RulePrefix`]es are not translated.
    pub excludes: u8,
    /// 1: an inside port has one external port for all remotes (RFC 4787 REQ-1); 0: one for each
    /// remote address and port.
    pub endpoint_independent: u8,
    /// The [`Filtering`](super::Filtering) of endpoint-independent mappings.
    pub filtering: u8,
}

impl Masquerade {
    /// The [`Masquerade::mss`] that means the largest size that fits the links of the path.
    pub const PATH_MTU: u16 = u16::MAX;
}

/// A CIDR of a rule: a permitted source of a forward, or a destination that a masquerade excludes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RulePrefix {
    /// A [`RuleId`].
    pub rule: u32,
    pub address: Ip4,
}

impl RulePrefix {
    /// Bits of the key before the address, all of which must match.
    pub const RULE_BITS: u32 = 32;
}

/// How many ports share a page.
pub const PAGE: usize = 256;

/// How many pages there are: all ports of each protocol that can be forwarded.
pub const PAGES: u32 = (PROTOCOLS as u32) << 8;

const PROTOCOLS: u8 = 4;

/// The ports with one high byte, by their low byte. In [`super::maps::FORWARD_PORTS`] an entry is
/// the rule for any address of the host, with [`OF_ADDRESS`] if there are rules for single
/// addresses too. In [`super::maps::ADDRESS_PORTS`] it is the rule for that address.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPage(pub [RuleId; PAGE]);

impl PortPage {
    /// A page of ports that are not forwarded.
    pub const EMPTY: Self = Self([NO_RULE; PAGE]);
}

/// The bit in a [`PortPage`] that says that single addresses of the host have rules of their own
/// for this port.
pub const OF_ADDRESS: RuleId = 1 << 15;

/// The page of a port and its place in the page. `None` for a protocol that cannot be forwarded.
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

/// The key of a page for one address: an address of the host in [`super::maps::ADDRESS_PORTS`], or
/// the target of a forward in [`super::maps::TARGET_PORTS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPage {
    pub address: Ip4,
    /// The page number of [`page_of`].
    pub page: u32,
}

/// A forward: ports of the host, and their target.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// The host address it listens on; unspecified means any address of the host.
    pub address: Ip4,
    pub target: Ip4,
    /// First and last port, native order.
    pub first: u16,
    pub last: u16,
    /// The target port of the first port, native order; the others follow in order.
    pub target_first: u16,
    pub protocol: u8,
    /// 1: only for sources in its [`RulePrefix`]es.
    pub restricted: u8,
}

impl Forward {
    /// The target port of a port in the range.
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

    /// Whether [`super::maps::TARGET_PORTS`] must name the port that publishes a target's port,
    /// because the pages of the host's ports do not: it has another number, or belongs to a single
    /// address. A forward of a loopback or inside address publishes nothing to the outside.
    pub fn needs_target_page(&self, settings: &Settings) -> bool {
        let inside = settings.inside.iter().take(settings.inside_count as usize);
        let is_unknown_outside =
            self.address.is_loopback() || inside.into_iter().any(|net| net.contains(self.address));
        let is_of_one = self.address != Ip4::UNSPECIFIED;
        (self.first != self.target_first || is_of_one) && !is_unknown_outside
    }
}

/// A counter: new flows, packets and bytes (of IP, as iptables counts them).
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
