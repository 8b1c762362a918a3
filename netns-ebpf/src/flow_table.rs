//! The flow table in its maps, as `netns_common::abi::FlowRecord` and its neighbours describe it.
//!
//! Look-ups take no lock. Who changes an entry holds its bucket's, and who takes a record
//! writes it before it can be found: so a record that is found is whole. Each way in is a function
//! that the verifier looks at once, whatever calls it.

use aya_ebpf::{
    bindings::bpf_spin_lock,
    helpers::generated::{bpf_spin_lock as lock, bpf_spin_unlock as unlock},
};
use netns_common::{
    abi::{
        BUCKET_ENTRIES, Flow, FlowBucket, FlowKey, FlowLayout, FlowRecord, FlowWord, InsideKey,
        RECORDS_OF_WORD,
    },
    datapath::{
        Spot, WORDS_LOOKED_AT, in_use, is_to_be_compared, lowest_free, prefers_first,
        word_to_look_at,
    },
};

use crate::maps;

/// A bucket, as the kernel is told of it: with its lock.
#[repr(C, align(8))]
pub(crate) struct Bucket {
    lock: bpf_spin_lock,
    changes: u16,
    spilled: u16,
    entries: [u32; BUCKET_ENTRIES],
}

/// A word, with its lock.
#[repr(C)]
pub(crate) struct Word {
    lock: bpf_spin_lock,
    padding: u32,
    pub(crate) taken: u64,
}

const _: () = {
    assert!(size_of::<Bucket>() == size_of::<FlowBucket>());
    assert!(size_of::<Word>() == size_of::<FlowWord>());
};

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// What came of an insertion.
pub(crate) const DONE: i32 = 0;
pub(crate) const EXISTS: i32 = 1;
pub(crate) const FULL: i32 = 2;

/// How often an insertion begins anew because others changed its bucket meanwhile.
const ATTEMPTS: u32 = 3;

/// What is looked for.
trait Wanted {
    fn spot(&self, layout: &FlowLayout) -> Spot;
    fn is(&self, record: *const FlowRecord) -> bool;
}

impl Wanted for FlowKey {
    #[inline(always)]
    fn spot(&self, layout: &FlowLayout) -> Spot {
        Spot::of_flow(layout, self)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        // SAFETY: a look-up gave the pointer, and a word is read whole.
        unsafe {
            let key = &raw const (*record).key;
            (&raw const (*key).remote).read_volatile() == self.remote
                && (&raw const (*key).remote_port).read_volatile() == self.remote_port
                && (&raw const (*key).external_port).read_volatile() == self.external_port
                && (&raw const (*key).protocol).read_volatile() == self.protocol
        }
    }
}

impl Wanted for InsideKey {
    #[inline(always)]
    fn spot(&self, layout: &FlowLayout) -> Spot {
        Spot::of_moved(layout, self)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        // SAFETY: as above.
        unsafe {
            let (key, flow) = (&raw const (*record).key, &raw const (*record).head);
            (&raw const (*flow).inside).read_volatile() == self.inside
                && (&raw const (*flow).inside_port).read_volatile() == self.inside_port
                && (&raw const (*key).remote).read_volatile() == self.remote
                && (&raw const (*key).remote_port).read_volatile() == self.remote_port
                && (&raw const (*key).protocol).read_volatile() == self.protocol
        }
    }
}

/// What is not in the index.
const NOWHERE: u64 = 0;

/// What is not in its first bucket, of which some keys are in their second.
const ELSEWHERE: u64 = 1;

/// Where an entry of the index is, in a word: functions that the verifier looks at by themselves
/// give back nothing larger.
#[derive(Clone, Copy)]
struct Place(u64);

impl Place {
    const IS_ONE: u64 = 1 << 40;
    const IS_IN_SECOND: u64 = 1 << 39;

    #[inline(always)]
    const fn new(record: u32, entry: usize, is_in_second: bool) -> Self {
        let bucket = if is_in_second { Self::IS_IN_SECOND } else { 0 };
        Self(Self::IS_ONE | bucket | ((entry as u64) << 32) | record as u64)
    }

    #[inline(always)]
    const fn record(self) -> u32 {
        self.0 as u32
    }

    /// Which entry of its bucket it is.
    #[inline(always)]
    const fn entry(self) -> u64 {
        (self.0 >> 32) & 0xf
    }

    #[inline(always)]
    const fn is_in_second(self) -> bool {
        self.0 & Self::IS_IN_SECOND != 0
    }
}

#[inline(always)]
fn entry_of(bucket: *const Bucket, place: usize) -> u32 {
    // SAFETY: a look-up gave the pointer, and a word is read whole.
    unsafe { (&raw const (*bucket).entries[place]).read_volatile() }
}

