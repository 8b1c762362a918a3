//! The index: its buckets, and changing them.

use aya_ebpf::{
    bindings::bpf_spin_lock,
    helpers::generated::{bpf_spin_lock as lock, bpf_spin_unlock as unlock},
};
use netns_common::{
    abi::{BUCKET_ENTRIES, FlowBucket},
    datapath::{Spot, in_use, is_to_be_compared, lowest_free, prefers_first},
};

use super::{
    DONE, EXISTS, FULL,
    look_up::{Place, Wanted},
};
use crate::maps;

/// A bucket, as the kernel is told of it: with its lock.
#[repr(C, align(8))]
pub(crate) struct Bucket {
    lock: bpf_spin_lock,
    changes: u16,
    pub(super) spilled: u16,
    entries: [u32; BUCKET_ENTRIES],
}

const _: () = assert!(size_of::<Bucket>() == size_of::<FlowBucket>());

#[inline(always)]
pub(super) fn entry_of(bucket: *const Bucket, place: usize) -> u32 {
    // SAFETY: a look-up gave the pointer, and a word is read whole.
    unsafe { (&raw const (*bucket).entries[place]).read_volatile() }
}

#[inline(always)]
pub(super) fn changes_of(spot: &Spot) -> u16 {
    // SAFETY: as in `entry_of`.
    let changes = |bucket: *const Bucket| unsafe { (&raw const (*bucket).changes).read_volatile() };
    maps::FLOW_INDEX.get_ptr(spot.first).map_or(0, changes)
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
pub(super) extern "C" fn put_entry(first: u32, second: u32, entry: u32, changes: u16) -> i32 {
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
pub(super) fn replace(bucket: u32, place: u64, old: u32, new: u32) -> bool {
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
pub(super) fn take_out<W: Wanted>(wanted: *const W, place: Place) -> bool {
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
