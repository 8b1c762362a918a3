//! Every checksum of a packet, computed in full, to compare incremental updates with.

use std::vec::Vec;

use crate::abi::Protocol;

/// A wrong checksum, by the field that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Ipv4,
    Tcp,
    /// UDP or UDP-Lite.
    Udp,
    Sctp,
    Icmp,
    /// The IPv4 header of the packet that an ICMP error quotes.
    QuotedIpv4,
    /// The transport header of the packet that an ICMP error quotes, if the whole packet is quoted.
    QuotedTransport,
}

/// The Internet checksum (RFC 1071) of bytes in network order.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u64::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// The CRC32c of bytes (RFC 9260 appendix A). Its little-endian bytes are what the field of an
/// SCTP packet holds, when `bytes` are the packet with 0 in that field.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..u8::BITS {
            let carry = (register & 1).wrapping_neg();
            register = (register >> 1) ^ (0x82f6_3b78 & carry);
        }
    }
    !register
}

/// The pseudo-header (RFC 9293 section 3.1, RFC 768) before a transport header and payload.
pub(super) fn with_pseudo_header(ip: &[u8], transport: &[u8]) -> Vec<u8> {
    let mut bytes = ip[12..20].to_vec();
    bytes.extend([0, ip[9]]);
    bytes.extend(u16::try_from(transport.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(transport);
    bytes
}

/// The bytes that the checksum of UDP-Lite covers (RFC 3828 section 3.1): the pseudo-header, and as
/// much of the packet as its header says.
pub(super) fn covered(ip: &[u8], transport: &[u8], coverage: u16) -> Vec<u8> {
    let mut bytes = with_pseudo_header(ip, transport);
    if coverage != 0 {
        // The pseudo-header has 12 bytes.
        bytes.truncate(12 + usize::from(coverage));
    }
    bytes
}

/// The wrong checksums of an IPv4 packet (without its Ethernet header), quotation included.
///
/// Checksums that cannot be checked (the transport checksum of a fragment or a shortened packet)
/// are left out.
pub fn wrong_checksums(ip: &[u8]) -> Vec<Field> {
    let mut wrong = Vec::new();
    let Some(packet) = Parts::of(ip) else { return wrong };
    if checksum(packet.header) != 0 {
        wrong.push(Field::Ipv4);
    }
    if let Some(field) = packet.wrong_transport() {
        wrong.push(field);
    }
    if let Some(quoted) = packet.quotation().and_then(Parts::of) {
        if checksum(quoted.header) != 0 {
            wrong.push(Field::QuotedIpv4);
        }
        if quoted.wrong_transport().is_some() {
            wrong.push(Field::QuotedTransport);
        }
    }
    wrong
}

/// An IPv4 packet taken apart.
struct Parts<'a> {
    header: &'a [u8],
    transport: &'a [u8],
    /// Neither a fragment nor shortened.
    is_whole: bool,
}

impl<'a> Parts<'a> {
    fn of(ip: &'a [u8]) -> Option<Self> {
        let header = ip.get(..usize::from(ip.first()? & 0x0f) * 4)?;
        if header.len() < 20 || header[0] >> 4 != 4 {
            return None;
        }
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        // Bytes after the packet are padding of the frame.
        let end = total.min(ip.len());
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        Some(Self {
            header,
            transport: ip.get(header.len()..end)?,
            is_whole: !fragment && total <= ip.len(),
        })
    }

    fn protocol(&self) -> Option<Protocol> {
        Protocol::from_number(self.header[9])
    }

    fn wrong_transport(&self) -> Option<Field> {
        if !self.is_whole {
            return None;
        }
        let pseudo = || with_pseudo_header(self.header, self.transport);
        match self.protocol()? {
            Protocol::Tcp if self.transport.len() >= 20 => {
                (checksum(&pseudo()) != 0).then_some(Field::Tcp)
            }
            Protocol::Udp if self.transport.len() >= 8 => {
                let without = self.transport[6..8] == [0, 0];
                (!without && checksum(&pseudo()) != 0).then_some(Field::Udp)
            }
            Protocol::UdpLite if self.transport.len() >= 8 => {
                let coverage = u16::from_be_bytes([self.transport[4], self.transport[5]]);
                let bytes = covered(self.header, self.transport, coverage);
                (checksum(&bytes) != 0 || self.transport[6..8] == [0, 0]).then_some(Field::Udp)
            }
            Protocol::Sctp if self.transport.len() >= 12 => {
                let mut packet = self.transport.to_vec();
                packet[8..12].fill(0);
                let sum = crc32c(&packet).to_le_bytes();
                let without = self.transport[8..12] == [0; 4];
                (!without && self.transport[8..12] != sum).then_some(Field::Sctp)
            }
            Protocol::Icmp if self.transport.len() >= 8 => {
                (checksum(self.transport) != 0).then_some(Field::Icmp)
            }
            Protocol::Tcp | Protocol::Udp | Protocol::UdpLite | Protocol::Sctp | Protocol::Icmp => {
                None
            }
        }
    }

    /// The packet that an ICMP error is about, as far as it is quoted.
    fn quotation(&self) -> Option<&'a [u8]> {
        let is_error = self.protocol() == Some(Protocol::Icmp)
            && matches!(self.transport.first(), Some(3 | 11 | 12));
        if is_error { self.transport.get(8..) } else { None }
    }
}