#[inline(always)]
fn changes_of(spot: &Spot) -> u16 {
    // SAFETY: as in `entry_of`.
    let changes = |bucket: *const Bucket| unsafe { (&raw const (*bucket).changes).read_volatile() };
    maps::FLOW_INDEX.get_ptr(spot.first).map_or(0, changes)
}

/// The place of what is wanted in its first bucket, [`NOWHERE`], or [`ELSEWHERE`]. Apart from the
/// second bucket, since both together need more of the stack than is left where this is called.
#[inline(always)]
fn locate_in_first<W: Wanted>(wanted: *const W) -> u64 {
    // SAFETY: no other than null and one to what is wanted is passed.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return NOWHERE };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return NOWHERE };
    let spot = wanted.spot(layout);
    let Some(bucket) = maps::FLOW_INDEX.get_ptr(spot.first) else { return NOWHERE };
    let found = locate_in(wanted, &spot, bucket, false);
    // SAFETY: as in `entry_of`.
    if found == NOWHERE && unsafe { (&raw const (*bucket).spilled).read_volatile() } != 0 {
        return ELSEWHERE;
    }
    found
}

/// The place of what is wanted in its second bucket, or [`NOWHERE`].
#[inline(always)]
fn locate_in_second<W: Wanted>(wanted: *const W) -> u64 {
    // SAFETY: as in `locate_in_first`.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return NOWHERE };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return NOWHERE };
    let spot = wanted.spot(layout);
    let Some(bucket) = maps::FLOW_INDEX.get_ptr(spot.second) else { return NOWHERE };
    locate_in(wanted, &spot, bucket, true)
}

