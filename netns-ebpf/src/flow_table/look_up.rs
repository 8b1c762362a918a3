//! Look-ups in the index, by outside key or inside key.

use netns_common::{
    abi::{BUCKET_ENTRIES, FlowKey, InsideKey},
    datapath::BucketPair,
};

use super::{
    bucket::entry_of,
    key::{Kept, LookupKey},
};
use crate::{
    maps::{self, Bucket},
    racy::racy,
};

/// The key is not in the index.
pub(super) const NOWHERE: u64 = 0;

/// The key is not in its first bucket, and may be in its second.
const ELSEWHERE: u64 = 1;

/// The place of an entry in the index, in one word: global functions return nothing larger.
#[derive(Clone, Copy)]
pub(super) struct EntryRef(pub(super) u64);

impl EntryRef {
    const IS_ONE: u64 = 1 << 40;
    const IS_IN_SECOND: u64 = 1 << 39;

    #[inline(always)]
    const fn new(record: u32, entry: usize, is_in_second: bool) -> Self {
        let bucket = if is_in_second { Self::IS_IN_SECOND } else { 0 };
        Self(Self::IS_ONE | bucket | ((entry as u64) << 32) | record as u64)
    }

    #[inline(always)]
    pub(super) const fn record(self) -> u32 {
        self.0 as u32
    }

    /// The number of the entry in its bucket.
    #[inline(always)]
    pub(super) const fn entry(self) -> u64 {
        (self.0 >> 32) & 0xf
    }

    #[inline(always)]
    pub(super) const fn is_in_second(self) -> bool {
        self.0 & Self::IS_IN_SECOND != 0
    }
}

/// The place of a key in its first bucket, [`NOWHERE`], or [`ELSEWHERE`]. Separate from the second
/// bucket, because both together need more stack than the callers have left.
#[inline(always)]
fn locate_in_first<W: LookupKey>(wanted: *const W) -> u64 {
    // SAFETY: no other than null and one to what is wanted is passed.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return NOWHERE };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return NOWHERE };
    let pair = wanted.bucket_pair(layout);
    let Some(bucket) = maps::FLOW_INDEX.get_ptr(pair.first) else { return NOWHERE };
    let found = locate_in(wanted, &pair, bucket, false);
    if found == NOWHERE && racy!(bucket, overflow_count).get() != 0 {
        return ELSEWHERE;
    }
    found
}

/// The place of a key in its second bucket, or [`NOWHERE`].
#[inline(always)]
fn locate_in_second<W: LookupKey>(wanted: *const W) -> u64 {
    // SAFETY: as in `locate_in_first`.
    let Some(wanted) = (unsafe { wanted.as_ref() }) else { return NOWHERE };
    let Some(layout) = maps::FLOW_LAYOUT.get(0) else { return NOWHERE };
    let pair = wanted.bucket_pair(layout);
    let Some(bucket) = maps::FLOW_INDEX.get_ptr(pair.second) else { return NOWHERE };
    locate_in(wanted, &pair, bucket, true)
}

#[inline(always)]
fn locate_in<W: LookupKey>(
    wanted: &W,
    pair: &BucketPair,
    bucket: *const Bucket,
    is_in_second: bool,
) -> u64 {
    /// Written without a loop, whose counter would take a register and so more stack than is left.
    macro_rules! look_at {
        ($($place:literal)+) => {
            $(
                if let Some(record) = pair.record(entry_of(bucket, $place))
                    && let Some(of_record) = maps::FLOWS.get_ptr(record)
                    && wanted.is(of_record)
                {
                    return EntryRef::new(record, $place, is_in_second).0;
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
extern "C" fn first_of_kept(key: *const Kept) -> u64 {
    locate_in_first(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn second_of_kept(key: *const Kept) -> u64 {
    locate_in_second(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn first_of_translated(key: *const InsideKey) -> u64 {
    locate_in_first(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn second_of_translated(key: *const InsideKey) -> u64 {
    locate_in_second(key)
}

#[inline(always)]
pub(super) fn locate_flow(key: *const FlowKey) -> u64 {
    let found = first_of_flow(key);
    if found == ELSEWHERE { second_of_flow(key) } else { found }
}

#[inline(always)]
pub(super) fn locate_kept(key: *const InsideKey) -> u64 {
    // It has the layout of its only field.
    let key = key.cast();
    let found = first_of_kept(key);
    if found == ELSEWHERE { second_of_kept(key) } else { found }
}

#[inline(always)]
pub(super) fn locate_translated(key: *const InsideKey) -> u64 {
    let found = first_of_translated(key);
    if found == ELSEWHERE { second_of_translated(key) } else { found }
}
