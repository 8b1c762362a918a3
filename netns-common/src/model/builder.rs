//! A builder for packets: `ipv4(RED, LAN).ttl(3).tcp(40_000, 80, SYN).payload(100)`.

use std::{vec, vec::Vec};

use super::{
    checksums::{checksum, covered, crc32c, with_pseudo_header},
    packet::VecPacket,
};
use crate::{
    abi::{Ip4, Mac, Protocol},
    datapath::{Headers, Kind},
};

/// TCP flags (RFC 9293 section 3.1).
pub mod flags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;
}

/// The builder of an IPv4 packet.
#[derive(Clone, Debug)]
pub struct Datagram {
    source: Ip4,
    destination: Ip4,
    ttl: u8,
    /// Differentiated services and explicit congestion notification (RFC 2474, RFC 3168).
    service: u8,
    id: u16,
    /// Flags and offset, as a number.
    fragment: u16,
    options: Vec<u8>,
    body: Body,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Body {
    Tcp {
        ports: [u16; 2],
        flags: u8,
        /// Sequence number, and number that is acknowledged.
        numbers: [u32; 2],
        options: Vec<u8>,
    },
    Udp {
        ports: [u16; 2],
        has_checksum: bool,
    },
    /// `coverage`: how many bytes the checksum covers, 0 for all (RFC 3828).
    UdpLite {
        ports: [u16; 2],
        coverage: u16,
    },
    Sctp {
        ports: [u16; 2],
        tag: u32,
        chunk: u8,
    },
    /// Type, code and the four bytes after the checksum.
    Icmp {
        kind: u8,
        code: u8,
        rest: [u8; 4],
    },
    Other {
        protocol: u8,
    },
}

/// Begins a packet between two addresses. By default it has no payload and the experimental
/// protocol 253 (RFC 3692).
pub fn ipv4(source: Ip4, destination: Ip4) -> Datagram {
    Datagram {
        source,
        destination,
        ttl: 64,
        service: 0,
        id: 0x1234,
        fragment: 0,
        options: Vec::new(),
        body: Body::Other { protocol: 253 },
        payload: Vec::new(),
    }
}

impl Datagram {
    /// The source address.
    pub(super) const fn source(&self) -> Ip4 {
        self.source
    }

    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets differentiated services (upper six bits) and congestion notification (lower two).
    #[must_use]
    pub fn service(mut self, service: u8) -> Self {
        self.service = service;
        self
    }

    #[must_use]
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// Sets the bit that forbids fragmentation.
    #[must_use]
    pub fn dont_fragment(mut self) -> Self {
        self.fragment |= 0x4000;
        self
    }

    /// A fragment: `offset` in units of eight bytes, `more` if others follow it. With an
    /// offset above 0 the transport header is left out.
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = (offset & 0x1fff) | u16::from(more) << 13;
        self
    }

    /// Adds `words` times four bytes of options that mean nothing (RFC 791: no operation).
    #[must_use]
    pub fn options(mut self, words: u8) -> Self {
        self.options = vec![1; usize::from(words.min(10)) * 4];
        self
    }

    /// Adds these options, padded to whole words with their end.
    #[must_use]
    pub fn raw_options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    #[must_use]
    pub fn tcp(mut self, source: u16, destination: u16, flags: u8) -> Self {
        self.body =
            Body::Tcp { ports: [source, destination], flags, numbers: [1, 2], options: Vec::new() };
        self
    }

    /// Sets the numbers of a TCP packet: its own, and the one that it acknowledges.
    #[must_use]
    pub fn numbers(mut self, sequence: u32, acknowledged: u32) -> Self {
        if let Body::Tcp { numbers, .. } = &mut self.body {
            *numbers = [sequence, acknowledged];
        }
        self
    }

