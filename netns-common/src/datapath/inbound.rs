//! tcx ingress of an uplink: what the outside sends.
//!
//! A packet of a translated flow never reaches the host's stack, which knows nothing of the
//! connection and would answer with a RST.

use super::{
    Exit, Outcome, Verdict, clamp,
    external_port::record,
    forwards::{self, Target},
    guard::is_inside,
    head::{Kind, destination_mac},
    hop::RouteOutcome,
    icmp, masquerade, options,
    outbound::is_uplink,
    passage::{ANY, PLAIN, Passage, Scratch, read_head},
    rewrite::Translation,
    source,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, InsertError, Packet, Tables},
};
use crate::abi::{DropReason, FlowKind, InsideKey, Stage, Tick};

/// Decides about a packet that came in by an uplink, and applies it.
#[inline(always)]
pub fn from_uplink<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let head = match read_head(packet, tables) {
        Ok(head) => head,
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { head: parked, notes } = scratch;
    let mut passage = Passage::new(packet, tables, settings, &head, notes, now);
    let is_plain = head.is_plain();
    if is_plain
        && let Some(flow) = tables.flow(&head.inbound_key())
        && let Some(verdict) = carry::<_, _, _, PLAIN>(&mut passage, &flow)
    {
        let outcome = clamp::go_on(&mut passage, verdict);
        if let Outcome::Continue(_) = outcome {
            *parked = head;
        }
        return outcome;
    }
    *parked = head;
    Outcome::Continue(if is_plain { Stage::InboundBegin } else { Stage::InboundRare })
}

/// [`Stage::InboundRare`].
#[inline(always)]
pub fn inbound_rare<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let head = passage.head;
        if let Some(reason) = options::fault(passage.packet, head) {
            return Outcome::Decided(passage.drop(reason));
        }
        if head.kind.is_flow()
            && let Some(flow) = tables.flow(&head.inbound_key())
            && let Some(verdict) = carry::<_, _, _, ANY>(passage, &flow)
        {
            return clamp::go_on(passage, verdict);
        }
        Outcome::Continue(Stage::InboundBegin)
    })
}

/// [`Stage::InboundBegin`].
#[inline(always)]
pub fn inbound_begin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, begin)
}

/// [`Stage::InboundError`].
#[inline(always)]
pub fn inbound_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| Outcome::Decided(icmp::inbound(passage)))
}

/// [`Stage::Enter`].
#[inline(always)]
pub fn enter<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let verdict = call_target(passage);
        clamp::go_on(passage, verdict)
    })
}

/// Carries a packet of a known flow; `None` if the record is not this packet's.
#[inline(always)]
fn carry<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let begun_outside = flow.kind == FlowKind::Forward as u8;
    // A connection between namespaces has no packets from outside, and the host's own are the
    // stack's.
    let is_inner = flow.egress == 0 || flow.kind == FlowKind::Host as u8;
    if flow.external != head.destination || is_inner || passage.is_over(flow, begun_outside) {
        return None;
    }
    if head.first_fragment {
        return Some(passage.drop(DropReason::Fragment));
    }
    if head.ttl <= 1 {
        return Some(passage.drop(DropReason::TtlExceeded));
    }
    passage.touch(flow, Direction::In);
    let to = Translation {
        source: head.source,
        source_port: head.source_port,
        destination: flow.inside,
        destination_port: flow.inside_port,
        mac: Some(flow.inside_mac),
    };
    let exit = Exit::Peer { cable: flow.cable };
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule, false))
}

