//! tcx egress of an uplink: translating what the kernel's stack forwarded.
//!
//! The stack has routed the packet, counted its time to live down and cut it to size. So it is
//! rewritten where it is, and goes on. What cannot be translated is dropped: nothing leaves
//! with an inside source, nor does an error that quotes an inside address.

use core::mem::offset_of;

use network_types::{icmp::Icmpv4Hdr, ip::Ipv4Hdr};

use super::{
    Exit, Outcome, Verdict, clamp,
    departure::leave,
    fragments,
    head::{Head, Kind},
    hop::{Route, RouteOutcome, RouteQuery},
    icmp::{self, about},
    inside::{first_external, is_inside},
    notes::Scratch,
    passage::{ANY, PLAIN, Passage},
    quote::Quote,
    requote,
    reroute::{REROUTE, follow, forget_stale, query_of},
    rewrite::Translation,
    source::address_fault,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, Packet, Tables},
};
use crate::abi::{DropReason, FlowKind, Ip4, Settings, Stage, Tick};

/// The bits of the type of service without those of congestion notification (RFC 2474, RFC 3168).
const DSCP: u8 = 0xfc;

/// A packet with an inside source that is about to leave.
#[inline(always)]
pub(super) fn translate<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    scratch: &mut Scratch,
    head: &Head,
    now: Tick,
) -> Outcome {
    let Scratch { head: parked, notes } = scratch;
    let mut passage = Passage::new(packet, tables, settings, head, notes, now);
    if is_quick(head)
        && let Some(flow) = tables.kept_flow(&head.inside_key())
        && let Some(verdict) = carry::<_, _, _, PLAIN>(&mut passage, &flow)
    {
        let outcome = clamp::go_on(&mut passage, verdict);
        if let Outcome::Continue(_) = outcome {
            *parked = *head;
        }
        return outcome;
    }
    *parked = *head;
    Outcome::Continue(Stage::EgressMoved)
}

/// Whether a packet is as nearly all are, so that the first program carries it.
#[inline(always)]
const fn is_quick(head: &Head) -> bool {
    head.is_plain() && !head.may_be_fragmented
}

/// [`Stage::EgressMoved`].
#[inline(always)]
pub fn egress_moved<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        passage.notes.eviction.is_done = false;
        let head = passage.head;
        if let Some(verdict) = fragments::resume_leaving(passage) {
            return Outcome::Decided(verdict);
        }
        if !head.kind.is_flow() {
            return Outcome::Continue(Stage::EgressBegin);
        }
        match carry_kept(passage).or_else(|| carry_moved(passage)) {
            Some(verdict) => passage.go_on(verdict),
            None => Outcome::Continue(Stage::EgressBegin),
        }
    })
}

/// [`Stage::EgressBegin`].
#[inline(always)]
pub fn egress_begin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        forget_stale(passage);
        begin(passage)
    })
}

/// [`Stage::EgressError`].
#[inline(always)]
pub fn egress_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, forwarded_error)
}

/// [`Stage::OwnError`].
#[inline(always)]
pub fn own_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, own)
}

/// Carries a packet of a known flow, which was found as the inside calls it; `None` if the record
/// is not this packet's. Whether its sender may have that address was checked at its cable.
#[inline(always)]
fn carry<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let begun_inside = !FlowKind::is_begun_outside(flow.kind);
    if flow.egress == 0 || passage.is_over(flow, begun_inside) {
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(flow, Direction::Out) {
        return None;
    }
    let link = passage.packet.link();
    // The stack may route packets of another type of service another way: the connection keeps the
    // address that it began with.
    let is_as_first = (head.tos ^ flow.tos) & DSCP == 0;
    let is_due = flow.egress != link || passage.now / REROUTE != flow.last_seen / REROUTE;
    if is_as_first && is_due {
        // The stack has routed it: only the source address and the next hop are asked for.
        let route = way_out(passage, &query_of(passage, flow));
        if route.outcome == RouteOutcome::Forward {
            follow(passage, flow, &route);
        }
        if passage.notes.is_stale {
            return None;
        }
    }
    passage.touch::<_, WHICH>(flow, Direction::Out);
    let to = Translation {
        source: flow.external,
        source_port: flow.external_port,
        destination: head.destination,
        destination_port: flow.remote_port,
        mac: None,
    };
    Some(passage.translate_as::<WHICH>(&to, Exit::Onward, flow.rule))
}

/// Carries a packet of a flow that kept its ports.
#[inline(always)]
fn carry_kept<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let flow = passage.tables.kept_flow(&passage.head.inside_key())?;
    carry::<_, _, _, ANY>(passage, &flow)
}

