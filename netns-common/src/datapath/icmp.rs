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
    Exit, Outcome, Verdict,
    checksum::Diff,
    crc32c,
    head::{SCTP_CHECKSUM, icmp_type},
    parked::{ParkedExit, forget_ways},
    passage::{Passage, Scratch},
    rewrite,
    stages::go_on,
    state::is_expired,
    traits::{Packet, Tables},
};
use crate::abi::{
    DropReason, Flow, FlowKey, FlowKind, InsideKey, Ip4, Limited, Mac, NO_RULE, Port, Protocol,
    RuleId, Stage, Tick,
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
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    pub(super) source: Ip4,
    destination: Ip4,
    pub(super) source_port: Port,
    destination_port: Port,
    /// Offset of its IPv4 header.
    ip: u16,
    /// Length of that header in words of four bytes.
    words: u8,
    protocol: u8,
}

/// What an error is to bear after translation, outside and in the quotation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation {
    pub(super) source: Ip4,
    pub(super) destination: Ip4,
    pub(super) quoted_source: Ip4,
    pub(super) quoted_destination: Ip4,
    pub(super) quoted_source_port: Port,
    pub(super) quoted_destination_port: Port,
}

/// How an error is to be translated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedError {
    quote: Quote,
    to: Translation,
    exit: ParkedExit,
    mac: Mac,
    has_mac: bool,
    rule: RuleId,
}

impl ParkedError {
    pub(super) const NONE: Self = Self {
        quote: Quote {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            source_port: Port::ZERO,
            destination_port: Port::ZERO,
            ip: 0,
            words: 0,
            protocol: 0,
        },
        to: Translation {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            quoted_source: Ip4::UNSPECIFIED,
            quoted_destination: Ip4::UNSPECIFIED,
            quoted_source_port: Port::ZERO,
            quoted_destination_port: Port::ZERO,
        },
        exit: ParkedExit::NONE,
        mac: [0; 6],
        has_mac: false,
        rule: NO_RULE,
    };
}

impl Quote {
    /// What the packet, which is an error, quotes; `None` where it is too little, or no packet.
    #[inline(always)]
    pub(super) fn of<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Self> {
        let head = passage.head;
        if head.first_fragment {
            return None;
        }
        let ip = head.l4 as usize + Icmpv4Hdr::LEN;
        passage.notes.error.quote = Self::read(passage.packet, ip, head.end())?;
        Some(forget_ways(&passage.notes.error.quote))
    }

    /// Offset of its IPv4 header.
    #[inline(always)]
    const fn ip(&self) -> usize {
        self.ip as usize
    }

    /// Length of that header, in bytes.
    #[inline(always)]
    const fn header(&self) -> usize {
        (self.words & 0x0f) as usize * 4
    }

    /// Offset of its transport header.
    #[inline(always)]
    const fn l4(&self) -> usize {
        self.ip() + self.header()
    }

    /// `end` is where the packet ends: the frame may be longer.
    #[inline(always)]
    fn read<P: Packet>(packet: &P, ip: usize, end: usize) -> Option<Self> {
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
            // Flows of protocols without ports have none in their keys.
            _ => {}
        }
        Some(quote)
    }
}

/// An error that came in by an uplink: to the inside end of the flow it is about, or to the
/// host if it is about none.
#[inline(always)]
pub(super) fn inbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    const PASS: Outcome = Outcome::Decided(Verdict::Pass);
    let head = passage.head;
    let tables = passage.tables;
    let Some(quote) = Quote::of(passage) else { return PASS };
    // The quoted packet went out: its source is the flow's external end.
    let key =
        FlowKey::new(quote.destination, quote.destination_port, quote.source_port, quote.protocol);
    let Some(flow) = tables.flow(&key) else { return PASS };
    let is_its_own = flow.external == quote.source
        && flow.external == head.destination
        && flow.egress != 0
        && flow.kind != FlowKind::Host as u8;
    if !is_its_own || is_over(passage, &quote, &flow) {
        return PASS;
    }
    let (exit, mac) = passage.way_in(flow.cable, flow.inside_mac);
    if head.ttl <= 1 && exit.skips_stack() {
        return Outcome::Decided(passage.drop(DropReason::TtlExceeded));
    }
    if let Some(reason) = fault(passage, &quote) {
        return Outcome::Decided(passage.drop(reason));
    }
    // Anybody may send these, and they slow a connection down: not faster than any path
    // changes.
    if is_too_big(passage) && !tables.take_allowance(Limited::FragmentationNeededIn, passage.now) {
        return Outcome::Decided(passage.drop(DropReason::IcmpRateLimit));
    }
    let to = Translation {
        source: head.source,
        destination: flow.inside,
        quoted_source: flow.inside,
        quoted_destination: quote.destination,
        quoted_source_port: flow.inside_port,
        quoted_destination_port: quote.destination_port,
    };
    finish(passage, to, mac, exit, flow.rule)
}

