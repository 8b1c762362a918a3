//! Reading the headers of a packet.

use core::mem::offset_of;

use network_types::{
    eth::{EthHdr, EtherType},
    icmp::Icmpv4Hdr,
    ip::{IpProto, Ipv4Hdr},
    tcp::TcpHdr,
    udp::UdpHdr,
};

use crate::{
    abi::{FlowKey, HostCallKey, InsideKey, Ip4, Mac, Port},
    datapath::packet::{
        access::{Packet, Plain},
        checksum::fold,
        wire::{ACK, DONT_FRAGMENT, IP, Ipv4Words, L4, RST, SYN, TransportWords, icmp_type},
    },
};

/// The fragment offset and `more fragments`, without `don't fragment` and the reserved bit.
const FRAGMENT_BITS: u16 = 0x3fff;

const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Bytes of an SCTP packet before its first chunk: ports, verification tag and checksum.
const SCTP_HEADER: usize = 12;

/// The kind of a packet, which decides how it is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    /// UDP-Lite too, which differs in how much the checksum covers (RFC 3828).
    Udp,
    Sctp,
    /// An ICMP echo or timestamp request, which has an identifier (RFC 792).
    Query,
    /// The answer to such a request.
    QueryReply,
    /// An ICMP error that quotes the packet it is about (RFC 792).
    IcmpError,
    /// Any other ICMP message.
    OtherIcmp,
    /// A protocol without ports, or with ports that the datapath does not know: only the addresses
    /// distinguish its flows.
    Portless,
    /// A protocol that breaks if an address changes.
    Other,
    /// A fragment that is not the first: it has no transport header.
    LaterFragment,
}

impl Kind {
    /// Whether its address and port pairs name a flow.
    #[inline(always)]
    pub const fn is_flow(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::Udp | Self::Sctp | Self::Portless | Self::Query | Self::QueryReply
        )
    }

    /// Whether a port can be forwarded.
    #[inline(always)]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }

    /// The kind of a protocol whose headers the datapath does not read.
    #[inline(always)]
    const fn of_protocol(number: u8) -> Self {
        /// Its checksum covers the addresses (RFC 4340 section 9.1).
        const DCCP: u8 = 33;
        /// It protects the addresses (RFC 4302 section 3.3.3.1.1).
        const AH: u8 = 51;
        /// Its checksum covers the addresses (RFC 7401 section 5.1.1).
        const HIP: u8 = 139;
        match number {
            DCCP | AH | HIP => Self::Other,
            _ => Self::Portless,
        }
    }

    #[inline(always)]
    pub const fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp)
    }

    #[inline(always)]
    pub const fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::QueryReply)
    }
}

/// The headers of an IPv4 packet.
///
/// The identifier of an echo is the source port of a request and the destination port of a reply;
/// the other port is 0. So a request never matches an inbound flow, and a reply never matches an
/// outbound one.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    pub source: Ip4,
    pub destination: Ip4,
    pub source_port: Port,
    pub destination_port: Port,
    /// The identification, as in the packet.
    pub id: u16,
    /// Length of the IP packet in bytes.
    pub bytes: u32,
    pub ip_checksum: u16,
    /// Offset of the transport header: at most 14 + 60.
    pub l4: u8,
    pub ttl: u8,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    pub protocol: u8,
    pub kind: Kind,
    /// Whether it is the first of several fragments.
    pub first_fragment: bool,
    /// 0 for anything but TCP.
    pub tcp_flags: u8,
    /// Whether it is a fragment or may be fragmented, so that it is not atomic (RFC 6864 section
    /// 4).
    pub may_be_fragmented: bool,
}

/// Why a packet has no [`Headers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeaders {
    NotIpv4,
    Malformed,
    /// The checksum of the IPv4 header is wrong.
    BadChecksum,
}

impl Headers {
    /// The headers before a packet is read.
    pub(crate) const EMPTY: Self = Self {
        source: Ip4::UNSPECIFIED,
        destination: Ip4::UNSPECIFIED,
        source_port: Port::ZERO,
        destination_port: Port::ZERO,
        id: 0,
        bytes: 0,
        ip_checksum: 0,
        l4: 0,
        ttl: 0,
        tos: 0,
        protocol: 0,
        kind: Kind::Other,
        first_fragment: false,
        tcp_flags: 0,
        may_be_fragmented: false,
    };