/// Carries a packet of a flow that could not keep its ports.
#[inline(always)]
fn carry_moved<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let flow = passage.tables.moved_flow(&passage.head.inside_key())?;
    carry::<_, _, _, ANY>(passage, &flow)
}

/// A packet of no flow.
#[inline(always)]
fn begin<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    if tables.is_host_address(head.source) {
        return Outcome::Decided(passage.drop(DropReason::Leak));
    }
    if let Some(reason) = address_fault(head) {
        return Outcome::Decided(passage.drop(reason));
    }
    // Nobody could answer from a group's address, and what is for one is not translated.
    if head.destination.is_multicast_or_broadcast() {
        return Outcome::Decided(passage.drop(DropReason::Leak));
    }
    if is_inside(passage.settings, head.destination) {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    }
    // The stack sends the first one first.
    if head.kind == Kind::LaterFragment {
        return Outcome::Decided(passage.drop(DropReason::Fragment));
    }
    // Without one it is behind a namespace that routes: the stack knows the way back.
    let end = tables.endpoint(head.source).unwrap_or_default();
    if head.kind == Kind::IcmpError {
        return Outcome::Continue(Stage::EgressError);
    }
    let route = way_out(passage, &RouteQuery::of(head, passage.packet.mark()));
    if route.outcome != RouteOutcome::Forward {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    }
    leave(passage, &route, end, Exit::Onward)
}

/// The route out of the link that the stack has chosen. If the kernel does not give it when it is
/// asked here, as one of a table that a rule for an interface leads to, the packet leaves all the
/// same, with the link's first address; not if it is for the router itself.
#[inline(always)]
fn way_out<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, query: &RouteQuery) -> Route {
    let Passage { tables, settings, head, .. } = *passage;
    let link = passage.packet.link();
    let route = tables.route_by(query, link);
    let is_routers =
        tables.is_host_address(head.destination) || tables.is_broadcast_address(head.destination);
    if route.outcome == RouteOutcome::Forward || is_routers {
        return route;
    }
    Route {
        outcome: RouteOutcome::Forward,
        egress: link,
        next_hop: head.destination,
        source: first_external(settings, link),
    }
}

/// An ICMP error of a namespace (RFC 5508 REQ-5).
#[inline(always)]
fn forwarded_error<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let cable = passage.tables.endpoint(passage.head.source).unwrap_or_default().cable;
    let translated = Quote::of(passage).and_then(|quote| {
        let flow = about(passage, &quote, |flow| flow.cable == cable)?;
        if let Some(reason) = icmp::fault(passage, &quote) {
            return Some(Outcome::Decided(passage.drop(reason)));
        }
        let source = flow.external;
        tell(passage, &quote, &flow, source)
    });
    let is_fragment = passage.head.first_fragment;
    let reason = if is_fragment { DropReason::Fragment } else { DropReason::UnrelatedIcmp };
    translated.unwrap_or_else(|| Outcome::Decided(passage.drop(reason)))
}

/// An ICMP error that the stack makes about a packet which had been translated before: it
/// quotes what the stack saw.
#[inline(always)]
fn own<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let translated = Quote::of(passage).and_then(|quote| {
        let flow = about(passage, &quote, |_| true)?;
        tell(passage, &quote, &flow, head.source)
    });
    if let Some(outcome) = translated {
        return outcome;
    }
    let ip = head.l4 as usize + Icmpv4Hdr::LEN;
    let is_secret = |field: usize| {
        let address = passage.packet.load_at(ip + field).map(Ip4::from_network);
        address.is_some_and(|address| is_inside(passage.settings, address))
    };
    let quotes_inside =
        is_secret(offset_of!(Ipv4Hdr, src_addr)) || is_secret(offset_of!(Ipv4Hdr, dst_addr));
    Outcome::Decided(if quotes_inside {
        passage.drop(DropReason::UnrelatedIcmp)
    } else {
        Verdict::Pass
    })
}

/// Sends an error on, with the quoted packet as its sender sent it. `None` if that sender is
/// not outside.
#[inline(always)]
fn tell<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    quote: &Quote,
    flow: &F,
    source: Ip4,
) -> Option<Outcome> {
    if flow.egress == 0 && flow.kind != FlowKind::OtherNat as u8 {
        return None;
    }
    let to = requote::Translation {
        source,
        destination: passage.head.destination,
        quoted_source: quote.source,
        quoted_destination: flow.external,
        quoted_source_port: flow.remote_port,
        quoted_destination_port: flow.external_port,
    };
    Some(requote::finish(passage, to, None, Exit::Onward, flow.rule))
}
