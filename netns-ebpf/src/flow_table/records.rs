//! The records: allocating, writing and freeing them.

use core::{
    ffi::c_void,
    sync::atomic::{Ordering, compiler_fence},
};

use aya_ebpf::helpers::generated::{
    bpf_get_prandom_u32, bpf_loop, bpf_spin_lock as lock, bpf_spin_unlock as unlock,
};
use netns_common::{
    abi::{Flow, FlowKey, RECORDS_OF_WORD, WORDS_OF_SUMMARY},
    datapath::{FreeScan, WORDS_TRIED, first_record, lowest_free_from},
};

use super::codes::NONE;
use crate::{maps, racy::racy};

/// How often another CPU may take a record first.
const RACES: u32 = 4;

/// Updates the bit of a word in its summary: whether all its records are in use. A program can hold
/// only one lock, so this runs after each relevant change and reads the word again: the last update
/// is right.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sum_up(number: u32) -> i32 {
    let Some(word) = maps::FLOW_WORDS.get_ptr(number) else { return 0 };
    let summary = maps::FLOW_SUMMARIES.get_ptr_mut(number / WORDS_OF_SUMMARY);
    let Some(summary) = summary else { return 0 };
    let bit = 1_u64 << (number % WORDS_OF_SUMMARY);
    let taken = racy!(word, taken);
    // SAFETY: as in `locked`.
    unsafe {
        lock(&raw mut (*summary).lock);
        if taken.get() == u64::MAX {
            (*summary).full |= bit;
        } else {
            (*summary).full &= !bit;
        }
        unlock(&raw mut (*summary).lock);
    }
    0
}

/// Allocates a record and writes it, if it is free and no other CPU is faster; 1 if it was free.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_record(record: u32, key: *const FlowKey, flow: *const Flow) -> i32 {
    // SAFETY: as in `locate_in_first`.
    let (Some(key), Some(flow)) = (unsafe { (key.as_ref(), flow.as_ref()) }) else { return 0 };
    let (Some(word), Some(of_record), Some(tail)) = (
        maps::FLOW_WORDS.get_ptr_mut(record / RECORDS_OF_WORD),
        maps::FLOWS.get_ptr_mut(record),
        maps::FLOW_TAILS.get_ptr_mut(record),
    ) else {
        return 0;
    };
    let bit = 1_u64 << (record % RECORDS_OF_WORD);
    let taken = racy!(word, taken);
    // SAFETY: as in `locked`. The record is written while the lock is held, so that it is whole
    // for whoever finds an entry that is put under another lock after this one; and before its bit,
    // for the sweeper, which goes by that.
    unsafe {
        lock(&raw mut (*word).lock);
        let is_free = (*word).taken & bit == 0;
        if is_free {
            (*of_record).remote = key.remote;
            (*of_record).remote_port = key.remote_port;
            (*of_record).external_port = key.external_port;
            (*of_record).head.external = key.external;
            (*of_record).head.protocol = key.protocol;
            // A CPU that has read the record in the meantime compares its key.
            compiler_fence(Ordering::SeqCst);
            (*of_record).head = flow.head;
            *tail = flow.tail;
            compiler_fence(Ordering::SeqCst);
            taken.set(taken.get() | bit);
        }
        unlock(&raw mut (*word).lock);
        i32::from(is_free)
    }
}

/// The records of a word in use; all, if there is no such word.
#[inline(always)]
pub(super) fn taken_of(word: u32) -> u64 {
    maps::FLOW_WORDS.get_ptr(word).map_or(u64::MAX, |word| racy!(word, taken).get())
}

/// A free record, from the record `from` on with wrap-around, or [`NONE`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_free(from: u32, words: u32) -> u32 {
    let mut from = from;
    for _ in 0..WORDS_TRIED {
        let word = find_room(from / RECORDS_OF_WORD, words);
        if word == NONE {
            return NONE;
        }
        let first = if word == from / RECORDS_OF_WORD { from % RECORDS_OF_WORD } else { 0 };
        let place = lowest_free_from(taken_of(word), first);
        let record = word.wrapping_mul(RECORDS_OF_WORD).wrapping_add(place);
        // The last word may have bits without a record.
        if place < RECORDS_OF_WORD && maps::FLOWS.get_ptr(record).is_some() {
            return record;
        }
        from = word.wrapping_add(1).wrapping_mul(RECORDS_OF_WORD);
    }
    NONE
}

/// The first word with a free record, from `word` on with wrap-around, or [`NONE`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_room(word: u32, words: u32) -> u32 {
    let mut search = Room { scan: FreeScan::new(word, words), found: NONE };
    let rest = search.scan.rest();
    if look_for_room(0, &raw mut search) == 0 {
        let context = (&raw mut search).cast();
        // SAFETY: callback and context are what the helper expects; the context outlives the call.
        unsafe { bpf_loop(rest, look_for_room as *mut c_void, context, 0) };
    }
    search.found
}

/// A search and its result.
struct Room {
    scan: FreeScan,
    found: u32,
}

/// Reads one summary; 0 continues with the next.
extern "C" fn look_for_room(_: u32, search: *mut Room) -> i64 {
    // SAFETY: the context given above.
    let search = unsafe { &mut *search };
    let summary = maps::FLOW_SUMMARIES.get_ptr(search.scan.summary());
    // A summary that does not exist has no room.
    let full = summary.map_or(u64::MAX, |summary| racy!(summary, full).get());
    match search.scan.look(full) {
        Some(word) => {
            search.found = word;
            1
        }
        None => 0,
    }
}

/// Allocates a free record and writes it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn take_any_record(
    hash: u32,
    words: u32,
    key: *const FlowKey,
    flow: *const Flow,
) -> u32 {
    if key.is_null() || flow.is_null() {
        return NONE;
    }
    let Some(cursor) = maps::FLOW_CURSORS.get_ptr_mut(0) else { return NONE };
    // SAFETY: a look-up gave the pointer, and the slot is this CPU's own.
    let mut from = first_record(unsafe { *cursor }, hash, words);
    for _ in 0..RACES {
        let record = find_free(from, words);
        if record == NONE {
            return NONE;
        }
        if take_record(record, key, flow) != 0 {
            // SAFETY: as above.
            unsafe { *cursor = record.wrapping_add(1) };
            if taken_of(record / RECORDS_OF_WORD) == u64::MAX {
                sum_up(record / RECORDS_OF_WORD);
            }
            return record;
        }
        // SAFETY: takes nothing.
        from = first_record(0, unsafe { bpf_get_prandom_u32() }, words);
    }
    NONE
}

#[inline(always)]
pub(super) fn free_record(record: u32) {
    let number = record / RECORDS_OF_WORD;
    let Some(word) = maps::FLOW_WORDS.get_ptr_mut(number) else { return };
    let bit = 1_u64 << (record % RECORDS_OF_WORD);
    // SAFETY: as in `locked`.
    unsafe {
        lock(&raw mut (*word).lock);
        let was_full = (*word).taken == u64::MAX;
        (*word).taken &= !bit;
        unlock(&raw mut (*word).lock);
        if was_full {
            sum_up(number);
        }
    }
}
