//! The index: its buckets, and changing them.

use netns_common::{
    abi::{BUCKET_ENTRIES, Tick},
    datapath::{Buckets, Put, in_use, put_entry},
};

use super::{
    bucket::{entry_of, locked, set_entry, set_overflow_count},
    codes::{DONE, EXISTS, FULL},
    key::LookupKey,
    look_up::EntryRef,
};
use crate::{maps, racy::racy};

/// The entries of a bucket in use, one bit each; all, if there is no such bucket.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn entries_in_use(bucket: u32) -> u64 {
    maps::FLOW_INDEX
        .get_ptr(bucket)
        .map_or(u64::MAX, |bucket| in_use(|place| entry_of(bucket, place)))
}

/// Inserts an entry into the index: [`DONE`], [`FULL`], or [`EXISTS`] if a key of its first bucket
/// was inserted since `generation` was read.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn put_into_index(
    first: u32,
    second: u32,
    entry: u32,
    generation: u16,
) -> i32 {
    match put_entry(&Index, first, second, entry, generation) {
        Put::Done => DONE,
        Put::Changed => EXISTS,
        Put::Full => FULL,
    }
}

/// The index in its map.
struct Index;

impl Buckets for Index {
    #[inline(always)]
    fn in_use(&self, bucket: u32) -> u64 {
        entries_in_use(bucket)
    }

    #[inline(always)]
    fn put(&self, bucket: u32, place: u32, entry: u32, generation: u16) -> bool {
        let place = place as usize;
        if place >= BUCKET_ENTRIES {
            return false;
        }
        locked(bucket, |bucket| {
            let is_as_before = bucket.generation == generation && entry_of(bucket, place) == 0;
            if is_as_before {
                set_entry(bucket, place, entry);
                bucket.generation = generation.wrapping_add(1);
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn reserve(&self, bucket: u32, generation: u16) -> bool {
        locked(bucket, |bucket| {
            let is_as_before = bucket.generation == generation;
            if is_as_before {
                set_overflow_count(bucket, bucket.overflow_count.saturating_add(1));
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn commit(&self, bucket: u32, generation: u16) -> bool {
        locked(bucket, |bucket| {
            let is_as_before = bucket.generation == generation;
            if is_as_before {
                bucket.generation = generation.wrapping_add(1);
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn release(&self, bucket: u32) {
        locked(bucket, |bucket| {
            let overflow_count = bucket.overflow_count;
            let is_known = overflow_count != 0 && overflow_count != u16::MAX;
            if is_known {
                set_overflow_count(bucket, overflow_count - 1);
            }
            is_known
        });
    }

    #[inline(always)]
    fn replace(&self, bucket: u32, place: u32, old: u32, new: u32) -> bool {
        replace(bucket, place.into(), old, new)
    }
}

/// Replaces an entry of a bucket if it is the expected one. Returns whether it was. `place` is a
/// 64-bit word, because after a conversion the compiler checks one register and uses the other.
#[inline(always)]
pub(super) fn replace(bucket: u32, place: u64, old: u32, new: u32) -> bool {
    let place = place as usize;
    if place >= BUCKET_ENTRIES {
        return false;
    }
    locked(bucket, |bucket| {
        let is_there = entry_of(bucket, place) == old;
        if is_there {
            set_entry(bucket, place, new);
        }
        is_there
    })
}

/// Removes the entry at a place from the index, if it is still there and its record was last seen
/// at `last_seen`: a record that another CPU has freed and reused was seen later. Returns whether
/// it was removed.
#[inline(always)]
pub(super) fn take_out<W: LookupKey>(wanted: *const W, place: EntryRef, last_seen: Tick) -> bool {
    // SAFETY: as in `locate_in_first`.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return false };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return false };
    let pair = wanted.bucket_pair(layout);
    let bucket = if place.is_in_second() { pair.second } else { pair.first };
    if erase(bucket, place.0, pair.entry(place.record()), last_seen) == 0 {
        return false;
    }
    if place.is_in_second() {
        Index.release(pair.first);
    }
    true
}

/// The same for an entry of a bucket; 1 if it was removed. A separate function, because its callers
/// have little stack left.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn erase(bucket: u32, place: u64, entry: u32, last_seen: Tick) -> i32 {
    let place = EntryRef(place);
    let Some(record) = maps::FLOWS.get_ptr(place.record()) else { return 0 };
    let at = place.entry() as usize;
    if at >= BUCKET_ENTRIES {
        return 0;
    }
    let is_out = locked(bucket, |bucket| {
        let was_seen = racy!(record, head.last_seen).get();
        let is_it = entry_of(bucket, at) == entry && was_seen == last_seen;
        if is_it {
            set_entry(bucket, at, 0);
        }
        is_it
    });
    i32::from(is_out)
}