/// An error that a namespace sends about a packet which reached it through the NAT, or to
/// the host about one of the host's own.
#[inline(always)]
pub(super) fn outbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    if let Some(outcome) = translate_outbound(passage) {
        return outcome;
    }
    Outcome::Decided(if passage.notes.is_for_host {
        Verdict::Pass
    } else if passage.head.first_fragment {
        passage.drop(DropReason::Fragment)
    } else {
        passage.drop(DropReason::UnrelatedIcmp)
    })
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
fn translate_outbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Outcome> {
    let head = passage.head;
    let tables = passage.tables;
    let quote = Quote::of(passage)?;
    let link = passage.packet.link();
    let (key, flow) = about(passage, &quote, |flow| flow.cable == link)?;
    if head.ttl <= 1 {
        return Some(Outcome::Decided(passage.drop(DropReason::TtlExceeded)));
    }
    if let Some(reason) = fault(passage, &quote) {
        return Some(Outcome::Decided(passage.drop(reason)));
    }
    let mut to = Translation {
        source: flow.external,
        destination: head.destination,
        quoted_source: quote.source,
        quoted_destination: flow.external,
        quoted_source_port: quote.source_port,
        quoted_destination_port: key.external_port,
    };
    if flow.egress != 0 {
        let exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
        return Some(finish(passage, to, None, exit, flow.rule));
    }
    // The other end is a namespace too: on to it by its own record (REQ-7).
    let other_key =
        FlowKey::new(flow.external, key.external_port, quote.source_port, quote.protocol);
    let other = tables.flow(&other_key)?;
    to.destination = other.inside;
    to.quoted_source = other.inside;
    to.quoted_source_port = other.inside_port;
    let exit = Exit::Peer { cable: other.cable };
    Some(finish(passage, to, Some(other.inside_mac), exit, flow.rule))
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
    passage.packet.sum(quote.ip(), quote.header()) == RIGHT
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

/// Leaves it to a stage to translate the error whose quotation was read last: the ways to the
/// decision are many, and the rewriting has as many, each of which the verifier follows.
#[inline(always)]
pub(super) fn finish<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    to: Translation,
    mac: Option<Mac>,
    exit: Exit,
    rule: RuleId,
) -> Outcome {
    let error = &mut passage.notes.error;
    error.to = to;
    error.exit = ParkedExit::park(exit);
    error.mac = mac.unwrap_or_default();
    error.has_mac = mac.is_some();
    error.rule = rule;
    Outcome::Continue(Stage::Requote)
}

/// [`Stage::Requote`].
#[inline(always)]
pub fn requote<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let ParkedError { quote, to, exit, mac, has_mac, rule } = passage.notes.error;
        passage.tables.count_rule(rule, false, passage.head.bytes);
        let mac = has_mac.then_some(mac);
        Outcome::Decided(match apply(passage, &quote, &to, mac, exit.skips_stack()) {
            Some(()) => Verdict::Redirect(forget_ways(&passage.notes.error.exit).exit()),
            None => passage.drop(DropReason::RewriteFailed),
        })
    })
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
    let field = quote.l4() + SCTP_CHECKSUM;
    let total: u16 = packet.load_at(quote.ip() + offset_of!(Ipv4Hdr, tot_len))?;
    let fragment: u16 = packet.load_at(quote.ip() + offset_of!(Ipv4Hdr, frags))?;
    let length = (quote.ip() + usize::from(u16::from_be(total))).saturating_sub(quote.l4());
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
    mac: Option<Mac>,
    is_hop: bool,
) -> Option<()> {
    let head = passage.head;
    let id = passage.id_behind(to.source);
    let packet = &mut *passage.packet;
    rewrite::network(packet, head, to.source, to.destination, id, mac, is_hop)?;

    let addresses = Diff::NONE
        .word(quote.source.to_network(), to.quoted_source.to_network())
        .word(quote.destination.to_network(), to.quoted_destination.to_network());
    let ports = |diff: Diff| {
        diff.half(quote.source_port.to_network(), to.quoted_source_port.to_network())
            .half(quote.destination_port.to_network(), to.quoted_destination_port.to_network())
    };
    let mut edits = ports(addresses);

    let source = quote.ip() + offset_of!(Ipv4Hdr, src_addr);
    packet.store_at(source, to.quoted_source.to_network())?;
    packet.store_at(source + size_of::<Ip4>(), to.quoted_destination.to_network())?;
    let field = quote.ip() + offset_of!(Ipv4Hdr, check);
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
            packet.store_at(quote.l4() + offset_of!(Icmpv4Hdr, data), identifier.to_network())?;
            // Of a message that is all zero the checksum is 0xffff, which no edit would leave alone.
            let is_kept = quote.source_port == to.quoted_source_port
                && quote.destination_port == to.quoted_destination_port;
            ((!is_kept).then_some(offset_of!(Icmpv4Hdr, check)), ports(Diff::NONE))
        }
        protocol @ (TCP | UDP | UDP_LITE | SCTP) => {
            packet.store_at(quote.l4(), to.quoted_source_port.to_network())?;
            packet.store_at(quote.l4() + 2, to.quoted_destination_port.to_network())?;
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
        && quote.l4() + checksum + size_of::<u16>() <= head.end()
        && let Some(old) = packet.load_at::<u16>(quote.l4() + checksum)
        && !(is_udp && old == 0)
    {
        let new = match change.apply(old) {
            0 if is_udp => 0xffff,
            new => new,
        };
        packet.store_at(quote.l4() + checksum, new)?;
        edits = edits.half(old, new);
    }
    packet.update_l4_checksum(
        head.l4 as usize + offset_of!(Icmpv4Hdr, check),
        edits.raw(),
        false,
        false,
    )
}
