//! A record, as the datapath reads and writes it.

use core::{
    marker::PhantomData,
    ops::Deref,
    sync::atomic::{Ordering, compiler_fence},
};

use netns_common::{
    abi::{Direction, FlowKey, FlowRecord, Ip4, Sequences},
    datapath::{FlowRef, Touch, Version},
};

use super::key::LookupKey as _;
use crate::{maps, racy::racy};

/// A record in the flow table. Its memory is never freed. One whose flow another CPU forgets
/// meanwhile may be taken for another flow, and what is read then is of that one: who gives a
/// packet to an inside end by it asks [`FlowRef::was_of`]. What is written then goes to that one
/// too: a packet's counts, a state, a way out. It takes a flow that is forgotten within the
/// nanoseconds that a packet of it takes, and a table so full that its record is the next to be
/// taken.
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
        let last_seen = racy!(self.record, head.last_seen).get();
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
            racy!(tail, sequences).set(*sequences);
        }
    }

    #[inline(always)]
    fn touch(&self, touch: &Touch) {
        // An unchanged word is not written: its cache line stays shared between CPUs.
        if let Some(now) = touch.seen
            && self.last_seen != now
        {
            racy!(self.record, head.last_seen).set(now);
        }
        if let Some(state) = touch.state {
            racy!(self.record, head.state).set(state as u8);
        }
        let (packets, bytes) = match touch.direction {
            Direction::Out => {
                (racy!(self.record, head.packets_out), racy!(self.record, head.bytes_out))
            }
            Direction::In => {
                (racy!(self.record, head.packets_in), racy!(self.record, head.bytes_in))
            }
        };
        // A count that another CPU makes at the same instant may be lost.
        packets.set(packets.get().wrapping_add(1));
        let (sum, overflows) = bytes.get().overflowing_add(touch.bytes);
        bytes.set(sum);
        if overflows {
            count_overflow(self.number, touch.direction as u32);
        }
    }

    #[inline(always)]
    fn reroute(&self, egress: u32, next_hop: Ip4) {
        if self.egress != egress || self.next_hop != next_hop {
            racy!(self.record, head.egress).set(egress);
            racy!(self.record, head.next_hop).set(next_hop);
        }
    }
}

/// Counts that the lower half of a flow's bytes in a direction has overflowed. A function of its
/// own, since it is rare, and its callers have little of the stack left.
#[inline(never)]
fn count_overflow(number: u32, direction: u32) {
    let Some(tail) = maps::FLOW_TAILS.get_ptr_mut(number) else { return };
    let upper = if direction == Direction::Out as u32 {
        racy!(tail, bytes_out)
    } else {
        racy!(tail, bytes_in)
    };
    upper.set(upper.get().wrapping_add(1));
}

/// The record of this number, as the datapath reads and writes it.
#[inline(always)]
pub(crate) fn flow_of<'a>(number: u32) -> Option<FlowPointer<'a>> {
    record(number).map(|record| FlowPointer::new(record, number))
}

/// The record of this number.
#[inline(always)]
pub(crate) fn record(number: u32) -> Option<*mut FlowRecord> {
    maps::FLOWS.get_ptr_mut(number)
}
