//! The port by which a forward's target knows its caller: the caller's own, unless the target has a
//! connection with that address and port already, by another port of the host. Then it is another
//! one, as with netfilter: the target could not tell the two apart.

use super::{
    Outcome,
    external_port::Sequence,
    parked::forget_ways,
    passage::Passage,
    record::forget,
    traits::{FlowRef, Packet, Tables},
};
use crate::abi::{DropReason, FlowKey, InsideKey, Port, Stage};

/// How many attempts are made to find such a port, the caller's own first.
const TRIES: u32 = 5;

/// How many ports each of the others looks at.
const PORTS_OF_ATTEMPT: u32 = 12;

/// The port for the call of `key` to the forward that was found, by this attempt; `None` if all
/// that it looks at are taken.
#[inline(always)]
pub(super) fn find<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    key: &FlowKey,
) -> Option<Port> {
    passage.notes.seen = Port::ZERO;
    if passage.notes.attempt == 0 {
        if !is_taken(passage, key) {
            passage.notes.seen = key.remote_port;
        }
    } else {
        search(passage, key);
    }
    // To the verifier both ways are one from here on.
    let found = forget_ways(&passage.notes.seen);
    (found != Port::ZERO).then_some(found)
}

/// Goes on with the next attempt, by the same stage.
#[inline(always)]
pub(super) fn try_another<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    stage: Stage,
    reason: DropReason,
) -> Outcome {
    passage.notes.attempt += 1;
    if passage.notes.attempt < TRIES {
        Outcome::Continue(stage)
    } else {
        Outcome::Decided(passage.drop(reason))
    }
}

/// The connection of the forward's target with a port of the caller's address.
#[inline(always)]
fn inside_key<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    key: &FlowKey,
    seen_port: Port,
) -> InsideKey {
    let target = &passage.notes.forward;
    InsideKey::new(target.address, target.port, key.remote, seen_port, key.protocol)
}

/// Whether the target has another connection with the caller's own port.
#[inline(always)]
fn is_taken<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, key: &FlowKey) -> bool {
    let inside = inside_key(passage, key, key.remote_port);
    if passage.tables.kept_flow(&inside).is_some_and(|flow| lives(passage, key, &flow)) {
        return true;
    }
    passage.tables.moved_flow(&inside).is_some_and(|flow| lives(passage, key, &flow))
}

/// Whether a record of the target lives, and is another than that of the call. One that gives way
/// to it is forgotten: the target's answers can go by one of the two only.
#[inline(always)]
fn lives<P: Packet, T: Tables, F: FlowRef>(
    passage: &Passage<'_, P, T>,
    key: &FlowKey,
    flow: &F,
) -> bool {
    let (version, other) = (flow.version(), flow.key());
    if other == *key {
        return false;
    }
    let is_over = passage.is_over(flow, true);
    if is_over {
        forget(passage.tables, &other, flow, version);
    }
    !is_over
}

/// Looks for a free port among those of an attempt, and notes it.
#[inline(always)]
fn search<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>, key: &FlowKey) {
    let attempt = passage.notes.attempt;
    let target = passage.notes.forward;
    let sequence = Sequence::towards(
        passage.settings,
        passage.head,
        target.address,
        target.port,
        attempt as u8,
    );
    for number in 0..PORTS_OF_ATTEMPT {
        // As where an external port is looked for.
        if forget_ways(&passage.notes.seen) != Port::ZERO {
            continue;
        }
        let port = sequence.port(number);
        let inside = inside_key(passage, key, port);
        let tables = passage.tables;
        // Another CPU may have recorded this very call by another packet.
        let is_free_of =
            |found: Option<T::FlowRef<'_>>| found.is_none_or(|flow| flow.key() == *key);
        if is_free_of(tables.kept_flow(&inside)) && is_free_of(tables.moved_flow(&inside)) {
            passage.notes.seen = port;
        }
    }
}
