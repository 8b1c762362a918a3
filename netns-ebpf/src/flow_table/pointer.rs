//! A record, as the datapath reads and writes it.

use core::{
    marker::PhantomData,
    ops::Deref,
    sync::atomic::{Ordering, compiler_fence},
};

use netns_common::{
    abi::{FlowHead, FlowKey, FlowRecord, Ip4, Sequences},
    datapath::{Direction, FlowRef, Touch, Version},
};

use super::look_up::Wanted as _;
use crate::maps;

/// A record in the flow table. Its memory is never freed. One whose flow another CPU forgets meanwhile
/// may be taken for another flow, and what is read then is of that one: who gives a packet to an inside end
/// by it asks [`FlowRef::was_of`]. What is written then goes to that one too: a packet's counts, a state,
/// a way out. It takes a flow that is forgotten within the nanoseconds that a packet of it takes, and a table
/// so full that its record is the next to be taken.
pub(crate) struct FlowPointer<'a> {
    record: *mut FlowRecord,
    number: u32,
    table: PhantomData<&'a FlowRecord>,
}

impl FlowPointer<'_> {
    #[inline(always)]
    pub(crate) const fn new(record: *mut FlowRecord, number: u32) -> Self {
        Self { record, number, table: PhantomData }
    }

    #[inline(always)]
    const fn head(&self) -> *mut FlowHead {
        // SAFETY: a look-up gave the pointer; nothing is read.
        unsafe { &raw mut (*self.record).head }
    }
}

impl Deref for FlowPointer<'_> {
    type Target = FlowRecord;

    #[inline(always)]
    fn deref(&self) -> &FlowRecord {
        // SAFETY: the pointer came from a successful look-up and is valid until the program
        // ends; the verifier checks just that.
        unsafe { &*self.record }
    }
}

impl FlowRef for FlowPointer<'_> {
    #[inline(always)]
    fn version(&self) -> Version {
        // SAFETY: as in `deref`, and a word is read whole.
        let last_seen = unsafe { (&raw const (*self.head()).last_seen).read_volatile() };
        Version { number: u64::from(self.number), last_seen }
    }

    #[inline(always)]
    fn was_of(&self, key: &FlowKey) -> bool {
        // What was read stays before this.
        compiler_fence(Ordering::SeqCst);
        key.is(self.record)
    }

    #[inline(always)]
    fn sequences(&self) -> Sequences {
        maps::FLOW_TAILS.get(self.number).map_or_else(Sequences::default, |tail| tail.sequences)
    }

    #[inline(always)]
    fn set_sequences(&self, sequences: &Sequences) {
        if let Some(tail) = maps::FLOW_TAILS.get_ptr_mut(self.number) {
            // SAFETY: a look-up gave the pointer; no word of it is torn.
            unsafe { (&raw mut (*tail).sequences).write_volatile(*sequences) };
        }
    }

    #[inline(always)]
    fn touch(&self, touch: &Touch) {
        let flow = self.head();
        // SAFETY: as in `deref`. The stores are volatile because other CPUs write the same
        // words; none is torn, and a lost count is accepted.
        unsafe {
            // An unchanged word is not written: its cache line stays shared between CPUs.
            if let Some(now) = touch.seen
                && (*flow).last_seen != now
            {
                (&raw mut (*flow).last_seen).write_volatile(now);
            }
            if let Some(state) = touch.state {
                (&raw mut (*flow).state).write_volatile(state as u8);
            }
            let (packets, bytes) = match touch.direction {
                Direction::Out => (&raw mut (*flow).packets_out, &raw mut (*flow).bytes_out),
                Direction::In => (&raw mut (*flow).packets_in, &raw mut (*flow).bytes_in),
            };
            packets.write_volatile(packets.read_volatile().wrapping_add(1));
            let (sum, overflows) = bytes.read_volatile().overflowing_add(touch.bytes);
            bytes.write_volatile(sum);
            if overflows {
                carry(self.number, touch.direction as u32);
            }
        }
    }

    #[inline(always)]
    fn reroute(&self, egress: u32, next_hop: Ip4) {
        let flow = self.head();
        // SAFETY: as in `touch`.
        unsafe {
            if (*flow).egress != egress || (*flow).next_hop != next_hop {
                (&raw mut (*flow).egress).write_volatile(egress);
                (&raw mut (*flow).next_hop).write_volatile(next_hop);
            }
        }
    }
}

/// Counts that the lower half of a flow's bytes in a direction has overflowed. A function of its
/// own, since it is rare, and called from ways that have little of the stack left.
#[inline(never)]
fn carry(number: u32, direction: u32) {
    let Some(tail) = maps::FLOW_TAILS.get_ptr_mut(number) else { return };
    // SAFETY: a look-up gave the pointer, and a word is read and written whole.
    unsafe {
        let upper = if direction == Direction::Out as u32 {
            &raw mut (*tail).bytes_out
        } else {
            &raw mut (*tail).bytes_in
        };
        upper.write_volatile(upper.read_volatile().wrapping_add(1));
    }
}
