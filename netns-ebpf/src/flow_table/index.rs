//! The index: its buckets, and changing them.

use aya_ebpf::{
    bindings::bpf_spin_lock,
    helpers::generated::{bpf_spin_lock as lock, bpf_spin_unlock as unlock},
};
use netns_common::{
    abi::{BUCKET_ENTRIES, FlowBucket, Tick},
    datapath::{Buckets, Put, Spot, in_use, put_entry},
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

/// What counts what is put under keys of a spot's first bucket. What is looked for afterwards is found
/// if it was put before: machines that may read out of order take the lock for that.
#[inline(always)]
pub(super) fn changes_of(spot: &Spot) -> u16 {
    const READS_IN_ORDER: bool = cfg!(bpf_target_arch = "x86_64");
    let Some(bucket) = maps::FLOW_INDEX.get_ptr_mut(spot.first) else { return 0 };
    // SAFETY: as in `locked`, and a half-word is read whole.
    unsafe {
        if READS_IN_ORDER {
            return (&raw const (*bucket).changes).read_volatile();
        }
        lock(&raw mut (*bucket).lock);
        let changes = (*bucket).changes;
        unlock(&raw mut (*bucket).lock);
        changes
    }
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
pub(super) extern "C" fn put_into_index(first: u32, second: u32, entry: u32, changes: u16) -> i32 {
    match put_entry(&Index, first, second, entry, changes) {
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
    fn put(&self, bucket: u32, place: u32, entry: u32, changes: u16) -> bool {
        let place = place as usize;
        if place >= BUCKET_ENTRIES {
            return false;
        }
        locked(bucket, |bucket| {
            let is_as_before = bucket.changes == changes && entry_of(bucket, place) == 0;
            if is_as_before {
                set_entry(bucket, place, entry);
                bucket.changes = changes.wrapping_add(1);
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn reserve(&self, bucket: u32, changes: u16) -> bool {
        locked(bucket, |bucket| {
            let is_as_before = bucket.changes == changes;
            if is_as_before {
                set_spilled(bucket, bucket.spilled.saturating_add(1));
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn commit(&self, bucket: u32, changes: u16) -> bool {
        locked(bucket, |bucket| {
            let is_as_before = bucket.changes == changes;
            if is_as_before {
                bucket.changes = changes.wrapping_add(1);
            }
            is_as_before
        })
    }

    #[inline(always)]
    fn release(&self, bucket: u32) {
        locked(bucket, |bucket| {
            let spilled = bucket.spilled;
            let is_known = spilled != 0 && spilled != u16::MAX;
            if is_known {
                set_spilled(bucket, spilled - 1);
            }
            is_known
        });
    }

    #[inline(always)]
    fn replace(&self, bucket: u32, place: u32, old: u32, new: u32) -> bool {
        replace(bucket, place.into(), old, new)
    }
}

/// Changes a bucket while its lock is held, in which nothing may be called; false if there is no such
/// bucket.
#[inline(always)]
fn locked(bucket: u32, change: impl FnOnce(&mut Bucket) -> bool) -> bool {
    let Some(bucket) = maps::FLOW_INDEX.get_ptr_mut(bucket) else { return false };
    // SAFETY: a look-up gave the pointer, and the lock lies where the kernel knows it to be. Others
    // that read meanwhile read words.
    unsafe {
        lock(&raw mut (*bucket).lock);
        let is_changed = change(&mut *bucket);
        unlock(&raw mut (*bucket).lock);
        is_changed
    }
}

/// Writes what is read without the lock: whole.
#[inline(always)]
fn set_entry(bucket: &mut Bucket, place: usize, entry: u32) {
    // SAFETY: of an entry that there is, as the compiler checks.
    unsafe { (&raw mut bucket.entries[place]).write_volatile(entry) };
}

/// The same.
#[inline(always)]
fn set_spilled(bucket: &mut Bucket, spilled: u16) {
    // SAFETY: of a bucket that there is.
    unsafe { (&raw mut bucket.spilled).write_volatile(spilled) };
}

/// Has an entry of a bucket be another, if it is the one expected; whether it was. `place` is a word,
/// since of one that is made a word the compiler checks the one and uses the other.
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

/// Takes what a place names out of the index, if it is there still and was last met at `last_seen`: a
/// record that was given back and taken again by another CPU was met since. Whether it was.
#[inline(always)]
pub(super) fn take_out<W: Wanted>(wanted: *const W, place: Place, last_seen: Tick) -> bool {
    // SAFETY: as in `locate_in_first`.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return false };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return false };
    let spot = wanted.spot(layout);
    let bucket = if place.is_in_second() { spot.second } else { spot.first };
    if erase(bucket, place.0, spot.entry(place.record()), last_seen) == 0 {
        return false;
    }
    if place.is_in_second() {
        Index.release(spot.first);
    }
    true
}

/// The same for an entry of a bucket; 1 if it was. A function of its own, since its callers have little of
/// the stack left.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn erase(bucket: u32, place: u64, entry: u32, last_seen: Tick) -> i32 {
    let place = Place(place);
    let Some(record) = maps::FLOWS.get_ptr(place.record()) else { return 0 };
    let at = place.entry() as usize;
    if at >= BUCKET_ENTRIES {
        return 0;
    }
    let is_out = locked(bucket, |bucket| {
        // SAFETY: a look-up gave the pointer, and a word is read whole.
        let was_seen = unsafe { (&raw const (*record).head.last_seen).read_volatile() };
        let is_it = entry_of(bucket, at) == entry && was_seen == last_seen;
        if is_it {
            set_entry(bucket, at, 0);
        }
        is_it
    });
    i32::from(is_out)
}
