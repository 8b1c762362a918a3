//! ICMP errors about translated connections (RFC 5508 section 4).
//!
//! An error quotes the packet it is about as it was seen where the error arose, so the
//! quotation is translated back along with the outer header. Errors neither refresh nor end
//! a flow (REQ-6). What is quoted may be as short as eight bytes of the transport header.

use core::mem::offset_of;

use network_types::{
    icmp::Icmpv4Hdr,
    ip::{IpProto, Ipv4Hdr},
    tcp::TcpHdr,
    udp::UdpHdr,
};

use super::{
    Exit, Verdict,
    checksum::Diff,
    crc32c,
    head::{SCTP_CHECKSUM, icmp_type},
    passage::Passage,
    rewrite,
    state::is_expired,
    traits::{Packet, Tables},
};
use crate::abi::{
    DropReason, Flow, FlowKey, FlowKind, InsideKey, Ip4, Limited, Mac, Port, Protocol,
};

const TCP: u8 = Protocol::Tcp as u8;
const UDP: u8 = Protocol::Udp as u8;
const ICMP: u8 = Protocol::Icmp as u8;
const UDP_LITE: u8 = IpProto::UdpLite as u8;
const SCTP: u8 = IpProto::Sctp as u8;

/// The bit of a fragment that others follow (RFC 791).
const MORE_FRAGMENTS: u16 = 0x2000;

/// The code of an unreachable destination: fragmentation needed, and forbidden.
const FRAGMENTATION_NEEDED: u8 = 4;

/// Offset of the next hop's MTU in an ICMP header (RFC 1191 section 4).
const NEXT_HOP_MTU: usize = 6;

/// No link that carries IPv4 carries less than this (RFC 791 section 3.2).
const LEAST_MTU: u16 = 68;

/// Bytes of the quoted transport header that every error holds (RFC 792).
const QUOTED: usize = 8;

/// The packet that an error quotes. Identifiers of echoes stand in the ports as in
/// [`super::Head`].
#[derive(Clone, Copy)]
pub(super) struct Quote {
    pub(super) source: Ip4,
    destination: Ip4,
    pub(super) source_port: Port,
    destination_port: Port,
    /// Offset of its IPv4 header.
    ip: usize,
    /// Offset of its transport header.
    l4: usize,
    protocol: u8,
}

/// What an error is to bear after translation, outside and in the quotation.
pub(super) struct Translation {
    pub(super) source: Ip4,
    pub(super) destination: Ip4,
    pub(super) quoted_source: Ip4,
    pub(super) quoted_source_port: Port,
    pub(super) quoted_destination: Ip4,
    pub(super) quoted_destination_port: Port,
    pub(super) mac: Option<Mac>,
}

impl Quote {
    /// `end` is where the packet ends: the frame may be longer.
    #[inline(always)]
    pub(super) fn read<P: Packet>(packet: &P, ip: usize, end: usize) -> Option<Self> {
        let version_length: u8 = packet.load_at(ip)?;
        let header = usize::from(version_length & 0x0f) * 4;
        if version_length >> 4 != 4 || header < Ipv4Hdr::LEN {
            return None;
        }
        let fragment: u16 = packet.load_at(ip + offset_of!(Ipv4Hdr, frags))?;
        // Only a first fragment has the ports.
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
            ip,
            l4,
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
            // Flows of protocols without ports have none in their keys.
            _ => {}
        }
        Some(quote)
    }
}

/// An error that came in by an uplink: to the inside end of the flow it is about, or to the
/// host if it is about none.
#[inline(always)]
pub(super) fn inbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Verdict {
    let head = passage.head;
    let tables = passage.tables;
    if head.first_fragment {
        return Verdict::Pass;
    }
    let Some(quote) = Quote::read(passage.packet, head.l4 as usize + Icmpv4Hdr::LEN, head.end())
    else {
        return Verdict::Pass;
    };
    // The quoted packet went out: its source is the flow's external end.
    let key =
        FlowKey::new(quote.destination, quote.destination_port, quote.source_port, quote.protocol);
    let Some(flow) = tables.flow(&key) else { return Verdict::Pass };
    let is_its_own = flow.external == quote.source
        && flow.external == head.destination
        && flow.egress != 0
        && flow.kind != FlowKind::Host as u8;
    if !is_its_own || is_over(passage, &quote, &flow) {
        return Verdict::Pass;
    }
    let (exit, mac) = passage.way_in(flow.cable, flow.inside_mac);
    if head.ttl <= 1 && exit.skips_stack() {
        return passage.drop(DropReason::TtlExceeded);
    }
    if let Some(reason) = fault(passage, &quote) {
        return passage.drop(reason);
    }
    // Anybody may send these, and they slow a connection down: not faster than any path
    // changes.
    if is_too_big(passage) && !tables.take_allowance(Limited::FragmentationNeededIn, passage.now) {
        return passage.drop(DropReason::IcmpRateLimit);
    }
    let to = Translation {
        source: head.source,
        destination: flow.inside,
        quoted_source: flow.inside,
        quoted_source_port: flow.inside_port,
        quoted_destination: quote.destination,
        quoted_destination_port: quote.destination_port,
        mac,
    };
    finish(passage, &quote, &to, exit, flow.rule)
}