/// A packet of no flow.
#[inline(always)]
fn begin<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    if let Some(reason) = source::address_fault(head) {
        return Outcome::Decided(passage.drop(reason));
    }
    if is_inside(passage.settings, head.source) {
        return Outcome::Decided(passage.drop(DropReason::InsideSource));
    }
    if is_inside(passage.settings, head.destination) {
        // What is not translated outwards has answers that bear the inside's own address.
        let link = passage.packet.link();
        if masquerade::is_excluded(tables, link, head.destination, head.source) {
            return Outcome::Decided(Verdict::Pass);
        }
        return Outcome::Decided(passage.drop(DropReason::InsideDestination));
    }
    // Group addresses are the host's own affair.
    if destination_mac(passage.packet).is_none_or(|mac| mac[0] & 1 != 0) {
        return Outcome::Decided(Verdict::Pass);
    }
    match head.kind {
        Kind::IcmpError => return Outcome::Continue(Stage::InboundError),
        kind if kind.has_ports() => {}
        _ => return Outcome::Decided(Verdict::Pass),
    }
    let Some(target) = forwards::find(
        tables,
        head.protocol,
        head.source,
        head.destination,
        head.destination_port,
        true,
    ) else {
        return Outcome::Decided(Verdict::Pass);
    };
    if !is_host(passage) || passage.is_hosts_own() {
        return Outcome::Decided(Verdict::Pass);
    }
    passage.notes.forward = target;
    let refusal = if tables.is_host_address(head.source) {
        DropReason::Martian
    } else if head.first_fragment {
        DropReason::Fragment
    } else if head.ttl <= 1 {
        DropReason::TtlExceeded
    } else if head.is_rst() {
        DropReason::NoFlow
    } else {
        return Outcome::Continue(Stage::Enter);
    };
    Outcome::Decided(passage.drop(refusal))
}

/// Whether the destination is an address of the host: a port matches only there, so that
/// transit traffic is not hijacked.
///
/// The routing table has one answer for "local" and for "no route", so more must say so: the
/// addresses that the router is known to have, or, when its address has changed since they
/// were written, that it is what the host itself would answer this sender from.
#[inline(always)]
fn is_host<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let head = passage.head;
    let tables = passage.tables;
    let link = passage.packet.link();
    if tables.route(head.destination, link).outcome != RouteOutcome::Local {
        return false;
    }
    tables.is_host_address(head.destination) || {
        let reply = tables.route(head.source, link);
        reply.outcome == RouteOutcome::Forward && reply.source == head.destination
    }
}

/// Begins a flow to a forward's target.
#[inline(always)]
fn call_target<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Verdict {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let Some(target) = tables.endpoint(forward.address) else {
        return passage.drop(DropReason::NoRoute);
    };
    let bridge = tables.bridge_port(target.cable).map_or(0, |port| port.bridge);
    let link = passage.packet.link();
    let reply = tables.route(head.source, bridge);
    if reply.outcome != RouteOutcome::Forward {
        // A broadcast address, or one that no answer would reach.
        return passage.drop(DropReason::NoRoute);
    }
    // Where the way back is not by an uplink, replies go where the packet came from.
    let (egress, next_hop) = if is_uplink(passage.settings, reply.egress) {
        (reply.egress, reply.next_hop)
    } else {
        (link, head.source)
    };
    passage.begin_draft(FlowKind::Forward);
    let flow = &mut passage.notes.draft;
    flow.inside = forward.address;
    flow.inside_port = forward.port;
    flow.inside_mac = target.mac;
    flow.external = head.destination;
    flow.egress = egress;
    flow.next_hop = next_hop;
    flow.cable = target.cable;
    flow.rule = forward.rule;
    if is_taken_inside(passage, &forward) {
        return passage.drop(DropReason::PortsExhausted);
    }
    match record(tables, passage.settings, &head.inbound_key(), &passage.notes.draft) {
        Ok(()) => {}
        Err(InsertError::Exists) => return passage.drop(DropReason::PortsExhausted),
        Err(InsertError::Full) => return passage.drop(DropReason::TableFull),
    }
    let to = Translation {
        source: head.source,
        source_port: head.source_port,
        destination: forward.address,
        destination_port: forward.port,
        mac: Some(target.mac),
    };
    passage.translate(&to, Exit::Peer { cable: target.cable }, forward.rule, true)
}

/// Whether the target already has a connection with this remote address and port, by another
/// host port: it could not tell the two apart.
#[inline(always)]
fn is_taken_inside<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, forward: &Target) -> bool {
    let head = passage.head;
    let tables = passage.tables;
    let inside =
        InsideKey::new(forward.address, forward.port, head.source, head.source_port, head.protocol);
    let mut key = head.inbound_key();
    key.external_port =
        tables.moved_port(&inside).map_or(forward.port, |moved| moved.external_port);
    tables.flow(&key).is_some_and(|flow| {
        let is_this_one =
            key.external_port == head.destination_port && flow.external == head.destination;
        !is_this_one
            && flow.inside == forward.address
            && flow.inside_port == forward.port
            && !passage.is_over(&flow, true)
    })
}
