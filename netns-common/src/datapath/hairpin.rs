//! From one namespace to a forward, or a mapping, of another: both ends see the host's address that
//! was called (RFC 4787 REQ-9, RFC 5382 REQ-8).

use super::{
    Exit, Outcome, Verdict,
    departure::begin_to_claim,
    evict,
    external_port::claim_mapped,
    forwards,
    head::source_mac,
    mapping,
    notes::Scratch,
    oversize,
    parked::ParkedExit,
    passage::{PLAIN, Passage},
    record::record,
    rewrite::Translation,
    seen_port,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, InsertError, Packet, Tables},
    usage::{self, BegunBy},
};
use crate::abi::{DropReason, FlowKey, FlowKind, FlowRecord, Port, Stage, Tick};

/// [`Stage::Hairpin`].
#[inline(always)]
pub fn hairpin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, call_forward)
}

/// The remote of the flow is the host itself, that is, a forward of another namespace: out
/// by the one record and in by the other (RFC 4787 REQ-9).
#[inline(always)]
pub(super) fn turn_around<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    let other_key = other_end(flow);
    let other = tables.flow(&other_key)?;
    if passage.is_over(&other, FlowKind::is_begun_outside(other.kind)) {
        return None;
    }
    if head.ttl <= 1 {
        passage.refuse(DropReason::TtlExceeded);
        passage.notes.is_refused = true;
        return None;
    }
    if oversize::must_be_refused(passage, other.cable) {
        oversize::refuse(passage, other.cable);
        passage.notes.is_refused = true;
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(&other, Direction::In) {
        passage.notes.is_unsteady = true;
        return None;
    }
    passage.touch::<_, WHICH>(flow, Direction::Out);
    passage.touch::<_, WHICH>(&other, Direction::In);
    let to = Translation {
        source: flow.external,
        source_port: other.seen_port,
        destination: other.inside,
        destination_port: other.inside_port,
        mac: Some(other.inside_mac),
    };
    let exit = Exit::Peer { cable: other.cable };
    if !other.was_of(&other_key) {
        return None;
    }
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule))
}

/// The key of the record that the other end of a connection between namespaces has.
#[inline(always)]
pub(super) const fn other_end(flow: &FlowRecord) -> FlowKey {
    let FlowKey { remote, remote_port, external, external_port, protocol, .. } = flow.key();
    FlowKey::new(external, external_port, remote, remote_port, protocol)
}

/// Begins a connection of one namespace to a forward: a record for each of its ends, both
/// seen from the host's address that was called. Here that of the caller.
#[inline(always)]
fn call_forward<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let Some(target) = tables.endpoint(forward.address) else {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    };
    let Some(mac) = source_mac(passage.packet) else {
        return Outcome::Decided(passage.drop(DropReason::Malformed));
    };
    if head.ttl <= 1 {
        return passage.refuse(DropReason::TtlExceeded);
    }
    if oversize::must_be_refused(passage, target.cable) {
        return oversize::refuse(passage, target.cable);
    }
    let link = passage.packet.link();
    if let Some(reason) = usage::refusal(passage, link, BegunBy::Inside) {
        return evict::make_room(passage, reason, link, Stage::Hairpin)
            .unwrap_or_else(|| passage.refuse(reason));
    }
    passage.begin_draft(FlowKind::Hairpin);
    let flow = &mut passage.notes.draft;
    flow.inside = head.source;
    flow.inside_port = head.source_port;
    flow.seen_port = head.destination_port;
    flow.inside_mac = mac;
    flow.external = head.destination;
    flow.cable = link;
    flow.rule = forward.rule;
    let standing = match passage.settings.mappings {
        0 => None,
        _ => mapping::of_inside(tables, head.destination, head, passage.now),
    };
    let Some(mapping) = standing else {
        let published = forwards::published(tables, head.protocol, head.source, head.source_port)
            .map_or(Port::ZERO, |published| published.port);
        // A namespace may call itself by the port that it is published by. That connection has two records,
        // which must not have the same port.
        let port = if published == head.destination_port { Port::ZERO } else { published };
        let exit = Exit::Peer { cable: target.cable };
        return begin_to_claim(passage, Stage::Claim, exit, port);
    };
    // By the port that all the others know it by (RFC 4787 REQ-9a).
    match claim_mapped(tables, passage.settings, head, flow, &mapping) {
        Ok(port) => {
            passage.notes.claimed = port;
            passage.notes.attempt = 0;
            Outcome::Continue(Stage::Meet)
        }
        Err(reason) => passage.refuse(reason),
    }
}

/// [`Stage::Meet`].
#[inline(always)]
pub fn meet<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, meet_target)
}

/// Goes on with such a connection once its caller has a port.
#[inline(always)]
fn meet_target<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let caller_port = passage.notes.claimed;
    let Some(target) = tables.endpoint(forward.address) else {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    };
    let key = FlowKey::new(
        head.destination,
        caller_port,
        head.destination,
        head.destination_port,
        head.protocol,
    );
    let Some(seen_port) = seen_port::find(passage, &key) else {
        return seen_port::try_another(passage, Stage::Meet, DropReason::PortsExhausted);
    };
    // The other end's record.
    let kind = passage.notes.called_kind();
    passage.begin_draft(kind);
    let flow = &mut passage.notes.draft;
    flow.inside = forward.address;
    flow.inside_port = forward.port;
    flow.seen_port = seen_port;
    flow.inside_mac = target.mac;
    flow.external = head.destination;
    flow.cable = target.cable;
    flow.rule = forward.rule;
    // If it fails, the caller's record stays until it expires: its next packet finds it and tries again.
    match record(tables, passage.settings, &key, &passage.notes.draft) {
        Ok(()) => {}
        Err(InsertError::Exists) => return passage.refuse(DropReason::PortsExhausted),
        Err(InsertError::Full) => {
            let reason = DropReason::TableFull;
            return evict::make_room(passage, reason, 0, Stage::Meet)
                .unwrap_or_else(|| passage.refuse(reason));
        }
    }
    let to = Translation {
        source: head.destination,
        source_port: seen_port,
        destination: forward.address,
        destination_port: forward.port,
        mac: Some(target.mac),
    };
    let exit = ParkedExit::park(Exit::Peer { cable: target.cable });
    passage.translate(&to, exit, forward.rule, true)
}
