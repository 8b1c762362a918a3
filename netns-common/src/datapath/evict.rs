//! When a share of the flow table is used up, or all of it, a record makes room. A sample of records is
//! looked at. Of those that are over, or that nobody has answered, the one goes that was idle for longest. An
//! established connection never goes.
//!
//! So forged SYNs drive out the half-open connections of other forged SYNs. A caller's connection is open long
//! before it is the oldest of a sample.

use super::{
    Outcome,
    external_port::Sequence,
    hairpin::other_end,
    notes::Scratch,
    parked::forget_ways,
    passage::Passage,
    reclaim::least_idle,
    record::forget,
    stages::go_on,
    state::{idle_time, is_expired},
    traits::{FlowRef, Packet, Tables},
    usage::Charge,
};
use crate::abi::{DropReason, FlowKind, SAMPLE, Settings, Stage, Tick, WHOLE_TABLE};

/// 2³² by the golden ratio: steps of that length spread any number of places evenly over the table.
const GOLDEN: u32 = 0x9e37_79b9;

/// Which records may make room.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evictable {
    /// The link of which it must be; [`WHOLE_TABLE`]: any.
    pub link: u32,
    /// Whether it must be without an answer.
    pub is_unreplied: bool,
}

/// Which record is to make room, and for what.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Eviction {
    wanted: Evictable,
    /// Whether this packet has had one evicted already. The stages that come before those which may ask
    /// for it begin with no.
    pub(super) is_done: bool,
    /// The place of the one that was found.
    place: u32,
    /// For how long that was idle, and one tick more; 0: none was found.
    longest: Tick,
    /// The stage that tries again afterwards.
    stage: Stage,
}

impl Eviction {
    pub(super) const NONE: Self = Self {
        wanted: Evictable { link: WHOLE_TABLE, is_unreplied: false },
        is_done: false,
        place: 0,
        longest: 0,
        stage: Stage::Claim,
    };
}

/// Has a record make room if a new flow may not begin for that `reason`, and then has `stage` try again.
/// `None` if no record can make room for that reason, or one has for this packet.
#[inline(always)]
pub(super) fn make_room<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    reason: DropReason,
    link: u32,
    stage: Stage,
) -> Option<Outcome> {
    let (link, is_unreplied) = match reason {
        DropReason::TableFull => (WHOLE_TABLE, false),
        DropReason::Quota => (link, false),
        // Also where all links together have too many: others are not to lose theirs.
        DropReason::UnrepliedQuota | DropReason::UnrepliedShare => (link, true),
        _ => return None,
    };
    if passage.settings.limits.sample == 0 || passage.notes.eviction.is_done {
        return None;
    }
    passage.notes.eviction =
        Eviction { wanted: Evictable { link, is_unreplied }, stage, ..Eviction::NONE };
    Some(Outcome::Continue(Stage::Evict))
}

/// [`Stage::Evict`].
#[inline(always)]
pub fn evict<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        passage.notes.eviction.is_done = true;
        sample(passage);
        if forget_ways(&passage.notes.eviction.longest) != 0 {
            forget_found(passage);
        }
        // Where none was found there may be room by now: else the flow is refused there.
        Outcome::Continue(forget_ways(&passage.notes.eviction.stage))
    })
}

/// Notes the place of the record of a sample that may make room and was idle for longest.
#[inline(always)]
fn sample<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) {
    let Passage { tables, settings, head, .. } = *passage;
    // A place that only the holder of the seed can tell, and another one when the same packet comes again.
    let begin = Sequence::new(settings, head).place(passage.now);
    for number in 0..SAMPLE {
        if number >= settings.limits.sample {
            continue;
        }
        let place = begin.wrapping_add(GOLDEN.wrapping_mul(number));
        let idle = tables.evictable(settings, place, passage.notes.eviction.wanted, passage.now);
        if idle > forget_ways(&passage.notes.eviction.longest) {
            passage.notes.eviction.longest = idle;
            passage.notes.eviction.place = place;
        }
    }
}

/// Forgets the record that was found, if it may make room still.
#[inline(always)]
fn forget_found<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) {
    let tables = passage.tables;
    let place = forget_ways(&passage.notes.eviction.place);
    let Some(flow) = tables.sampled_flow(place) else { return };
    let (version, key) = (flow.version(), flow.key());
    let wanted = passage.notes.eviction.wanted;
    if idle_if_evictable(&flow, passage.settings, wanted, passage.now) == 0 {
        return;
    }
    tables.count_drop(DropReason::Evicted, passage.head.bytes);
    if flow.kind == FlowKind::Hairpin as u8 {
        // The record of the other end is of no use without this one.
        let key = other_end(&flow);
        if let Some(other) = tables.flow(&key) {
            forget(tables, &key, &other, other.version());
        }
    }
    forget(tables, &key, &flow, version);
}

/// For how long a record was idle, and one tick more; 0 if it must not make room.
#[inline(always)]
pub fn idle_if_evictable<F: FlowRef>(
    flow: &F,
    settings: &Settings,
    wanted: Evictable,
    now: Tick,
) -> Tick {
    let Evictable { link, is_unreplied } = wanted;
    let charge = Charge::of(flow);
    // Those of the machine's own connections and of other NATs are not the lab's to end.
    let is_of_lab = charge.records != 0 && flow.kind != FlowKind::OtherNat as u8;
    let is_asked_for = link == WHOLE_TABLE || charge.link == link;
    if !is_of_lab || !is_asked_for || is_unreplied && !charge.is_unreplied {
        return 0;
    }
    let idle = idle_time(flow, now);
    // For the second record of a connection between namespaces the first must not go.
    if link == WHOLE_TABLE && idle == 0 {
        return 0;
    }
    let is_over =
        || is_expired(flow, settings, now) || least_idle(flow).is_some_and(|least| idle >= least);
    if charge.is_unreplied || is_over() { idle + 1 } else { 0 }
}
