//! Looking for a connection, by what the outside calls it or by what the inside does.

use core::mem::offset_of;

use netns_common::{
    abi::{BUCKET_ENTRIES, FlowHead, FlowKey, FlowLayout, FlowRecord, InsideKey, Port},
    datapath::Spot,
};

use super::index::{Bucket, entry_of};
use crate::maps;

/// What is looked for.
pub(super) trait Wanted {
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
            let head = &raw const (*record).head;
            (&raw const (*record).remote).read_volatile() == self.remote
                && pair(&raw const (*record).remote_port) == pair(&raw const self.remote_port)
                && (&raw const (*head).external).read_volatile() == self.external
                && (&raw const (*head).protocol).read_volatile() == self.protocol
        }
    }
}

/// Two ports that lie one behind the other, as one word: the second is the next field's.
///
/// # Safety
/// The pointer is to such a field, at a multiple of four bytes, and valid to read.
#[inline(always)]
unsafe fn pair(first: *const Port) -> u32 {
    // SAFETY: as the caller says.
    unsafe { first.cast::<u32>().read_volatile() }
}

const _: () = {
    let record = offset_of!(FlowRecord, remote_port);
    let head = offset_of!(FlowRecord, head) + offset_of!(FlowHead, inside_port);
    let (flow, inside) = (offset_of!(FlowKey, remote_port), offset_of!(InsideKey, inside_port));
    assert!(record % 4 == 0 && head % 4 == 0 && flow % 4 == 0 && inside % 4 == 0);
    assert!(offset_of!(FlowRecord, external_port) == record + 2);
    assert!(offset_of!(FlowHead, seen_port) == offset_of!(FlowHead, inside_port) + 2);
    assert!(offset_of!(FlowKey, external_port) == flow + 2);
    assert!(offset_of!(InsideKey, seen_port) == inside + 2);
};

/// A connection as the inside calls it, if it has the same ports inside and outside.
#[repr(transparent)]
pub(super) struct Kept(InsideKey);

impl Wanted for Kept {
    #[inline(always)]
    fn spot(&self, layout: &FlowLayout) -> Spot {
        Spot::of_kept(layout, &self.0)
    }

    #[inline(always)]
    fn is(&self, record: *const FlowRecord) -> bool {
        // SAFETY: as above.
        let (outside, inside) = unsafe {
            (pair(&raw const (*record).remote_port), pair(&raw const self.0.inside_port))
        };
        // The remote's port comes first outside, and last inside.
        outside == inside.rotate_left(16) && self.0.is(record)
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
            let head = &raw const (*record).head;
            (&raw const (*head).inside).read_volatile() == self.inside
                && pair(&raw const (*head).inside_port) == pair(&raw const self.inside_port)
                && (&raw const (*record).remote).read_volatile() == self.remote
                && (&raw const (*head).protocol).read_volatile() == self.protocol
        }
    }
}

/// What is not in the index.
pub(super) const NOWHERE: u64 = 0;

/// What is not in its first bucket, of which some keys are in their second.
const ELSEWHERE: u64 = 1;

/// Where an entry of the index is, in a word: functions that the verifier looks at by themselves
/// give back nothing larger.
#[derive(Clone, Copy)]
pub(super) struct Place(pub(super) u64);

impl Place {
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

    /// Which entry of its bucket it is.
    #[inline(always)]
    pub(super) const fn entry(self) -> u64 {
        (self.0 >> 32) & 0xf
    }

    #[inline(always)]
    pub(super) const fn is_in_second(self) -> bool {
        self.0 & Self::IS_IN_SECOND != 0
    }
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
extern "C" fn first_of_moved(key: *const InsideKey) -> u64 {
    locate_in_first(key)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn second_of_moved(key: *const InsideKey) -> u64 {
    locate_in_second(key)
}

#[inline(always)]
pub(super) fn locate_flow(key: *const FlowKey) -> u64 {
    let found = first_of_flow(key);
    if found == ELSEWHERE { second_of_flow(key) } else { found }
}

#[inline(always)]
pub(super) fn locate_kept(key: *const InsideKey) -> u64 {
    // It is laid out as its only field.
    let key = key.cast();
    let found = first_of_kept(key);
    if found == ELSEWHERE { second_of_kept(key) } else { found }
}

#[inline(always)]
pub(super) fn locate_moved(key: *const InsideKey) -> u64 {
    let found = first_of_moved(key);
    if found == ELSEWHERE { second_of_moved(key) } else { found }
}
