//! A record of the flow table in memory.

use std::{cell::Cell, ops::Deref, rc::Rc};

use crate::{
    abi::{Direction, Flow, FlowKey, FlowRecord, Ip4, Sequences},
    datapath::{FlowRef, Touch, Version},
};

/// A record in the flow table: as it was when it was looked up, and the place to write to.
#[derive(Clone, Debug)]
pub struct MemoryFlow {
    pub(super) found: FlowRecord,
    pub(super) place: Rc<Cell<Flow>>,
    /// Whether another CPU reuses it for another connection while it is read.
    pub(super) is_lost: bool,
}

impl Deref for MemoryFlow {
    type Target = FlowRecord;

    fn deref(&self) -> &FlowRecord {
        &self.found
    }
}

impl FlowRef for MemoryFlow {
    fn version(&self) -> Version {
        Version { number: number(&self.place), last_seen: self.found.last_seen }
    }

    fn was_of(&self, _key: &FlowKey) -> bool {
        !self.is_lost
    }

    /// The current numbers: a connection of an end with itself updates its one record twice.
    fn sequences(&self) -> Sequences {
        self.place.get().tail.sequences
    }

    fn set_sequences(&self, sequences: &Sequences) {
        let mut flow = self.place.get();
        flow.tail.sequences = *sequences;
        self.place.set(flow);
    }

    fn touch(&self, touch: &Touch) {
        let mut flow = self.place.get();
        flow.last_seen = touch.seen.unwrap_or(flow.last_seen);
        if let Some(state) = touch.state {
            flow.state = state as u8;
        }
        let Flow { head, tail } = &mut flow;
        let (packets, bytes, upper) = match touch.direction {
            Direction::Out => (&mut head.packets_out, &mut head.bytes_out, &mut tail.bytes_out),
            Direction::In => (&mut head.packets_in, &mut head.bytes_in, &mut tail.bytes_in),
        };
        *packets = packets.wrapping_add(1);
        let (sum, overflows) = bytes.overflowing_add(touch.bytes);
        *bytes = sum;
        *upper = upper.wrapping_add(u32::from(overflows));
        self.place.set(flow);
    }

    fn reroute(&self, egress: u32, next_hop: Ip4) {
        let mut flow = self.place.get();
        (flow.egress, flow.next_hop) = (egress, next_hop);
        self.place.set(flow);
    }
}

/// The number that distinguishes a record from all others.
pub(super) fn number(place: &Rc<Cell<Flow>>) -> u64 {
    Rc::as_ptr(place).addr() as u64
}

/// The current version of a record.
pub(super) fn version_of(place: &Rc<Cell<Flow>>) -> Version {
    Version { number: number(place), last_seen: place.get().last_seen }
}
