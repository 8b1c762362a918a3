//! Updating the record of a flow by a packet: its state, its clock and its counters.

use super::{
    parked::forget_ways,
    state::{Direction, State},
    tcp::{self, Segment},
    traits::{FlowRef, Touch, UsageTable},
};
use crate::abi::{FlowKind, Tick};

/// A packet of a flow, as the flow's record depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    pub direction: Direction,
    /// `None` for all protocols but TCP.
    pub segment: Option<Segment>,
    pub now: Tick,
    /// Bytes of IP.
    pub bytes: u32,
}

impl Observation {
    const IS_TCP: u64 = 1 << 63;
    const IS_IN: u64 = 1 << 62;

    /// Direction and segment in one word: a global function takes at most five arguments.
    #[inline(always)]
    pub fn to_word(&self) -> u64 {
        let segment = self.segment.map_or(0, |segment| Self::IS_TCP | segment.to_word());
        let direction = match self.direction {
            Direction::Out => 0,
            Direction::In => Self::IS_IN,
        };
        segment | direction
    }

    /// The opposite of [`Self::to_word`].
    #[inline(always)]
    pub fn from_word(word: u64, now: Tick, bytes: u32) -> Self {
        let is_tcp = word & Self::IS_TCP != 0;
        Self {
            direction: if word & Self::IS_IN != 0 { Direction::In } else { Direction::Out },
            segment: is_tcp.then_some(Segment::from_word(word)),
            now,
            bytes,
        }
    }
}

/// Writes into a flow's record what a packet changes.
#[inline(always)]
pub fn update_flow<T: UsageTable, F: FlowRef>(tables: &T, flow: &F, packet: &Observation) {
    let &Observation { direction, segment, now, bytes } = packet;
    let from_initiator = direction.is_from_initiator(FlowKind::from_number(flow.kind));
    let observed = segment.map(|segment| {
        let sequences = flow.sequences();
        let state = State::from_number(flow.state);
        let observed = tcp::observe(sequences, state, from_initiator, direction, &segment);
        flow.set_sequences(&observed.sequences);
        observed
    });
    // Read the state again: the verifier then does not follow the rest once for each state.
    let before = State::from_number(forget_ways(&flow.state));
    let mut state = before;
    let mut alive = true;
    // As two options: a pair of both takes 32 bytes more of the stack, which inbound_fragment has not.
    if let Some(segment) = segment
        && let Some(observed) = observed
    {
        if observed.is_plausible {
            let idle = now.wrapping_sub(flow.last_seen);
            state = before.next_tcp(from_initiator, direction, segment.flags(), idle);
            if observed.goes_on {
                state = state.going_on(direction);
            }
        }
        // A segment that does not keep the flow alive still starts the timer of a new state (RFC 7857
        // section 2.2).
        let keeps_alive = !segment.is_rst() && !before.is_reset();
        alive = keeps_alive || state as u8 != before as u8;
    } else if !from_initiator {
        state = State::Replied;
    }
    let seen = if alive { Some(now) } else { None };
    tables.settle(flow, state, from_initiator);
    flow.touch(&Touch { direction, state: Some(state), seen, bytes });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_survives_its_way_through_a_word() {
        for direction in [Direction::Out, Direction::In] {
            for segment in [None, Some(Segment::from_word(0x0001_fffe_8001_00ff))] {
                let packet = Observation { direction, segment, now: 7, bytes: 1500 };
                let back = Observation::from_word(packet.to_word(), 7, 1500);
                assert_eq!(packet, back);
            }
        }
    }
}
