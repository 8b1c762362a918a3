//! The packet that an ICMP error quotes.

use core::mem::offset_of;

use network_types::{
    icmp::Icmpv4Hdr,
    ip::{IpProto, Ipv4Hdr},
};

use crate::{
    abi::{Ip4, Port, Protocol},
    datapath::packet::{access::Packet, wire::icmp_type},
};

pub(crate) const TCP: u8 = Protocol::Tcp as u8;

pub(crate) const UDP: u8 = Protocol::Udp as u8;

pub(crate) const ICMP: u8 = Protocol::Icmp as u8;

pub(crate) const UDP_LITE: u8 = IpProto::UdpLite as u8;

pub(crate) const SCTP: u8 = IpProto::Sctp as u8;

/// Bytes of the quoted transport header that every error holds (RFC 792).
const QUOTED: usize = 8;

/// The packet that an error quotes. The ports hold the identifiers of echoes as in
/// [`Headers`](super::headers::Headers).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quote {
    pub(crate) source: Ip4,
    pub(crate) destination: Ip4,
    pub(crate) source_port: Port,
    pub(crate) destination_port: Port,
    /// Offset of its IPv4 header.
    pub(crate) ip: u16,
    /// Length of its IPv4 header in words of four bytes.
    pub(crate) words: u8,
    pub(crate) protocol: u8,
}

impl Quote {
    /// Offset of its IPv4 header.
    #[inline(always)]
    pub(crate) const fn ip(&self) -> usize {
        self.ip as usize
    }

    /// Length of its IPv4 header, in bytes.
    #[inline(always)]
    pub(crate) const fn header(&self) -> usize {
        (self.words & 0x0f) as usize * 4
    }

    /// Offset of its transport header.
    #[inline(always)]
    pub(crate) const fn l4(&self) -> usize {
        self.ip() + self.header()
    }

    /// Reads the quotation at the offset `ip`. The packet ends at `end`; the frame may be longer.
    #[inline(always)]
    pub(crate) fn read<P: Packet>(packet: &P, ip: usize, end: usize) -> Option<Self> {
        let version_length: u8 = packet.load_at(ip)?;
        let header = usize::from(version_length & 0x0f) * 4;
        if version_length >> 4 != 4 || header < Ipv4Hdr::LEN {
            return None;
        }
        let fragment: u16 = packet.load_at(ip + offset_of!(Ipv4Hdr, frags))?;
        // Only the first fragment has the ports.
        if u16::from_be(fragment) & 0x1fff != 0 {
            return None;
        }
        let l4 = ip + header;
        if l4 + QUOTED > end {
            return None;
        }
        let mut quote = Self {
            source: Ip4::from_network(packet.load_at(ip + offset_of!(Ipv4Hdr, src_addr))?),
            destination: Ip4::from_network(packet.load_at(ip + offset_of!(Ipv4Hdr, dst_addr))?),
            source_port: Port::ZERO,
            destination_port: Port::ZERO,
            ip: ip as u16,
            words: version_length & 0x0f,
            protocol: packet.load_at(ip + offset_of!(Ipv4Hdr, proto))?,
        };
        match quote.protocol {
            TCP | UDP | UDP_LITE | SCTP => {
                quote.source_port = Port::from_network(packet.load_at(l4)?);
                quote.destination_port = Port::from_network(packet.load_at(l4 + 2)?);
            }
            ICMP => {
                let kind: u8 = packet.load_at(l4)?;
                let identifier: u16 = packet.load_at(l4 + offset_of!(Icmpv4Hdr, data))?;
                match kind {
                    icmp_type::ECHO | icmp_type::TIMESTAMP => {
                        quote.source_port = Port::from_network(identifier);
                    }
                    icmp_type::ECHO_REPLY | icmp_type::TIMESTAMP_REPLY => {
                        quote.destination_port = Port::from_network(identifier);
                    }
                    _ => return None,
                }
            }
            // The keys of protocols without ports have ports of 0.
            _ => {}
        }
        Some(quote)
    }
}