    /// Reads the headers within the bounds of the frame, and checks the checksum of an IPv4 header
    /// without options. `ip_options` checks one with options.
    #[inline(always)]
    pub fn read<P: Packet>(packet: &P) -> Result<Self, NoHeaders> {
        let ether_type: u16 =
            packet.load(offset_of!(EthHdr, ether_type)).ok_or(NoHeaders::NotIpv4)?;
        if ether_type != EtherType::Ipv4 as u16 || packet.is_tagged() {
            return Err(NoHeaders::NotIpv4);
        }
        let ip: Ipv4Words = packet.load(IP).ok_or(NoHeaders::Malformed)?;
        let length = packet.length();
        let header = u32::from(ip.version_length & 0x0f) * 4;
        let total = u32::from(u16::from_be(ip.total_length));
        // Above 64 KiB (BIG TCP) the field is 0, and the length of the frame applies.
        let fits = if total == 0 {
            length > 0xffff
        } else {
            header <= total && IP as u32 + total <= length
        };
        if ip.version_length >> 4 != 4 || header < Ipv4Hdr::LEN as u32 || !fits {
            return Err(NoHeaders::Malformed);
        }
        let end = (IP as u32 + header) as u8;
        if end == L4 as u8 && fold(ip.sum().raw()) != 0 {
            return Err(NoHeaders::BadChecksum);
        }
        let fragment = u16::from_be(ip.fragment);
        let mut headers = Self {
            source: Ip4::from_network(ip.source),
            destination: Ip4::from_network(ip.destination),
            source_port: Port::ZERO,
            destination_port: Port::ZERO,
            id: ip.id,
            l4: end,
            // A frame may be longer than its packet: short ones are padded.
            bytes: if total == 0 { length - IP as u32 } else { total },
            ip_checksum: ip.checksum,
            ttl: ip.ttl,
            tos: ip.tos,
            protocol: ip.protocol,
            kind: Kind::Other,
            first_fragment: fragment & FRAGMENT_BITS != 0,
            tcp_flags: 0,
            may_be_fragmented: fragment & DONT_FRAGMENT == 0 || fragment & FRAGMENT_BITS != 0,
        };
        if fragment & FRAGMENT_OFFSET != 0 {
            // Such a fragment would overwrite the flags of the first one (RFC 1858 section 4, RFC
            // 3128).
            if fragment & FRAGMENT_OFFSET == 1 && headers.protocol == IpProto::Tcp as u8 {
                return Err(NoHeaders::Malformed);
            }
            headers.kind = Kind::LaterFragment;
            headers.first_fragment = false;
            return Ok(headers);
        }
        // Nearly all packets have no IP options, so the offset is a constant and access is direct.
        let read = if headers.l4 == L4 as u8 {
            headers.read_transport(&Direct(packet))
        } else {
            headers.read_transport(&Shifted(packet, headers.l4 as usize - L4))
        };
        read.ok_or(NoHeaders::Malformed).map(|()| headers)
    }

    #[inline(always)]
    fn read_transport<R: TransportReader>(&mut self, packet: &R) -> Option<()> {
        const TCP: u8 = IpProto::Tcp as u8;
        const UDP: u8 = IpProto::Udp as u8;
        const UDP_LITE: u8 = IpProto::UdpLite as u8;
        const SCTP: u8 = IpProto::Sctp as u8;
        const ICMP: u8 = IpProto::Icmp as u8;
        match self.protocol {
            TCP => {
                self.read_ports(packet)?;
                // The flags are the second byte of the half-word before the window.
                let flags: u8 = packet.read(offset_of!(TcpHdr, window) - 1)?;
                self.tcp_flags = flags;
                self.kind = Kind::Tcp;
            }
            UDP | UDP_LITE => {
                self.read_ports(packet)?;
                let _: u16 = packet.read(offset_of!(UdpHdr, check))?;
                self.kind = Kind::Udp;
            }
            SCTP => {
                self.read_ports(packet)?;
                let _: u32 = packet.read(SCTP_HEADER - size_of::<u32>())?;
                self.kind = Kind::Sctp;
            }
            ICMP => {
                let kind: u8 = packet.read(offset_of!(Icmpv4Hdr, type_))?;
                let identifier = Port::from_network(packet.read(offset_of!(Icmpv4Hdr, data))?);
                self.kind = match kind {
                    icmp_type::ECHO | icmp_type::TIMESTAMP => {
                        self.source_port = identifier;
                        Kind::Query
                    }
                    icmp_type::ECHO_REPLY | icmp_type::TIMESTAMP_REPLY => {
                        self.destination_port = identifier;
                        Kind::QueryReply
                    }
                    icmp_type::UNREACHABLE
                    | icmp_type::TIME_EXCEEDED
                    | icmp_type::PARAMETER_PROBLEM => Kind::IcmpError,
                    _ => Kind::OtherIcmp,
                };
            }
            other => self.kind = Kind::of_protocol(other),
        }
        Some(())
    }

    #[inline(always)]
    fn read_ports<R: TransportReader>(&mut self, packet: &R) -> Option<()> {
        let ports: TransportWords = packet.read(0)?;
        self.source_port = Port::from_network(ports.first);
        self.destination_port = Port::from_network(ports.second);
        Some(())
    }

    /// Whether the packet is a fragment.
    #[inline(always)]
    pub(crate) const fn is_fragment(&self) -> bool {
        self.first_fragment || matches!(self.kind, Kind::LaterFragment)
    }

