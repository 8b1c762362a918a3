//! The records: which are taken, and writing them.

use aya_ebpf::{
    bindings::bpf_spin_lock,
    helpers::generated::{bpf_spin_lock as lock, bpf_spin_unlock as unlock},
};
use netns_common::{
    abi::{Flow, FlowKey, FlowWord, RECORDS_OF_WORD},
    datapath::{WORDS_LOOKED_AT, lowest_free, word_to_look_at},
};

use super::NONE;
use crate::maps;

/// A word, with its lock.
#[repr(C)]
pub(crate) struct Word {
    lock: bpf_spin_lock,
    padding: u32,
    pub(crate) taken: u64,
}

const _: () = assert!(size_of::<Word>() == size_of::<FlowWord>());

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
pub(super) extern "C" fn take_any_record(
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
pub(super) fn free_record(record: u32) {
    let Some(word) = maps::FLOW_WORDS.get_ptr_mut(record / RECORDS_OF_WORD) else { return };
    let bit = 1_u64 << (record % RECORDS_OF_WORD);
    // SAFETY: as in `put_entry`.
    unsafe {
        lock(&raw mut (*word).lock);
        (*word).taken &= !bit;
        unlock(&raw mut (*word).lock);
    }
}
