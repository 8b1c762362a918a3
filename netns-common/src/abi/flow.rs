//! The records of the flow table: one for each connection, with the key that its remote sees.

use core::ops::{Deref, DerefMut};

use super::{Ip4, Mac, Port, RuleId};

/// Time since boot (`CLOCK_MONOTONIC`) in units of 2^27 nanoseconds (about 0.134 s). It wraps after
/// 18 years of uptime. The unit is a power of two, because the kernel side converts the clock for
/// each packet.
pub type Tick = u32;

/// The tick of a time since boot (`CLOCK_MONOTONIC`) in nanoseconds.
#[inline(always)]
pub const fn tick_of(nanoseconds: u64) -> Tick {
    (nanoseconds >> 27) as Tick
}

/// Seconds as ticks, rounded up.
pub const fn ticks(seconds: u32) -> Tick {
    let nanoseconds = seconds as u64 * 1_000_000_000;
    (nanoseconds >> 27) as Tick + 1
}

/// A number of ticks in seconds, rounded down.
pub const fn seconds(ticks: Tick) -> u32 {
    (((ticks as u64) << 27) / 1_000_000_000) as u32
}

/// The outside key of a flow: a connection as its remote peer sees it.
///
/// The hash of the flow table leaves out the external address, which is unknown before the look-up
/// of an outbound packet. The comparison includes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    pub remote: Ip4,
    pub external: Ip4,
    /// 0 for ICMP queries.
    pub remote_port: Port,
    /// The port on the external address; the identifier for ICMP queries.
    pub external_port: Port,
    pub protocol: u8,
    pub padding: [u8; 3],
}

impl FlowKey {
    #[inline(always)]
    pub const fn new(
        remote: Ip4,
        remote_port: Port,
        external: Ip4,
        external_port: Port,
        protocol: u8,
    ) -> Self {
        Self { remote, external, remote_port, external_port, protocol, padding: [0; 3] }
    }

    /// The key as its bytes in memory.
    pub fn to_bytes(self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        bytes[..4].copy_from_slice(&self.remote.to_network().to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.external.to_network().to_ne_bytes());
        bytes[8..10].copy_from_slice(&self.remote_port.to_network().to_ne_bytes());
        bytes[10..12].copy_from_slice(&self.external_port.to_network().to_ne_bytes());
        bytes[12] = self.protocol;
        bytes
    }
}

/// The inside key of a flow: a connection as its inside end sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InsideKey {
    pub inside: Ip4,
    pub remote: Ip4,
    pub inside_port: Port,
    /// The remote port that the inside end sees: see [`FlowHead::seen_port`].
    pub seen_port: Port,
    pub protocol: u8,
    pub padding: [u8; 3],
}

impl InsideKey {
    #[inline(always)]
    pub const fn new(
        inside: Ip4,
        inside_port: Port,
        remote: Ip4,
        seen_port: Port,
        protocol: u8,
    ) -> Self {
        Self { inside, remote, inside_port, seen_port, protocol, padding: [0; 3] }
    }
}

/// The kind of a flow, by the rule that began it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// Begun by the inside; the source is translated.
    Masquerade = 0,
    /// Begun by the outside; the destination is translated.
    Forward = 1,
    /// The inside half of a connection from one namespace to a forward of another.
    Hairpin = 2,
    /// An ICMP query of the host itself, whose identifier a namespace had before. It is recorded so
    /// that no namespace takes the identifier again.
    Host = 3,
    /// A flow of another NAT on the machine, which leaves with an address of the router. Its inside
    /// end is that address, with the port that the other NAT has chosen.
    OtherNat = 4,
    /// Begun by the outside, to an endpoint-independent mapping.
    Admitted = 5,
}

impl FlowKind {
    /// The kind as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Masquerade => "masquerade",
            Self::Forward => "forward",
            Self::Hairpin => "hairpin",
            Self::Host => "host",
            Self::OtherNat => "other-nat",
            Self::Admitted => "admitted",
        }
    }

    /// Whether the outside begins flows of the kind with this number. Only the numbers of these
    /// kinds end in these two bits.
    #[inline(always)]
    pub const fn is_begun_outside(number: u8) -> bool {
        number & 3 == Self::Forward as u8
    }

    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Masquerade,
            1 => Self::Forward,
            2 => Self::Hairpin,
            4 => Self::OtherNat,
            5 => Self::Admitted,
            _ => Self::Host,
        }
    }
}