#[inline(always)]
fn locate_in<W: Wanted>(wanted: &W, spot: &Spot, bucket: *const Bucket, is_in_second: bool) -> u64 {
    /// Written out, since a loop's counter takes a register, and so more of the stack than is left.
    macro_rules! look_at {
        ($($place:literal)+) => {
            $(
                if let Some(record) = spot.record(entry_of(bucket, $place))
                    && let Some(of_record) = maps::FLOWS.get_ptr(record)
                    && wanted.is(of_record)
                {
                    return Place::new(record, $place, is_in_second).0;
                }
            )+
        };
    }
    const { assert!(BUCKET_ENTRIES == 14) };
    look_at!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
    NOWHERE
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn first_of_flow(key: *const FlowKey) -> u64 {
    locate_in_first(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn second_of_flow(key: *const FlowKey) -> u64 {
    locate_in_second(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn first_of_moved(key: *const InsideKey) -> u64 {
    locate_in_first(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn second_of_moved(key: *const InsideKey) -> u64 {
    locate_in_second(key)
}

#[inline(always)]
fn locate_flow(key: *const FlowKey) -> u64 {
    let found = first_of_flow(key);
    if found == ELSEWHERE { second_of_flow(key) } else { found }
}

#[inline(always)]
fn locate_moved(key: *const InsideKey) -> u64 {
    let found = first_of_moved(key);
    if found == ELSEWHERE { second_of_moved(key) } else { found }
}

/// Which entries of a bucket are in use, a bit each; all, if there is no such bucket.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn entries_in_use(bucket: u32) -> u64 {
    maps::FLOW_INDEX
        .get_ptr(bucket)
        .map_or(u64::MAX, |bucket| in_use(|place| entry_of(bucket, place)))
}

/// Puts an entry into the index, unless anything was put under keys of its first bucket after
/// `changes` was read: [`DONE`], [`EXISTS`] if it was, or [`FULL`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn put_entry(first: u32, second: u32, entry: u32, changes: u16) -> i32 {
    let of_first = entries_in_use(first);
    if is_to_be_compared(of_first) {
        let of_second = entries_in_use(second);
        if !prefers_first(of_first, of_second) {
            return put_into_second(first, second, lowest_free(of_second), entry, changes);
        }
    }
    let Some(first) = maps::FLOW_INDEX.get_ptr_mut(first) else { return FULL };
    let place = lowest_free(of_first) as usize;
    if place >= BUCKET_ENTRIES {
        return FULL;
    }
    // SAFETY: a look-up gave the pointer, the lock lies where the kernel knows it to be, and
    // nothing is called while it is held.
    unsafe {
        lock(&raw mut (*first).lock);
        let is_as_before =
            (&raw const (*first).changes).read_volatile() == changes && entry_of(first, place) == 0;
        if is_as_before {
            (&raw mut (*first).entries[place]).write_volatile(entry);
            (*first).changes = changes.wrapping_add(1);
        }
        unlock(&raw mut (*first).lock);
        if is_as_before { DONE } else { EXISTS }
    }
}

/// The same in a second bucket. It is written first, where nobody finds it; what counts is when
/// the first bucket says that it is there.
#[inline(always)]
fn put_into_second(first: u32, second: u32, place: u32, entry: u32, changes: u16) -> i32 {
    let (Some(first), Some(second)) =
        (maps::FLOW_INDEX.get_ptr_mut(first), maps::FLOW_INDEX.get_ptr_mut(second))
    else {
        return FULL;
    };
    let place = place as usize;
    if place >= BUCKET_ENTRIES {
        return FULL;
    }
    // SAFETY: as in `put_entry`.
    unsafe {
        lock(&raw mut (*second).lock);
        let is_free = entry_of(second, place) == 0;
        if is_free {
            (&raw mut (*second).entries[place]).write_volatile(entry);
        }
        unlock(&raw mut (*second).lock);
        if !is_free {
            return EXISTS;
        }
        lock(&raw mut (*first).lock);
        let is_as_before = (&raw const (*first).changes).read_volatile() == changes;
        if is_as_before {
            (*first).changes = changes.wrapping_add(1);
            (&raw mut (*first).spilled).write_volatile((*first).spilled.saturating_add(1));
        }
        unlock(&raw mut (*first).lock);
        if is_as_before {
            return DONE;
        }
        lock(&raw mut (*second).lock);
        let is_there = entry_of(second, place) == entry;
        if is_there {
            (&raw mut (*second).entries[place]).write_volatile(0);
        }
        unlock(&raw mut (*second).lock);
        // Who found it meanwhile and took it out has freed its record as well.
        if is_there { EXISTS } else { DONE }
    }
}

/// Has an entry of a bucket be another, if it is the one expected; whether it was. `place` is a word,
/// since of one that is made a word the compiler checks the one and uses the other.
#[inline(always)]
fn replace(bucket: u32, place: u64, old: u32, new: u32) -> bool {
    let Some(bucket) = maps::FLOW_INDEX.get_ptr_mut(bucket) else { return false };
    let place = place as usize;
    if place >= BUCKET_ENTRIES {
        return false;
    }
    // SAFETY: as in `put_entry`.
    unsafe {
        lock(&raw mut (*bucket).lock);
        let is_there = entry_of(bucket, place) == old;
        if is_there {
            (&raw mut (*bucket).entries[place]).write_volatile(new);
        }
        unlock(&raw mut (*bucket).lock);
        is_there
    }
}

/// Takes an entry out of the index; whether it was there still.
#[inline(always)]
fn take_out<W: Wanted>(wanted: *const W, place: Place) -> bool {
    // SAFETY: as in `locate_in_first`.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return false };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return false };
    let spot = wanted.spot(layout);
    let bucket = if place.is_in_second() { spot.second } else { spot.first };
    if !replace(bucket, place.entry(), spot.entry(place.record()), 0) {
        return false;
    }
    if place.is_in_second()
        && let Some(first) = maps::FLOW_INDEX.get_ptr_mut(spot.first)
    {
        // SAFETY: as in `put_entry`.
        unsafe {
            lock(&raw mut (*first).lock);
            let spilled = (*first).spilled;
            if spilled != 0 && spilled != u16::MAX {
                (&raw mut (*first).spilled).write_volatile(spilled - 1);
            }
            unlock(&raw mut (*first).lock);
        }
    }
    true
}

/// Takes a free record of a word and writes it, or [`NONE`]: there is none, or another CPU was
/// faster.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_record(number: u32, key: *const FlowKey, flow: *const Flow) -> u32 {
    // SAFETY: as in `locate_in_first`.
    let (Some(key), Some(flow)) = (unsafe { (key.as_ref(), flow.as_ref()) }) else { return NONE };
    let Some(word) = maps::FLOW_WORDS.get_ptr_mut(number) else { return NONE };
    // SAFETY: as in `put_entry`. The record is written while the lock is held, so that it is whole
    // for whoever finds an entry that is put under another lock after this one.
    unsafe {
        let place = lowest_free((&raw const (*word).taken).read_volatile());
        if place >= RECORDS_OF_WORD {
            return NONE;
        }
        let record = number.wrapping_mul(RECORDS_OF_WORD) + place;
        // The last word may speak of more records than there are.
        let (Some(of_record), Some(tail)) =
            (maps::FLOWS.get_ptr_mut(record), maps::FLOW_TAILS.get_ptr_mut(record))
        else {
            return NONE;
        };
        let bit = 1_u64 << place;
        lock(&raw mut (*word).lock);
        let is_free = (*word).taken & bit == 0;
        if is_free {
            (*word).taken |= bit;
            (*of_record).key = *key;
            (*of_record).head = flow.head;
            *tail = flow.tail;
        }
        unlock(&raw mut (*word).lock);
        if is_free { record } else { NONE }
    }
}

/// Takes a free record, of any of the words that are to be looked at, and writes it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_any_record(
    start: u32,
    words: u32,
    key: *const FlowKey,
    flow: *const Flow,
) -> u32 {
    if key.is_null() || flow.is_null() {
        return NONE;
    }
    for attempt in 0..WORDS_LOOKED_AT {
        let record = take_record(word_to_look_at(start, attempt, words), key, flow);
        if record != NONE {
            return record;
        }
    }
    NONE
}

#[inline(always)]
fn free_record(record: u32) {
    let Some(word) = maps::FLOW_WORDS.get_ptr_mut(record / RECORDS_OF_WORD) else { return };
    let bit = 1_u64 << (record % RECORDS_OF_WORD);
    // SAFETY: as in `put_entry`.
    unsafe {
        lock(&raw mut (*word).lock);
        (*word).taken &= !bit;
        unlock(&raw mut (*word).lock);
    }
}

/// The record of a connection, or [`NONE`].
#[inline(always)]
pub(crate) fn find_flow(key: &FlowKey) -> u32 {
    record_at(locate_flow(key))
}

/// The record of a connection whose port had to change, or [`NONE`].
#[inline(always)]
pub(crate) fn find_moved(key: &InsideKey) -> u32 {
    record_at(locate_moved(key))
}

#[inline(always)]
const fn record_at(place: u64) -> u32 {
    if place == NOWHERE { NONE } else { Place(place).record() }
}

/// Records a connection: [`DONE`], [`EXISTS`] or [`FULL`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn insert_flow(key: *const FlowKey, flow: *const Flow) -> i32 {
    // SAFETY: as in `locate_in_first`.
    let Some(of_key) = (unsafe { key.as_ref() }) else { return FULL };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return FULL };
    if flow.is_null() {
        return FULL;
    }
    let spot = of_key.spot(layout);
    let mut changes = changes_of(&spot);
    if locate_flow(key) != NOWHERE {
        return EXISTS;
    }
    let record = take_any_record(spot.start, layout.words, key, flow);
    if record == NONE {
        return FULL;
    }
    let mut outcome = FULL;
    for _ in 0..ATTEMPTS {
        outcome = put_entry(spot.first, spot.second, spot.entry(record), changes);
        if outcome != EXISTS {
            break;
        }
        changes = changes_of(&spot);
        if locate_flow(key) != NOWHERE {
            break;
        }
    }
    if outcome != DONE {
        free_record(record);
    }
    outcome
}

/// Forgets a connection; whether there was one.
#[inline(always)]
pub(crate) fn remove_flow(key: &FlowKey) -> bool {
    let place = locate_flow(key);
    place != NOWHERE && take_out_flow(key, place) != 0
}

/// Takes out what was found at a place, and frees its record; 1 if it was there still.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_out_flow(key: *const FlowKey, place: u64) -> i32 {
    let is_out = take_out(key, Place(place));
    if is_out {
        free_record(Place(place).record());
    }
    i32::from(is_out)
}