    /// Sets the options of a TCP packet, padded with zeroes to a multiple of four bytes.
    #[must_use]
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        if let Body::Tcp { options, .. } = &mut self.body {
            *options = bytes.iter().copied().take(40).collect();
            options.resize(options.len().next_multiple_of(4), 0);
        }
        self
    }

    /// Sets the flags of a TCP packet.
    #[must_use]
    pub fn tcp_flags(mut self, new: u8) -> Self {
        if let Body::Tcp { flags, .. } = &mut self.body {
            *flags = new;
        }
        self
    }

    #[must_use]
    pub fn udp(mut self, source: u16, destination: u16) -> Self {
        self.body = Body::Udp { ports: [source, destination], has_checksum: true };
        self
    }

    /// UDP whose sender computed no checksum (RFC 768: the field is 0).
    #[must_use]
    pub fn udp_without_checksum(mut self, source: u16, destination: u16) -> Self {
        self.body = Body::Udp { ports: [source, destination], has_checksum: false };
        self
    }

    /// UDP-Lite; the checksum covers `coverage` bytes, or all with 0.
    #[must_use]
    pub fn udp_lite(mut self, source: u16, destination: u16, coverage: u16) -> Self {
        self.body = Body::UdpLite { ports: [source, destination], coverage };
        self
    }

    /// SCTP with one chunk of type `chunk` (RFC 9260 section 3.2), whose value is the payload.
    #[must_use]
    pub fn sctp(mut self, source: u16, destination: u16, chunk: u8) -> Self {
        self.body = Body::Sctp { ports: [source, destination], tag: 0x1234_5678, chunk };
        self
    }

    #[must_use]
    pub fn echo_request(self, identifier: u16) -> Self {
        self.echo(8, identifier)
    }

    #[must_use]
    pub fn echo_reply(self, identifier: u16) -> Self {
        self.echo(0, identifier)
    }

    fn echo(self, kind: u8, identifier: u16) -> Self {
        let [high, low] = identifier.to_be_bytes();
        self.icmp(kind, 0, [high, low, 0, 1])
    }

    /// Any ICMP message; `rest` is what follows the checksum.
    #[must_use]
    pub fn icmp(mut self, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        self.body = Body::Icmp { kind, code, rest };
        self
    }

    /// An ICMP error about `packet`: quotes its IPv4 header and as many bytes after that.
    #[must_use]
    pub fn error(self, kind: u8, code: u8, packet: &VecPacket, quoted: usize) -> Self {
        let ip = packet.network();
        let header = ip.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
        let quotation = ip[..ip.len().min(header + quoted)].to_vec();
        let mut error = self.icmp(kind, code, [0; 4]);
        error.payload = quotation;
        error
    }

    /// Sets the MTU in an ICMP error that has the field (RFC 1191).
    #[must_use]
    pub fn next_hop_mtu(mut self, mtu: u16) -> Self {
        if let Body::Icmp { rest, .. } = &mut self.body {
            rest[2..].copy_from_slice(&mtu.to_be_bytes());
        }
        self
    }

    /// Appends an extension to an ICMP error (RFC 4884 section 7): the quotation is filled up
    /// to 128 bytes, and a label of MPLS follows it (RFC 4950).
    #[must_use]
    pub fn extension(mut self) -> Self {
        const QUOTATION: usize = 128;
        if let Body::Icmp { rest, .. } = &mut self.body {
            rest[1] = (QUOTATION / 4) as u8;
        }
        self.payload.resize(QUOTATION, 0);
        let mut extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0x12, 0x34, 0x51, 0xff];
        let sum = checksum(&extension).to_be_bytes();
        extension[2..4].copy_from_slice(&sum);
        self.payload.extend(extension);
        self
    }

    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.body = Body::Other { protocol };
        self
    }

    /// Appends `length` bytes of which no two neighbours are alike.
    #[must_use]
    pub fn payload(mut self, length: usize) -> Self {
        self.payload = (0..length).map(|at| (at * 7 + at / 256) as u8).collect();
        self
    }

    /// The answer of the receiver of `packet`, with addresses and ports swapped: an
    /// acknowledgement, a datagram or an echo reply. `None` for a packet without an answer.
    pub fn answer_to(packet: &VecPacket) -> Option<Self> {
        let head = Headers::read(packet).ok()?;
        let answer = ipv4(head.destination, head.source);
        let (theirs, ours) = (head.source_port.number(), head.destination_port.number());
        match head.kind {
            Kind::Tcp => {
                let syn = if head.is_syn() { flags::SYN } else { 0 };
                Some(answer.tcp(ours, theirs, syn | flags::ACK))
            }
            Kind::Udp if head.protocol == Protocol::UdpLite.number() => {
                Some(answer.udp_lite(ours, theirs, 8))
            }
            Kind::Udp => Some(answer.udp(ours, theirs)),
            Kind::Sctp => Some(answer.sctp(ours, theirs, 3)),
            Kind::Portless => Some(answer.protocol(head.protocol)),
            Kind::Query => Some(answer.echo_reply(theirs)),
            Kind::QueryReply
            | Kind::IcmpError
            | Kind::OtherIcmp
            | Kind::Other
            | Kind::LaterFragment => None,
        }
    }

    /// The packet's bytes, all checksums in place.
    pub fn bytes(&self) -> Vec<u8> {
        let transport = self.transport();
        let length = 20 + self.options.len();
        let total = u16::try_from(length + transport.len()).unwrap_or(u16::MAX);
        let protocol = match self.body {
            Body::Tcp { .. } => Protocol::Tcp.number(),
            Body::Udp { .. } => Protocol::Udp.number(),
            Body::UdpLite { .. } => Protocol::UdpLite.number(),
            Body::Sctp { .. } => Protocol::Sctp.number(),
            Body::Icmp { .. } => Protocol::Icmp.number(),
            Body::Other { protocol } => protocol,
        };
        let mut ip = vec![0x40 | (length / 4) as u8, self.service];
        ip.extend(total.to_be_bytes());
        ip.extend(self.id.to_be_bytes());
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, protocol, 0, 0]);
        ip.extend(self.source.octets());
        ip.extend(self.destination.octets());
        ip.extend(&self.options);
        let sum = checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
        ip.extend(self.with_checksum(&ip, transport));
        ip
    }

    /// The transport header, its checksum 0, and the payload.
    fn transport(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.fragment & 0x1fff == 0 {
            match &self.body {
                Body::Tcp { ports, flags, numbers, options } => {
                    let words = (5 + options.len() / 4) as u8;
                    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
                    bytes.extend([words << 4, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                    bytes.extend(options);
                }
                Body::Udp { ports, .. } => {
                    let length = u16::try_from(8 + self.payload.len()).unwrap_or(u16::MAX);
                    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                    bytes.extend(length.to_be_bytes());
                    bytes.extend([0, 0]);
                }
                Body::UdpLite { ports, coverage } => {
                    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                    bytes.extend(coverage.to_be_bytes());
                    bytes.extend([0, 0]);
                }
                Body::Sctp { ports, tag, chunk } => {
                    let length = u16::try_from(4 + self.payload.len()).unwrap_or(u16::MAX);
                    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
                    bytes.extend(tag.to_be_bytes());
                    bytes.extend([0, 0, 0, 0, *chunk, 0]);
                    bytes.extend(length.to_be_bytes());
                }
                Body::Icmp { kind, code, rest } => {
                    bytes.extend([*kind, *code, 0, 0]);
                    bytes.extend(rest);
                }
                Body::Other { .. } => {}
            }
        }
        bytes.extend(&self.payload);
        bytes
    }

    fn with_checksum(&self, ip: &[u8], mut transport: Vec<u8>) -> Vec<u8> {
        if self.fragment & 0x1fff != 0 {
            return transport;
        }
        let (at, sum) = match self.body {
            Body::Tcp { .. } => (16, checksum(&with_pseudo_header(ip, &transport))),
            Body::Udp { has_checksum: true, .. } => {
                // A sum of 0 would say that there is none (RFC 768).
                let sum = checksum(&with_pseudo_header(ip, &transport));
                (6, if sum == 0 { 0xffff } else { sum })
            }
            Body::UdpLite { coverage, .. } => {
                let sum = checksum(&covered(ip, &transport, coverage));
                (6, if sum == 0 { 0xffff } else { sum })
            }
            Body::Sctp { .. } => {
                let sum = crc32c(&transport).to_le_bytes();
                transport[8..12].copy_from_slice(&sum);
                return transport;
            }
            Body::Icmp { .. } => (2, checksum(&transport)),
            Body::Udp { has_checksum: false, .. } | Body::Other { .. } => return transport,
        };
        transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        transport
    }

    /// The packet in a frame on `link`.
    pub fn frame(&self, source: Mac, destination: Mac, link: u32) -> VecPacket {
        let mut bytes = Vec::new();
        bytes.extend(destination);
        bytes.extend(source);
        bytes.extend([0x08, 0x00]);
        bytes.extend(self.bytes());
        VecPacket::new(bytes, link)
    }
}