/// An error that a namespace sends about a packet which reached it through the NAT, or to
/// the host about one of the host's own.
#[inline(always)]
pub(super) fn outbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Verdict {
    match translate_outbound(passage) {
        Some(verdict) => verdict,
        None if passage.notes.is_for_host => Verdict::Pass,
        None if passage.head.first_fragment => passage.drop(DropReason::Fragment),
        None => passage.drop(DropReason::UnrelatedIcmp),
    }
}

/// The flow of a quoted packet that had come in: its destination is the flow's inside end.
/// `may_tell`: whether the sender of the error may tell about such a flow.
#[inline(always)]
pub(super) fn about<'a, P: Packet, T: Tables>(
    passage: &Passage<'a, P, T>,
    quote: &Quote,
    may_tell: impl Fn(&Flow) -> bool,
) -> Option<(FlowKey, T::FlowRef<'a>)> {
    let tables = passage.tables;
    let is_its_own = |flow: &Flow| {
        flow.inside == quote.destination
            && flow.inside_port == quote.destination_port
            && may_tell(flow)
            && passage.head.destination == quote.source
    };
    let mut key =
        FlowKey::new(quote.source, quote.source_port, quote.destination_port, quote.protocol);
    // As for packets: the record under the end's own port comes first, unless it is over.
    let is_current = |flow: &Flow| is_its_own(flow) && !is_over(passage, quote, flow);
    if !tables.flow(&key).is_some_and(|flow| is_current(&flow)) {
        let inside = InsideKey::new(
            quote.destination,
            quote.destination_port,
            quote.source,
            quote.source_port,
            quote.protocol,
        );
        key.external_port = tables.moved_port(&inside)?.external_port;
    }
    let flow = tables.flow(&key)?;
    is_current(&flow).then_some((key, flow))
}

/// `None` if the error is about no flow.
#[inline(always)]
fn translate_outbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    if head.first_fragment {
        return None;
    }
    let quote = Quote::read(passage.packet, head.l4 as usize + Icmpv4Hdr::LEN, head.end())?;
    let link = passage.packet.link();
    let (key, flow) = about(passage, &quote, |flow| flow.cable == link)?;
    if head.ttl <= 1 {
        return Some(passage.drop(DropReason::TtlExceeded));
    }
    if let Some(reason) = fault(passage, &quote) {
        return Some(passage.drop(reason));
    }
    let mut to = Translation {
        source: flow.external,
        destination: head.destination,
        quoted_source: quote.source,
        quoted_source_port: quote.source_port,
        quoted_destination: flow.external,
        quoted_destination_port: key.external_port,
        mac: None,
    };
    let mut exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
    if flow.egress == 0 {
        // The other end is a namespace too: on to it by its own record (REQ-7).
        let other_key =
            FlowKey::new(flow.external, key.external_port, quote.source_port, quote.protocol);
        let other = tables.flow(&other_key)?;
        to.destination = other.inside;
        to.quoted_source = other.inside;
        to.quoted_source_port = other.inside_port;
        to.mac = Some(other.inside_mac);
        exit = Exit::Peer { cable: other.cable };
    }
    Some(finish(passage, &quote, &to, exit, flow.rule))
}

/// Why an error about a known flow must not be translated.
#[inline(always)]
pub(super) fn fault<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    quote: &Quote,
) -> Option<DropReason> {
    if !has_right_checksums(passage, quote) {
        return Some(DropReason::BadIcmpChecksum);
    }
    if is_too_big(passage) && !has_possible_mtu(passage) {
        return Some(DropReason::ForgedTooBig);
    }
    None
}

/// Whether the checksums of the message and of the quoted IPv4 header are right (RFC 5508
/// REQ-3). That of the quoted transport header covers what is not quoted.
#[inline(always)]
fn has_right_checksums<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, quote: &Quote) -> bool {
    const RIGHT: Option<u16> = Some(0xffff);
    let message = passage.head.l4 as usize;
    let length = passage.head.end() - message;
    passage.packet.sum(quote.ip, quote.l4 - quote.ip) == RIGHT
        && passage.packet.sum(message, length) == RIGHT
}

/// Whether the error says that its packet needed fragmentation.
#[inline(always)]
fn is_too_big<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let type_and_code: Option<[u8; 2]> = passage.packet.load_at(passage.head.l4 as usize);
    type_and_code == Some([icmp_type::UNREACHABLE, FRAGMENTATION_NEEDED])
}

/// Whether such an error names a size that a link may have. Routers from before RFC 1191
/// name none, which is 0.
#[inline(always)]
fn has_possible_mtu<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let mtu: Option<u16> = passage.packet.load_at(passage.head.l4 as usize + NEXT_HOP_MTU);
    mtu.map(u16::from_be).is_some_and(|mtu| mtu == 0 || mtu >= LEAST_MTU)
}

/// Whether the flow of the quoted packet is expired: its record counts as free.
#[inline(always)]
fn is_over<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, quote: &Quote, flow: &Flow) -> bool {
    is_expired(flow, quote.protocol, &passage.settings.timeouts, passage.now)
}

