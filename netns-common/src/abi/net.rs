//! Addresses, ports and protocols in packets and maps.

use core::{fmt, net::Ipv4Addr};

/// An IPv4 address in network byte order, loaded and compared as one word.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ip4(u32);

impl Ip4 {
    pub const UNSPECIFIED: Self = Self(0);
    pub const BROADCAST: Self = Self(u32::MAX);

    /// The address of a word that was loaded from a packet or a socket context.
    #[inline(always)]
    pub const fn from_network(word: u32) -> Self {
        Self(word)
    }

    /// The word in network byte order, as in a packet.
    #[inline(always)]
    pub const fn to_network(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub const fn new(a: u8, b: u8, c: u8, d: u8) -> Self {
        Self(u32::from_ne_bytes([a, b, c, d]))
    }

    #[inline(always)]
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    /// The first octet, which identifies loopback, multicast and reserved addresses.
    #[inline(always)]
    pub const fn first_octet(self) -> u8 {
        (u32::from_be(self.0) >> 24) as u8
    }

    /// 224.0.0.0/4 (RFC 5771) or 255.255.255.255.
    #[inline(always)]
    pub const fn is_multicast_or_broadcast(self) -> bool {
        self.first_octet() & 0xf0 == 0xe0 || self.0 == u32::MAX
    }

    /// An address that no packet from another machine can come from: "this network",
    /// loopback, multicast, reserved and broadcast (RFC 1122 section 3.2.1.3, RFC 1112).
    #[inline(always)]
    pub const fn is_martian(self) -> bool {
        matches!(self.first_octet(), 0 | 127 | 224..)
    }

    /// 127.0.0.0/8.
    #[inline(always)]
    pub const fn is_loopback(self) -> bool {
        self.first_octet() == 127
    }
}

impl From<Ipv4Addr> for Ip4 {
    fn from(address: Ipv4Addr) -> Self {
        Self(u32::from_ne_bytes(address.octets()))
    }
}

impl From<Ip4> for Ipv4Addr {
    fn from(address: Ip4) -> Self {
        Self::from(address.octets())
    }
}

impl fmt::Debug for Ip4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Ipv4Addr::from(*self), f)
    }
}

/// A TCP or UDP port, or the identifier of an ICMP query, in network byte order.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Port(u16);

impl Port {
    pub const ZERO: Self = Self(0);

    /// The port of a half-word that was loaded from a packet.
    #[inline(always)]
    pub const fn from_network(word: u16) -> Self {
        Self(word)
    }

    /// The half-word in network byte order, as in a packet.
    #[inline(always)]
    pub const fn to_network(self) -> u16 {
        self.0
    }

    /// The port of a number in native order.
    #[inline(always)]
    pub const fn new(number: u16) -> Self {
        Self(number.to_be())
    }

    /// The number in native order.
    #[inline(always)]
    pub const fn number(self) -> u16 {
        u16::from_be(self.0)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The protocols with more to translate than addresses (IANA protocol numbers).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Icmp = 1,
    Tcp = 6,
    Udp = 17,
    Sctp = 132,
    UdpLite = 136,
}

impl Protocol {
    #[inline(always)]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Icmp),
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            136 => Some(Self::UdpLite),
            _ => None,
        }
    }

    #[inline(always)]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// An IPv4 prefix: an address belongs to it when `address & mask == network`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    pub network: Ip4,
    /// Network byte order, like the address.
    pub mask: Ip4,
}

impl Prefix {
    /// `length` is 0 to 32; host bits of `address` are cleared.
    pub const fn new(address: Ip4, length: u8) -> Self {
        let mask = if length == 0 { 0 } else { u32::MAX << (32 - length as u32) };
        let mask = mask.to_be();
        Self { network: Ip4(address.0 & mask), mask: Ip4(mask) }
    }

    #[inline(always)]
    pub const fn contains(&self, address: Ip4) -> bool {
        address.0 & self.mask.0 == self.network.0
    }
}
