//! A bucket of the index: reading it, and changing it under its lock.

use aya_ebpf::helpers::generated::{bpf_spin_lock as lock, bpf_spin_unlock as unlock};
use netns_common::datapath::BucketPair;

use crate::{
    maps::{self, Bucket},
    racy::racy,
};

/// An entry of a bucket.
#[inline(always)]
pub(super) fn entry_of(bucket: *const Bucket, place: usize) -> u32 {
    racy!(bucket, entries[place]).get()
}

/// The generation of a key's first bucket. A look-up after this finds every entry that was inserted
/// before: machines that may reorder reads take the lock for that.
#[inline(always)]
pub(super) fn generation_of(pair: &BucketPair) -> u16 {
    const READS_IN_ORDER: bool = cfg!(bpf_target_arch = "x86_64");
    let Some(bucket) = maps::FLOW_INDEX.get_ptr_mut(pair.first) else { return 0 };
    if READS_IN_ORDER {
        return racy!(bucket, generation).get();
    }
    // SAFETY: as in `locked`.
    unsafe {
        lock(&raw mut (*bucket).lock);
        let generation = (*bucket).generation;
        unlock(&raw mut (*bucket).lock);
        generation
    }
}

/// Changes a bucket while its lock is held, when no function may be called; false if there is no
/// such bucket.
#[inline(always)]
pub(super) fn locked(bucket: u32, change: impl FnOnce(&mut Bucket) -> bool) -> bool {
    let Some(bucket) = maps::FLOW_INDEX.get_ptr_mut(bucket) else { return false };
    // SAFETY: a look-up gave the pointer, and the lock lies where the kernel knows it to be. Others
    // that read at the same time read whole words.
    unsafe {
        lock(&raw mut (*bucket).lock);
        let is_changed = change(&mut *bucket);
        unlock(&raw mut (*bucket).lock);
        is_changed
    }
}

/// Writes an entry in one store, because others read it without the lock.
#[inline(always)]
pub(super) fn set_entry(bucket: &mut Bucket, place: usize, entry: u32) {
    racy!(bucket, entries[place]).set(entry);
}

/// Writes the count of entries in second buckets in one store.
#[inline(always)]
pub(super) fn set_overflow_count(bucket: &mut Bucket, overflow_count: u16) {
    racy!(bucket, overflow_count).set(overflow_count);
}
