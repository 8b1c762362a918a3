//! Connections of other NATs on the machine, as Docker, libvirt and podman have them: they leave by
//! an uplink with an address of the router.
//!
//! They are recorded, so that no connection of the lab gets their port and their answers are taken
//! for nothing else. One that begins with a port that a connection of the lab has already gets
//! another one outside, as netfilter would give it if it had made both.

use super::{
    Exit, Outcome, Verdict,
    departure::begin_to_claim,
    head::Kind,
    notes::Scratch,
    parked::ParkedExit,
    passage::{ANY, Passage},
    record::record,
    rewrite::Translation,
    stages::go_on,
    state::{Direction, is_expired},
    traits::{FlowRef, Packet, Tables},
    usage,
};
use crate::abi::{DropReason, FlowKind, Masquerade, NO_RULE, Port, Stage, Tick};

const PASS: Outcome = Outcome::Decided(Verdict::Pass);

/// [`Stage::OtherNatOut`].
#[inline(always)]
pub fn other_nat_out<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        passage.notes.eviction.is_done = false;
        leave(passage)
    })
}

/// [`Stage::OtherNatIn`].
#[inline(always)]
pub fn other_nat_in<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, come)
}

/// Lets a packet pass whose connection is not recorded, and counts it.
#[inline(always)]
pub(super) fn pass_unrecorded<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Outcome {
    passage.tables.count_drop(DropReason::OtherNatUnrecorded, passage.head.bytes);
    PASS
}

/// Whether a record is a living connection of another NAT.
#[inline(always)]
fn is_its_own<P: Packet, T: Tables, F: FlowRef>(
    passage: &Passage<'_, P, T>,
    flow: &F,
    from_initiator: bool,
) -> bool {
    flow.kind == FlowKind::OtherNat as u8 && !passage.is_over(flow, from_initiator)
}

/// A packet that leaves with an address of the router, and is neither a socket's nor the lab's.
#[inline(always)]
fn leave<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    match head.kind {
        // It may quote a packet that came in by another port.
        Kind::IcmpError => return Outcome::Continue(Stage::OwnError),
        Kind::Query => {}
        kind if kind.has_ports() => {}
        _ => return PASS,
    }
    let key = head.outbound_key(head.source);
    let mut is_taken = false;
    if let Some(flow) = tables.flow(&key) {
        if !flow.is_moved() && is_its_own(passage, &flow, true) {
            passage.touch::<_, ANY>(&flow, Direction::Out);
            return PASS;
        }
        // Of others that are over, a SYN of this one says nothing.
        is_taken = flow.is_moved() || flow.kind != FlowKind::OtherNat as u8;
        is_taken = is_taken && !is_expired(&flow, passage.settings, passage.now);
    }
    if let Some(flow) = tables.moved_flow(&head.inside_key())
        && is_its_own(passage, &flow, true)
    {
        passage.touch::<_, ANY>(&flow, Direction::Out);
        let to = Translation {
            source: head.source,
            source_port: flow.external_port,
            destination: head.destination,
            destination_port: head.destination_port,
            mac: None,
        };
        return passage.translate(&to, ParkedExit::park(Exit::Onward), NO_RULE, false);
    }
    // The far end of an open connection knows it by its port. Another port would end it.
    let is_open = head.kind.is_tcp() && !head.is_syn();
    if is_taken && is_open || !usage::has_room_for_other_nat(tables, passage.settings, passage.now)
    {
        return pass_unrecorded(passage);
    }
    passage.begin_draft(FlowKind::OtherNat);
    let draft = &mut passage.notes.draft;
    draft.inside = head.source;
    draft.inside_port = head.source_port;
    draft.seen_port = head.destination_port;
    draft.external = head.source;
    if is_taken {
        // By no rule, which maps nothing.
        passage.notes.masquerade = Masquerade::default();
        let stage = if passage.settings.mappings == 0 { Stage::Claim } else { Stage::Map };
        return begin_to_claim(passage, stage, Exit::Onward, Port::ZERO);
    }
    match record(tables, passage.settings, &key, &passage.notes.draft) {
        Ok(()) => PASS,
        Err(_) => pass_unrecorded(passage),
    }
}

/// An answer: to the stack, where the other NAT waits for it.
#[inline(always)]
fn come<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let key = head.inbound_key();
    let Some(flow) = passage.tables.flow(&key).filter(|flow| is_its_own(passage, flow, false))
    else {
        return Outcome::Continue(Stage::InboundBegin);
    };
    let (is_moved, port) = (flow.is_moved(), flow.inside_port);
    if !flow.was_of(&key) {
        return Outcome::Continue(Stage::InboundBegin);
    }
    passage.touch::<_, ANY>(&flow, Direction::In);
    if !is_moved {
        return passage.note_if_passed(PASS);
    }
    let to = Translation {
        source: head.source,
        source_port: head.source_port,
        destination: head.destination,
        destination_port: port,
        mac: None,
    };
    passage.translate(&to, ParkedExit::park(Exit::Onward), NO_RULE, false)
}
