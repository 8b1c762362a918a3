//! ICMP errors about translated connections (RFC 5508 section 4).
//!
//! An error quotes the packet it is about as it was seen where the error arose, so the
//! quotation is translated back along with the outer header. Errors neither refresh nor end
//! a flow (REQ-6). What is quoted may be as short as eight bytes of the transport header.

use super::{
    Exit, Outcome, Verdict,
    hairpin::other_end,
    passage::Passage,
    quote::Quote,
    requote::{Translation, finish},
    state::is_expired,
    traits::{FlowRef, Packet, Tables},
    words::icmp_type,
};
use crate::abi::{DropReason, FlowHead, FlowKey, FlowKind, InsideKey, Limited};

/// The code of an unreachable destination: fragmentation needed, and forbidden.
const FRAGMENTATION_NEEDED: u8 = 4;

/// Offset of the next hop's MTU in an ICMP header (RFC 1191 section 4).
const NEXT_HOP_MTU: usize = 6;

/// No link that carries IPv4 carries less than this (RFC 791 section 3.2).
const LEAST_MTU: u16 = 68;

/// An error that came in by an uplink: to the inside end of the flow it is about, or to the
/// host if it is about none.
#[inline(always)]
pub(super) fn inbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    const PASS: Outcome = Outcome::Decided(Verdict::Pass);
    let head = passage.head;
    let tables = passage.tables;
    let Some(quote) = Quote::of(passage) else { return PASS };
    // The quoted packet went out: its source is the flow's external end.
    let (remote, remote_port) = (quote.destination, quote.destination_port);
    let key = FlowKey::new(remote, remote_port, quote.source, quote.source_port, quote.protocol);
    let Some(flow) = tables.flow(&key) else { return PASS };
    let is_translated = match FlowKind::from_number(flow.kind) {
        FlowKind::Host => false,
        FlowKind::OtherNat => flow.is_moved(),
        _ => flow.egress != 0,
    };
    let is_its_own = is_translated && quote.source == head.destination;
    if !is_its_own || is_expired(&flow, passage.settings, passage.now) {
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
        quoted_destination_port: flow.seen_port,
    };
    if !flow.was_of(&key) {
        return PASS;
    }
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
    may_tell: impl Fn(&FlowHead) -> bool,
) -> Option<T::FlowRef<'a>> {
    let tables = passage.tables;
    let (inside, inside_port) = (quote.destination, quote.destination_port);
    let key = InsideKey::new(inside, inside_port, quote.source, quote.source_port, quote.protocol);
    let is_current = |flow: &FlowHead| {
        may_tell(flow)
            && passage.head.destination == quote.source
            && !is_expired(flow, passage.settings, passage.now)
    };
    // As for packets: the record under the end's own ports comes first, unless it is over.
    if let Some(flow) = tables.kept_flow(&key)
        && is_current(&flow)
    {
        return Some(flow);
    }
    tables.moved_flow(&key).filter(|flow| is_current(flow))
}

/// `None` if the error is about no flow.
#[inline(always)]
fn translate_outbound<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Outcome> {
    let head = passage.head;
    let tables = passage.tables;
    let quote = Quote::of(passage)?;
    let link = passage.packet.link();
    let flow = about(passage, &quote, |flow| flow.cable == link)?;
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
        quoted_source_port: flow.remote_port,
        quoted_destination_port: flow.external_port,
    };
    if flow.egress != 0 {
        let exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
        return Some(finish(passage, to, None, exit, flow.rule));
    }
    // The other end is a namespace too: on to it by its own record (REQ-7).
    let other_key = other_end(&flow);
    let other = tables.flow(&other_key)?;
    to.destination = other.inside;
    to.quoted_source = other.inside;
    to.quoted_source_port = other.inside_port;
    to.quoted_destination_port = other.seen_port;
    let exit = Exit::Peer { cable: other.cable };
    let mac = other.inside_mac;
    if !other.was_of(&other_key) {
        return None;
    }
    Some(finish(passage, to, Some(mac), exit, flow.rule))
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
