//! The header fields: offsets, constants and the fixed parts as structures.

use core::mem::offset_of;

use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr},
};

use crate::datapath::{packet::access::Plain, packet::checksum::Diff};

/// Offset of the IPv4 header: labs are untagged Ethernet.
pub(crate) const IP: usize = EthHdr::LEN;

/// Offset of the transport header of a packet without IP options.
pub(crate) const L4: usize = IP + Ipv4Hdr::LEN;

/// Offset of the source address.
pub(crate) const IP_SOURCE: usize = IP + offset_of!(Ipv4Hdr, src_addr);

/// Offset of the destination address.
pub(crate) const IP_DESTINATION: usize = IP + offset_of!(Ipv4Hdr, dst_addr);

/// The bit that forbids fragmentation (RFC 791).
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;

/// Offset of the checksum in an SCTP header (RFC 9260 section 3.1).
pub(crate) const SCTP_CHECKSUM: usize = 8;

pub(crate) const FIN: u8 = 0x01;

pub(crate) const SYN: u8 = 0x02;

pub(crate) const RST: u8 = 0x04;

pub(crate) const ACK: u8 = 0x10;

/// ICMP types (IANA).
pub(crate) mod icmp_type {
    pub(crate) const ECHO_REPLY: u8 = 0;
    pub(crate) const UNREACHABLE: u8 = 3;
    pub(crate) const ECHO: u8 = 8;
    pub(crate) const TIME_EXCEEDED: u8 = 11;
    pub(crate) const PARAMETER_PROBLEM: u8 = 12;
    pub(crate) const TIMESTAMP: u8 = 13;
    pub(crate) const TIMESTAMP_REPLY: u8 = 14;
}

/// The IPv4 header's fixed part, fields in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ipv4Words {
    pub(crate) version_length: u8,
    pub(crate) tos: u8,
    pub(crate) total_length: u16,
    pub(crate) id: u16,
    pub(crate) fragment: u16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) checksum: u16,
    pub(crate) source: u32,
    pub(crate) destination: u32,
}

// SAFETY: repr(C) with naturally aligned integers and no padding (the size is asserted).
unsafe impl Plain for Ipv4Words {}

impl Ipv4Words {
    /// The sum over all words. Its fold is 0 if the checksum is correct and no options follow.
    #[inline(always)]
    pub(crate) const fn sum(&self) -> Diff {
        let sum = u16::from_ne_bytes([self.version_length, self.tos]) as u64
            + u16::from_ne_bytes([self.ttl, self.protocol]) as u64
            + self.total_length as u64
            + self.id as u64
            + self.fragment as u64
            + self.checksum as u64
            + self.source as u64
            + self.destination as u64;
        Diff::from_sum(sum)
    }
}

/// The first bytes of each transport header: two ports, or type, code and checksum.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransportWords {
    pub(crate) first: u16,
    pub(crate) second: u16,
}

// SAFETY: as for Ipv4Words.
unsafe impl Plain for TransportWords {}

const _: () = {
    assert!(size_of::<Ipv4Words>() == Ipv4Hdr::LEN);
    assert!(size_of::<TransportWords>() == 4);
    assert!(IpProto::Icmp as u8 == 1 && IpProto::Tcp as u8 == 6 && IpProto::Udp as u8 == 17);
};