#[inline(always)]
pub(super) fn finish<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    quote: &Quote,
    to: &Translation,
    exit: Exit,
    rule: u16,
) -> Verdict {
    passage.tables.count_rule(rule, false, passage.head.bytes);
    match apply(passage, quote, to, exit.skips_stack()) {
        Some(()) => Verdict::Redirect(exit),
        None => passage.drop(DropReason::RewriteFailed),
    }
}

/// Corrects the checksum of a quoted SCTP packet, if it is quoted, and returns the edits of
/// the message with this one. A fragment does not tell how long its packet was.
#[inline(always)]
fn sctp_checksum<P: Packet>(
    packet: &mut P,
    quote: &Quote,
    to: &Translation,
    end: usize,
    edits: Diff,
) -> Option<Diff> {
    let field = quote.l4 + SCTP_CHECKSUM;
    let total: u16 = packet.load_at(quote.ip + offset_of!(Ipv4Hdr, tot_len))?;
    let fragment: u16 = packet.load_at(quote.ip + offset_of!(Ipv4Hdr, frags))?;
    let length = (quote.ip + usize::from(u16::from_be(total))).saturating_sub(quote.l4);
    if field + size_of::<u32>() > end
        || length < SCTP_CHECKSUM + size_of::<u32>()
        || u16::from_be(fragment) & MORE_FRAGMENTS != 0
    {
        return Some(edits);
    }
    let old: u32 = packet.load_at(field)?;
    let before = rewrite::ports(quote.source_port, quote.destination_port);
    let after = rewrite::ports(to.quoted_source_port, to.quoted_destination_port);
    let new = crc32c::update(u32::from_le(old), before, after, length as u32).to_le();
    packet.store_at(field, new)?;
    Some(edits.word(old, new))
}

/// Rewrites the outer header and the quotation; the ICMP checksum absorbs every edit.
#[inline(always)]
fn apply<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    quote: &Quote,
    to: &Translation,
    is_hop: bool,
) -> Option<()> {
    let head = passage.head;
    let id = passage.id_behind(to.source);
    let packet = &mut *passage.packet;
    rewrite::network(packet, head, to.source, to.destination, id, to.mac, is_hop)?;

    let addresses = Diff::NONE
        .word(quote.source.to_network(), to.quoted_source.to_network())
        .word(quote.destination.to_network(), to.quoted_destination.to_network());
    let ports = |diff: Diff| {
        diff.half(quote.source_port.to_network(), to.quoted_source_port.to_network())
            .half(quote.destination_port.to_network(), to.quoted_destination_port.to_network())
    };
    let mut edits = ports(addresses);

    let source = quote.ip + offset_of!(Ipv4Hdr, src_addr);
    packet.store_at(source, to.quoted_source.to_network())?;
    packet.store_at(source + size_of::<Ip4>(), to.quoted_destination.to_network())?;
    let field = quote.ip + offset_of!(Ipv4Hdr, check);
    let old: u16 = packet.load_at(field)?;
    let new = addresses.apply(old);
    packet.store_at(field, new)?;
    edits = edits.half(old, new);

    let (checksum, change) = match quote.protocol {
        ICMP => {
            let identifier = if quote.source_port == Port::ZERO {
                to.quoted_destination_port
            } else {
                to.quoted_source_port
            };
            packet.store_at(quote.l4 + offset_of!(Icmpv4Hdr, data), identifier.to_network())?;
            // Of a message that is all zero the checksum is 0xffff, which no edit would leave alone.
            let is_kept = quote.source_port == to.quoted_source_port
                && quote.destination_port == to.quoted_destination_port;
            ((!is_kept).then_some(offset_of!(Icmpv4Hdr, check)), ports(Diff::NONE))
        }
        protocol @ (TCP | UDP | UDP_LITE | SCTP) => {
            packet.store_at(quote.l4, to.quoted_source_port.to_network())?;
            packet.store_at(quote.l4 + 2, to.quoted_destination_port.to_network())?;
            let field = match protocol {
                TCP => Some(offset_of!(TcpHdr, check)),
                SCTP => {
                    edits = sctp_checksum(packet, quote, to, head.end(), edits)?;
                    None
                }
                _ => Some(offset_of!(UdpHdr, check)),
            };
            (field, ports(addresses))
        }
        _ => (None, Diff::NONE),
    };
    // Eight quoted bytes hold no TCP checksum; a UDP checksum of 0 means none.
    let is_udp = matches!(quote.protocol, UDP | UDP_LITE);
    if let Some(checksum) = checksum
        && quote.l4 + checksum + size_of::<u16>() <= head.end()
        && let Some(old) = packet.load_at::<u16>(quote.l4 + checksum)
        && !(is_udp && old == 0)
    {
        let new = match change.apply(old) {
            0 if is_udp => 0xffff,
            new => new,
        };
        packet.store_at(quote.l4 + checksum, new)?;
        edits = edits.half(old, new);
    }
    packet.update_l4_checksum(
        head.l4 as usize + offset_of!(Icmpv4Hdr, check),
        edits.raw(),
        false,
        false,
    )
}
