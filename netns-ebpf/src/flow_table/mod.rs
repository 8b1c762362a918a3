//! The flow table in its maps, with the layout of `netns_common::abi::FlowRecord` and its
//! neighbours.
//!
//! Look-ups take no lock. A CPU that changes an entry holds the lock of its bucket, and a CPU that
//! allocates a record writes it before its entry: so a record that is found is complete. Each
//! operation is a global function, which the verifier checks once.

mod bucket;
mod codes;
mod index;
mod key;
mod look_up;
mod pointer;
mod records;

use netns_common::{
    abi::{Flow, FlowKey, InsideKey, RECORDS_OF_WORD, Tick},
    datapath::Version,
};

use self::{
    bucket::generation_of,
    codes::FULL,
    index::{put_into_index, replace, take_out},
    key::LookupKey as _,
    look_up::{EntryRef, NOWHERE, locate_flow, locate_kept, locate_translated},
    records::{free_record, take_any_record, taken_of},
};
pub(crate) use self::{
    codes::{DONE, EXISTS, NONE},
    pointer::{FlowPointer, flow_of, record},
};
use crate::{maps, racy::racy};

/// How often an insertion starts again after another CPU has changed its bucket.
const ATTEMPTS: u32 = 3;

/// The record of a connection, or [`NONE`].
#[inline(always)]
pub(crate) fn find_flow(key: &FlowKey) -> u32 {
    record_at(locate_flow(key))
}

/// The record of a connection with the same ports inside and outside, or [`NONE`].
#[inline(always)]
pub(crate) fn find_kept(key: &InsideKey) -> u32 {
    record_at(locate_kept(key))
}

/// The record of a connection with a translated port, or [`NONE`].
#[inline(always)]
pub(crate) fn find_translated(key: &InsideKey) -> u32 {
    record_at(locate_translated(key))
}

#[inline(always)]
const fn record_at(place: u64) -> u32 {
    if place == NOWHERE { NONE } else { EntryRef(place).record() }
}

/// The record at a place, which is any 32-bit number, or [`NONE`] if that record is free.
#[inline(always)]
pub(crate) fn taken_at(place: u32) -> u32 {
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return NONE };
    // Scaled to the table, without a division.
    let records = u64::from(layout.words) * u64::from(RECORDS_OF_WORD);
    let record = ((u64::from(place) * records) >> 32) as u32;
    let taken = taken_of(record / RECORDS_OF_WORD);
    if taken >> (record % RECORDS_OF_WORD) & 1 == 0 { NONE } else { record }
}

/// Inserts the record of a connection: [`DONE`], [`EXISTS`] or [`FULL`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn insert_flow(key: *const FlowKey, flow: *const Flow) -> i32 {
    // SAFETY: as in `locate_in_first`.
    let Some(of_key) = (unsafe { key.as_ref() }) else { return FULL };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return FULL };
    if flow.is_null() {
        return FULL;
    }
    let pair = of_key.bucket_pair(layout);
    let mut generation = generation_of(&pair);
    if locate_flow(key) != NOWHERE {
        return EXISTS;
    }
    let record = take_any_record(pair.start, layout.words, key, flow);
    if record == NONE {
        return FULL;
    }
    let mut outcome = FULL;
    for _ in 0..ATTEMPTS {
        outcome = put_into_index(pair.first, pair.second, pair.entry(record), generation);
        if outcome != EXISTS {
            break;
        }
        generation = generation_of(&pair);
        if locate_flow(key) != NOWHERE {
            break;
        }
    }
    if outcome != DONE {
        free_record(record);
    }
    outcome
}

/// Removes a connection if its record still has this version. Returns whether it did.
#[inline(always)]
pub(crate) fn remove_flow(key: &FlowKey, version: Version) -> bool {
    let place = locate_flow(key);
    is_of(place, version) && take_out_flow(key, place, version.last_seen) != 0
}

/// Whether the entry at a place is for the record of this version.
#[inline(always)]
fn is_of(place: u64, version: Version) -> bool {
    place != NOWHERE && u64::from(EntryRef(place).record()) == version.number
}

/// Removes the entry at a place and frees its record; 1 if it was still there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_out_flow(key: *const FlowKey, place: u64, last_seen: Tick) -> i32 {
    let is_out = take_out(key, EntryRef(place), last_seen);
    if is_out {
        free_record(EntryRef(place).record());
    }
    i32::from(is_out)
}

/// Adds the entry by translated port for a connection: [`DONE`], [`EXISTS`] if another record has
/// the inside key and `takes_over` is 0, or [`FULL`], also if another CPU has removed the record.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn index_translated(
    key: *const InsideKey,
    of_flow: *const FlowKey,
    takes_over: u32,
) -> i32 {
    let mut named = NONE;
    // Another CPU may remove and insert the connection between the look-up and the insertion, whose
    // entry is then for a record that no longer exists.
    for _ in 0..ATTEMPTS {
        let record = record_at(locate_flow(of_flow));
        if record == NONE {
            remove_name(key, named);
            return FULL;
        }
        if record == named {
            return DONE;
        }
        let outcome = insert_translated(key, record, takes_over);
        if outcome != DONE {
            return outcome;
        }
        named = record;
    }
    DONE
}

/// Removes the entry by translated port that was added for a record, if there is one.
#[inline(always)]
fn remove_name(key: *const InsideKey, record: u32) {
    let place = locate_translated(key);
    if place != NOWHERE
        && EntryRef(place).record() == record
        && let Some(named) = maps::FLOWS.get_ptr(record)
    {
        let last_seen = racy!(named, head.last_seen).get();
        take_out_translated(key, place, last_seen);
    }
}

/// Adds the only entry by translated port with an inside key: [`DONE`], [`EXISTS`] if another
/// record has the key and `takes_over` is 0, or [`FULL`], also if the record is [`NONE`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn insert_translated(key: *const InsideKey, record: u32, takes_over: u32) -> i32 {
    // SAFETY: as in `locate_in_first`.
    let Some(of_key) = (unsafe { key.as_ref() }) else { return FULL };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return FULL };
    let pair = of_key.bucket_pair(layout);
    if record == NONE {
        return FULL;
    }
    let entry = pair.entry(record);
    for _ in 0..ATTEMPTS {
        let generation = generation_of(&pair);
        let found = locate_translated(key);
        let outcome = if found == NOWHERE {
            put_into_index(pair.first, pair.second, entry, generation)
        } else if takes_over == 0 {
            return if record_at(found) == record { DONE } else { EXISTS };
        } else {
            let place = EntryRef(found);
            let bucket = if place.is_in_second() { pair.second } else { pair.first };
            let old = pair.entry(place.record());
            if replace(bucket, place.entry(), old, entry) { DONE } else { EXISTS }
        };
        if outcome != EXISTS {
            return outcome;
        }
    }
    FULL
}

/// Removes the entry by translated port of a record, if it still has this version.
#[inline(always)]
pub(crate) fn remove_translated(key: &InsideKey, version: Version) {
    let place = locate_translated(key);
    if is_of(place, version) {
        take_out_translated(key, place, version.last_seen);
    }
}

/// Removes the entry at a place; 1 if it was still there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_out_translated(key: *const InsideKey, place: u64, last_seen: Tick) -> i32 {
    i32::from(take_out(key, EntryRef(place), last_seen))
}
