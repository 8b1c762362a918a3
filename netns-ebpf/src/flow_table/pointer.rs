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

/// A record in the flow table. Its memory is never freed. If another CPU removes its flow, the
/// record may be reused for another flow, whose values are then read. So a program that delivers a
/// packet to an inside end by it checks [`FlowRef::was_of`]. Writes then go to the other flow too:
/// the counts of a packet, a state, a route. This needs a flow that is removed within the
/// nanoseconds of handling its packet, and a table so full that its record is the next to be
/// allocated.
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
        // The reads before must not move after this.
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
        // An unchanged word is not written, so that its cache line stays shared between CPUs.
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
        // An addition by another CPU at the same instant may be lost.
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

/// Counts an overflow of the lower half of a flow's byte count in one direction. A separate
/// function, because it is rare and its callers have little stack left.
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