    /// Whether a first fragment is too short for the part of the transport header that translation
    /// needs (RFC 1858 section 4).
    #[inline(always)]
    pub(crate) const fn is_tiny(&self) -> bool {
        let needed = match self.kind {
            Kind::Tcp => 16,
            Kind::Sctp => SCTP_HEADER,
            Kind::Portless | Kind::Other | Kind::LaterFragment => 0,
            _ => 8,
        };
        self.end() < self.l4 as usize + needed
    }

    /// Offset of the first byte after the packet.
    #[inline(always)]
    pub(crate) const fn end(&self) -> usize {
        IP + self.bytes as usize
    }

    #[inline(always)]
    pub(crate) const fn has_options(&self) -> bool {
        self.l4 as usize != L4
    }

    /// Whether the fast path handles the packet, as nearly all packets. The entry programs handle
    /// no others, which keeps them small.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        let kind = self.kind;
        !self.has_options()
            && !self.first_fragment
            && (kind.is_query() || matches!(kind, Kind::Tcp | Kind::Udp))
    }

    /// The outside key of an outbound packet's flow, if `external` is its address and it keeps its
    /// port.
    #[inline(always)]
    pub const fn outbound_key(&self, external: Ip4) -> FlowKey {
        let Self { destination, destination_port, source_port, protocol, .. } = *self;
        FlowKey::new(destination, destination_port, external, source_port, protocol)
    }

    /// The key of an inbound packet's flow.
    #[inline(always)]
    pub const fn inbound_key(&self) -> FlowKey {
        let Self { source, source_port, destination, destination_port, protocol, .. } = *self;
        FlowKey::new(source, source_port, destination, destination_port, protocol)
    }

    /// The key of the datagram of a host socket that this packet may answer.
    #[inline(always)]
    pub(crate) const fn host_call_key(&self) -> HostCallKey {
        HostCallKey::new(self.source, self.source_port, self.destination_port, self.protocol)
    }

    /// An outbound packet's connection as its inside end sees it.
    #[inline(always)]
    pub const fn inside_key(&self) -> InsideKey {
        InsideKey::new(
            self.source,
            self.source_port,
            self.destination,
            self.destination_port,
            self.protocol,
        )
    }

    /// Whether it is a TCP packet that begins a connection.
    #[inline(always)]
    pub const fn is_syn(&self) -> bool {
        self.tcp_flags & (SYN | ACK | RST) == SYN
    }

    /// Whether it is a SYN-ACK or a RST, neither of which begins a connection.
    #[inline(always)]
    pub const fn begins_nothing(&self) -> bool {
        self.is_rst() || self.tcp_flags & (SYN | ACK) == SYN | ACK
    }

    #[inline(always)]
    pub const fn is_rst(&self) -> bool {
        self.tcp_flags & RST != 0
    }
}

/// The Ethernet destination of a frame.
#[inline(always)]
pub(crate) fn destination_mac<P: Packet>(packet: &P) -> Option<Mac> {
    packet.load(offset_of!(EthHdr, dst_addr))
}

/// The Ethernet source of a frame.
#[inline(always)]
pub(crate) fn source_mac<P: Packet>(packet: &P) -> Option<Mac> {
    packet.load(offset_of!(EthHdr, src_addr))
}

/// Whether a frame has this Ethernet source. It compares two words, because it runs for each
/// packet.
#[inline(always)]
pub(crate) fn is_from<P: Packet>(packet: &P, mac: &Mac) -> bool {
    const FIRST: usize = offset_of!(EthHdr, src_addr);
    const LAST: usize = FIRST + size_of::<u32>();
    let [a, b, c, d, e, f] = *mac;
    packet.load(FIRST) == Some(u32::from_ne_bytes([a, b, c, d]))
        && packet.load(LAST) == Some(u16::from_ne_bytes([e, f]))
}

/// Reads relative to the transport header.
trait TransportReader {
    fn read<T: Plain>(&self, offset: usize) -> Option<T>;
}

struct Direct<'a, P>(&'a P);

impl<P: Packet> TransportReader for Direct<'_, P> {
    #[inline(always)]
    fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        self.0.load(L4 + offset)
    }
}

/// Reads after this many bytes of IP options.
struct Shifted<'a, P>(&'a P, usize);

impl<P: Packet> TransportReader for Shifted<'_, P> {
    #[inline(always)]
    fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        self.0.load_at(L4 + self.1 + offset)
    }
}

/// Whether a packet is a SYN or SYN-ACK. Packets with IP options count as neither.
#[inline(always)]
pub fn is_tcp_opening<P: Packet>(packet: &P) -> bool {
    const IPV4_WITHOUT_OPTIONS: u8 = 0x45;
    const FLAGS: usize = L4 + offset_of!(TcpHdr, window) - 1;
    packet.load(IP) == Some(IPV4_WITHOUT_OPTIONS)
        && packet.load(IP + offset_of!(Ipv4Hdr, proto)) == Some(IpProto::Tcp as u8)
        && packet.load::<u8>(FLAGS).is_some_and(|flags| flags & SYN != 0)
}