/// Has a record found under an inside name, and no other: [`DONE`], or [`FULL`] also if it is
/// [`NONE`], as another CPU has forgotten it by now.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn insert_moved(key: *const InsideKey, record: u32) -> i32 {
    // SAFETY: as in `locate_in_first`.
    let Some(of_key) = (unsafe { key.as_ref() }) else { return FULL };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return FULL };
    let spot = of_key.spot(layout);
    if record == NONE {
        return FULL;
    }
    let entry = spot.entry(record);
    for _ in 0..ATTEMPTS {
        let changes = changes_of(&spot);
        let found = locate_moved(key);
        let outcome = if found == NOWHERE {
            put_entry(spot.first, spot.second, entry, changes)
        } else {
            let place = Place(found);
            let bucket = if place.is_in_second() { spot.second } else { spot.first };
            let old = spot.entry(place.record());
            if replace(bucket, place.entry(), old, entry) { DONE } else { EXISTS }
        };
        if outcome != EXISTS {
            return outcome;
        }
    }
    FULL
}

/// Has no record found under an inside name any more.
#[inline(always)]
pub(crate) fn remove_moved(key: &InsideKey) {
    let place = locate_moved(key);
    if place != NOWHERE {
        take_out_moved(key, place);
    }
}

/// Takes out what was found at a place; 1 if it was there still.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_out_moved(key: *const InsideKey, place: u64) -> i32 {
    i32::from(take_out(key, Place(place)))
}
