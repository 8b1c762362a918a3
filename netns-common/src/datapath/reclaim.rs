//! When every external port towards a remote is taken, connections that are over give way, and those
//! that nobody has answered: the oldest of a few. An established one never does.

use super::{
    Outcome,
    departure::{depart, give_up},
    external_port::{Forwarded, Sequence, is_to_be_had},
    notes::Scratch,
    parked::forget_ways,
    passage::Passage,
    record::{forget, record},
    stages::go_on,
    state::{State, idle_time},
    traits::{FlowRef, FlowTable, InsertError, Packet, Tables},
};
use crate::abi::{DropReason, Flow, FlowKey, FlowKind, Port, Stage, Tick, ticks};

/// How many attempts are made, each with a sample of its own.
const TRIES: u32 = 2;

/// How many connections a sample has.
const SAMPLE: u32 = 14;

/// The numbers of walks through the ports that no other search takes.
const WALKS: u8 = 200;

/// How long nothing must have been sent after the FIN of one end: it may be forged, or the other end
/// goes on (ReDAN, NDSS 2025).
const ONE_SIDED: Tick = ticks(10);

/// The same after a RST. Data does not move the clock of a record that is reset before it shows,
/// after ten seconds, that the RST was forged.
const RESET: Tick = ticks(20);

/// How long a connection that nobody has answered has at least to be opened.
const UNANSWERED: Tick = ticks(3);

/// The same of datagrams: their receivers do not tell a late answer to somebody else.
const UNANSWERED_DATAGRAM: Tick = ticks(30);

/// [`Stage::Reclaim`].
#[inline(always)]
pub fn reclaim<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        sample(passage);
        let port = forget_ways(&passage.notes.claimed);
        if port == Port::ZERO {
            return try_again(passage);
        }
        let Passage { tables, settings, head, .. } = *passage;
        let mut key = head.outbound_key(passage.notes.draft.external);
        key.external_port = port;
        if let Some(old) = tables.flow(&key) {
            let version = old.version();
            if idle_if_over(&old, newcomer(passage)).is_none() {
                return try_again(passage);
            }
            forget(tables, &key, &old, version);
        }
        match record(tables, settings, &key, &passage.notes.draft) {
            Ok(()) => depart(passage, port),
            Err(InsertError::Exists) => try_again(passage),
            Err(InsertError::Full) => give_up(passage, DropReason::TableFull),
        }
    })
}

#[inline(always)]
fn try_again<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    passage.notes.attempt += 1;
    if passage.notes.attempt < TRIES {
        return Outcome::Continue(Stage::Reclaim);
    }
    give_up(passage, DropReason::PortsExhausted)
}

/// Notes the port of the connection of a sample that has been over for longest, or one that has
/// become free meanwhile; [`Port::ZERO`] if there is none.
#[inline(always)]
fn sample<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) {
    passage.notes.claimed = Port::ZERO;
    passage.notes.longest = 0;
    let Passage { tables, settings, head, .. } = *passage;
    let (remote, remote_port) = (head.destination, head.destination_port);
    let walk = WALKS + passage.notes.attempt as u8;
    let sequence = Sequence::towards(settings, head, remote, remote_port, walk);
    let mut key = head.outbound_key(passage.notes.draft.external);
    for number in 0..SAMPLE {
        key.external_port = sequence.port(number);
        let idle = tables.reclaimable(&key, newcomer(passage));
        if idle > forget_ways(&passage.notes.longest)
            && is_to_be_had(tables, &key, &passage.notes.draft, Forwarded::Nobody)
        {
            passage.notes.longest = idle;
            passage.notes.claimed = key.external_port;
        }
    }
}

/// A connection that looks for an external port.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    pub now: Tick,
    /// The upper half of its first sequence number, native order; `None` for all protocols but TCP.
    pub sequence: Option<u16>,
}

#[inline(always)]
fn newcomer<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Newcomer {
    let Flow { tail, .. } = &passage.notes.draft;
    let sequence = passage.head.kind.is_tcp().then_some(tail.sequences.inside.sequence);
    Newcomer { now: passage.now, sequence }
}

/// For how long the connection of an external port was idle, and one tick more; [`Tick::MAX`] if
/// none has the port, 0 if the connection must not give way to `newcomer`.
#[inline(always)]
pub fn reclaimable<T: FlowTable>(tables: &T, key: &FlowKey, newcomer: Newcomer) -> Tick {
    match tables.flow(key) {
        Some(flow) => idle_if_over(&flow, newcomer).unwrap_or(0),
        None => Tick::MAX,
    }
}

/// For how long a connection has been idle, at least one tick, if it may give way.
#[inline(always)]
fn idle_if_over<F: FlowRef>(flow: &F, newcomer: Newcomer) -> Option<Tick> {
    let is_of_lab = flow.kind == FlowKind::Masquerade as u8 || flow.kind == FlowKind::Hairpin as u8;
    let idle = idle_time(flow, newcomer.now);
    let least = least_idle(flow)?;
    let may_go_on = advances(newcomer, flow);
    (is_of_lab && idle >= least && may_go_on).then_some(idle + 1)
}

/// For how long a connection that is over, or that nobody has answered, must have been idle before another
/// takes its port; `None` for one that goes on.
#[inline(always)]
pub(super) fn least_idle<F: FlowRef>(flow: &F) -> Option<Tick> {
    // The remote has sent nothing but its refusal, and no sequence number.
    let is_refused =
        flow.packets_out == 1 && flow.packets_in == 1 && flow.sequences().remote.sequence == 0;
    Some(match State::from_number(flow.state) {
        // The oldest comes first: one whose last acknowledgement is on the way is hardly met.
        State::TimeWait => 0,
        State::Aborted if is_refused => 0,
        State::Reset | State::Aborted => RESET,
        State::InsideClosed | State::RemoteClosed => ONE_SIDED,
        State::SynSent | State::SynReceived => UNANSWERED,
        State::Unreplied => UNANSWERED_DATAGRAM,
        State::PickedUp | State::Established | State::Replied => return None,
    })
}

/// Whether the sequence numbers of a new TCP connection are beyond those of the old one, as far as
/// they are kept: only then a remote that remembers the old one takes the new one (RFC 9293 section
/// 3.10.7.4, RFC 6191).
#[inline(always)]
fn advances<F: FlowRef>(newcomer: Newcomer, flow: &F) -> bool {
    newcomer.sequence.is_none_or(|sequence| {
        let by = sequence.wrapping_sub(flow.sequences().inside.sequence);
        by != 0 && by < 1 << 15
    })
}
