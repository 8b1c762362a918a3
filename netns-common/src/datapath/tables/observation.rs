//! The part of a packet that the update of its flow depends on.

use crate::{
    abi::{Direction, Tick},
    datapath::packet::tcp_segment::Segment,
};

/// The parts of a packet that update the record of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    pub direction: Direction,
    /// `None` for all protocols but TCP.
    pub segment: Option<Segment>,
    pub now: Tick,
    /// Length of the IP packet in bytes.
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