/// The numbers of one end of a TCP connection, in units of 64 KiB: the upper halves, native order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpEnd {
    /// The highest sequence number that it sent; before it sends, the first that it may send.
    pub sequence: u16,
    /// The latest number that it acknowledged; before it does, the first that was sent to it.
    pub acknowledged: u16,
}

/// Both ends of a TCP connection; all 0 for other protocols.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    pub inside: TcpEnd,
    pub remote: TcpEnd,
}

/// The record of one connection, without its key.
///
/// "Out" is from the inside end to the remote, "in" is the other direction. Counters are plain
/// words: two CPUs that forward packets of one flow in one direction at the same instant may lose a
/// count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub head: FlowHead,
    pub tail: FlowTail,
}

/// The part of a record that every packet reads or writes. With its key it fills one cache line, a
/// [`FlowRecord`](super::FlowRecord).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowHead {
    pub inside: Ip4,
    pub external: Ip4,
    /// The next hop of outbound packets on the egress link.
    pub next_hop: Ip4,
    /// Index of the link that outbound packets leave by.
    pub egress: u32,
    /// Index of the host side of the inside end's cable; 0 when it is not on a cable of ours.
    pub cable: u32,
    pub inside_port: Port,
    /// The remote port that the inside end sees: the remote's own, unless the inside end could not
    /// distinguish two remotes by it.
    pub seen_port: Port,
    pub rule: RuleId,
    pub protocol: u8,
    /// The type of service of the flow's first packet, which the kernel may have used to route it.
    pub tos: u8,
    /// The inside end's Ethernet address.
    pub inside_mac: Mac,
    /// A [`FlowState`](super::FlowState).
    pub state: u8,
    /// A [`FlowKind`].
    pub kind: u8,
    pub last_seen: Tick,
    pub packets_out: u32,
    pub packets_in: u32,
    /// The lower half of the byte count; the upper half is in the [`FlowTail`].
    pub bytes_out: u32,
    pub bytes_in: u32,
}

/// The part of a record that few packets need.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTail {
    pub created: Tick,
    /// The upper half of the byte count: how often the lower half has overflowed.
    pub bytes_out: u32,
    pub bytes_in: u32,
    pub sequences: Sequences,
}

impl FlowHead {
    /// The connection with `remote` as its inside end sees it.
    #[inline(always)]
    pub const fn inside_key(&self, remote: Ip4) -> InsideKey {
        InsideKey::new(self.inside, self.inside_port, remote, self.seen_port, self.protocol)
    }

    /// Whether one of the two ports is different inside than outside.
    #[inline(always)]
    pub const fn is_port_translated(&self, remote_port: Port, external_port: Port) -> bool {
        self.inside_port.to_network() != external_port.to_network()
            || self.seen_port.to_network() != remote_port.to_network()
    }
}

impl Flow {
    /// Bytes of IP from the inside end to the remote.
    pub const fn bytes_out(&self) -> u64 {
        ((self.tail.bytes_out as u64) << 32) | self.head.bytes_out as u64
    }

    /// Bytes of IP from the remote to the inside end.
    pub const fn bytes_in(&self) -> u64 {
        ((self.tail.bytes_in as u64) << 32) | self.head.bytes_in as u64
    }
}

impl Deref for Flow {
    type Target = FlowHead;

    #[inline(always)]
    fn deref(&self) -> &FlowHead {
        &self.head
    }
}

impl DerefMut for Flow {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut FlowHead {
        &mut self.head
    }
}

const _: () = {
    assert!(size_of::<FlowKey>() == 16);
    assert!(size_of::<InsideKey>() == 16);
    assert!(size_of::<FlowHead>() == 56);
    assert!(size_of::<FlowTail>() == 20);
    assert!(size_of::<Flow>() == 76);
};
