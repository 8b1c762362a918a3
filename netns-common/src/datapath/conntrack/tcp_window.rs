//! The recorded sequence numbers of a TCP connection. They keep an attacker who guessed addresses
//! and ports from changing its state (RFC 5961; ReDAN, NDSS 2025).
//!
//! The record holds the upper halves of the numbers, in units of 64 KiB. So a blind guess succeeds
//! once in some twenty thousand times, and a record grows by only eight bytes.

use crate::{
    abi::{Direction, FlowKind, FlowState, Sequences, TcpEnd},
    datapath::packet::{
        tcp_segment::Segment,
        wire::{ACK, FIN, RST, SYN},
    },
};

/// How far a number may be above the last recorded one, in units. The record has only the beginning
/// of a segment, and a segment is no longer than one unit.
const SLACK: u16 = 1;

/// The largest possible window, in units: 1 GiB (RFC 7323 section 2.3).
const LARGEST_WINDOW: u16 = 0x4000;

/// The result of comparing a segment with its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) sequences: Sequences,
    /// Whether its numbers are plausible for the end whose address it has.
    pub(crate) is_plausible: bool,
    /// Whether it has data above everything its sender has sent so far, so that the sender has not
    /// closed its direction.
    pub(crate) goes_on: bool,
}

/// The sequence numbers of a flow whose first segment is `segment`. The numbers of the silent end
/// follow from this segment, because nothing before it belongs to the connection.
#[inline(always)]
pub(crate) const fn begin(kind: FlowKind, segment: &Segment) -> Sequences {
    let sender = TcpEnd { sequence: segment.sequence, acknowledged: segment.acknowledged };
    let other = TcpEnd { sequence: segment.acknowledged, acknowledged: segment.sequence };
    match kind {
        FlowKind::Forward | FlowKind::Admitted => Sequences { inside: other, remote: sender },
        FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
            Sequences { inside: sender, remote: other }
        }
    }
}

/// Compares a segment of a flow with the recorded numbers.
#[inline(always)]
pub(crate) fn observe(
    sequences: Sequences,
    state: FlowState,
    from_initiator: bool,
    direction: Direction,
    segment: &Segment,
) -> Observed {
    let (before, other) = match direction {
        Direction::Out => (sequences.inside, sequences.remote),
        Direction::In => (sequences.remote, sequences.inside),
    };
    let (is_plausible, sender, other) = judge(before, other, state, from_initiator, segment);
    let sequences = match direction {
        Direction::Out => Sequences { inside: sender, remote: other },
        Direction::In => Sequences { inside: other, remote: sender },
    };
    let goes_on = is_plausible
        && segment.carries_data
        && segment.flags & (SYN | FIN | RST) == 0
        && sender.sequence != before.sequence;
    Observed { sequences, is_plausible, goes_on }
}

#[inline(always)]
fn judge(
    sender: TcpEnd,
    other: TcpEnd,
    state: FlowState,
    from_initiator: bool,
    segment: &Segment,
) -> (bool, TcpEnd, TcpEnd) {
    let acknowledges = segment.flags & ACK != 0;
    if segment.flags & RST != 0 {
        let is_plausible = if matches!(state, FlowState::SynSent) && !from_initiator {
            // An end without the connection knows only the number that it answers (RFC 9293 section
            // 3.5.2).
            acknowledges && is_between(segment.acknowledged, other.sequence, other.sequence)
        } else {
            is_between(segment.sequence, other.acknowledged.wrapping_sub(SLACK), sender.sequence)
        };
        return (is_plausible, sender, other);
    }
    if segment.flags & SYN != 0 && matches!(state, FlowState::SynSent | FlowState::SynReceived) {
        let is_plausible =
            !acknowledges || is_between(segment.acknowledged, other.sequence, other.sequence);
        if !is_plausible || (from_initiator && matches!(state, FlowState::SynReceived)) {
            return (is_plausible, sender, other);
        }
        // Nothing before its first number belongs to the connection.
        let acknowledged = if acknowledges { segment.acknowledged } else { sender.acknowledged };
        return (
            true,
            TcpEnd { sequence: segment.sequence, acknowledged },
            TcpEnd { acknowledged: segment.sequence, ..other },
        );
    }
    let ahead = segment.sequence.wrapping_sub(other.acknowledged.wrapping_sub(SLACK));
    let oldest = sender.acknowledged.wrapping_sub(SLACK);
    let is_plausible = acknowledges
        && ahead < LARGEST_WINDOW
        && is_between(segment.acknowledged, oldest, other.sequence);
    if !is_plausible {
        return (false, sender, other);
    }
    let sender = TcpEnd {
        sequence: later(sender.sequence, segment.sequence),
        acknowledged: later(sender.acknowledged, segment.acknowledged),
    };
    (true, sender, other)
}

/// Whether a number is between two others, with [`SLACK`] after the later one. Numbers wrap.
#[inline(always)]
const fn is_between(number: u16, first: u16, last: u16) -> bool {
    number.wrapping_sub(first) <= last.wrapping_add(SLACK).wrapping_sub(first)
}

/// The later of two numbers that are less than half the number space apart.
#[inline(always)]
const fn later(a: u16, b: u16) -> u16 {
    if b.wrapping_sub(a) < 0x8000 { b } else { a }
}
