//! What the NAT remembers of the sequence numbers of a TCP connection, so that a segment of a
//! stranger who guessed addresses and ports does not move its state (RFC 5961; ReDAN, NDSS
//! 2025).
//!
//! Numbers are kept in units of 64 KiB, their upper halves: a blind guess has to hit one in
//! some twenty thousand, and a flow grows by eight bytes.

use core::mem::offset_of;

use network_types::tcp::TcpHdr;

use super::{
    head::Head,
    state::{Direction, State},
    traits::Packet,
    words::{ACK, FIN, L4, RST, SYN},
};
use crate::abi::{FlowKind, Sequences, TcpEnd};

/// How far a number may be beyond the last that was seen, in units. Only the beginning of a
/// segment is kept, and a segment is not longer than one unit.
const SLACK: u16 = 1;

/// The largest window there is, in units: 1 GiB (RFC 7323 section 2.3).
const LARGEST_WINDOW: u16 = 0x4000;

/// The parts of a segment that its connection's state depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    flags: u8,
    /// Upper halves of its numbers, native order. Without ACK, nothing is acknowledged.
    sequence: u16,
    acknowledged: u16,
    /// Whether it is known to carry data.
    carries_data: bool,
}

impl Segment {
    /// Of a TCP packet without IP options.
    #[inline(always)]
    pub(super) fn read_plain<P: Packet>(packet: &P, head: &Head) -> Option<Self> {
        let sequence = packet.load(L4 + offset_of!(TcpHdr, seq))?;
        let acknowledged = packet.load(L4 + offset_of!(TcpHdr, ack_seq))?;
        Some(Self::new(head, sequence, acknowledged))
    }

    /// Of any TCP packet.
    #[inline(always)]
    pub(super) fn read<P: Packet>(packet: &P, head: &Head) -> Option<Self> {
        let l4 = head.l4 as usize;
        let sequence = packet.load_at(l4 + offset_of!(TcpHdr, seq))?;
        let acknowledged = packet.load_at(l4 + offset_of!(TcpHdr, ack_seq))?;
        // The length of the header, in words, is the upper half of the byte before the flags.
        let words: u8 = packet.load_at(l4 + offset_of!(TcpHdr, window) - 2)?;
        let carries_data = head.end() > l4 + usize::from(words >> 4) * 4;
        Some(Self { carries_data, ..Self::new(head, sequence, acknowledged) })
    }

    #[inline(always)]
    const fn new(head: &Head, sequence: u16, acknowledged: u16) -> Self {
        let flags = head.tcp_flags;
        let acknowledged = if flags & ACK == 0 { 0 } else { u16::from_be(acknowledged) };
        let sequence = u16::from_be(sequence);
        Self { flags, sequence, acknowledged, carries_data: false }
    }

    /// The flags of its header.
    #[inline(always)]
    pub(super) const fn flags(&self) -> u8 {
        self.flags
    }

    #[inline(always)]
    pub(super) const fn is_rst(&self) -> bool {
        self.flags & RST != 0
    }

    /// The segment in the lower 49 bits of a word.
    #[inline(always)]
    pub(super) const fn to_word(self) -> u64 {
        self.flags as u64
            | (self.carries_data as u64) << 48
            | (self.sequence as u64) << 16
            | (self.acknowledged as u64) << 32
    }

    /// The opposite of [`Self::to_word`].
    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Self {
        Self {
            flags: word as u8,
            sequence: (word >> 16) as u16,
            acknowledged: (word >> 32) as u16,
            carries_data: word >> 48 & 1 != 0,
        }
    }

    /// 0 if it is in the midst of an established connection and has the numbers that its
    /// sender had last. Differences are added up, not compared one by one: each comparison
    /// would double the ways that the verifier follows.
    #[inline(always)]
    pub(super) fn differs_from(&self, state: u8, sender: TcpEnd) -> u32 {
        u32::from(state ^ State::Established as u8)
            | u32::from((self.flags & (SYN | ACK | RST | FIN)) ^ ACK)
            | u32::from(sender.sequence ^ self.sequence)
            | u32::from(sender.acknowledged ^ self.acknowledged)
    }
}

/// What a segment says about its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) sequences: Sequences,
    /// Whether its numbers are such as the end that it bears the address of would send.
    pub(super) is_plausible: bool,
    /// Whether its sender goes on with data beyond all that was seen of it: it has closed nothing.
    pub(super) goes_on: bool,
}

/// The sequence numbers of a flow that `segment` begins. What the other end has not said yet
/// follows from what is said to it: nothing before this segment is of the connection.
#[inline(always)]
pub(super) const fn begin(kind: FlowKind, segment: &Segment) -> Sequences {
    let sender = TcpEnd { sequence: segment.sequence, acknowledged: segment.acknowledged };
    let other = TcpEnd { sequence: segment.acknowledged, acknowledged: segment.sequence };
    match kind {
        FlowKind::Forward | FlowKind::Admitted => Sequences { inside: other, remote: sender },
        FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
            Sequences { inside: sender, remote: other }
        }
    }
}

/// Holds a segment of a flow against what was seen before.
#[inline(always)]
pub(super) fn observe(
    sequences: Sequences,
    state: State,
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
    state: State,
    from_initiator: bool,
    segment: &Segment,
) -> (bool, TcpEnd, TcpEnd) {
    let acknowledges = segment.flags & ACK != 0;
    if segment.flags & RST != 0 {
        let is_plausible = if matches!(state, State::SynSent) && !from_initiator {
            // The only thing it can know is what it was asked (RFC 9293 section 3.5.2).
            acknowledges && is_between(segment.acknowledged, other.sequence, other.sequence)
        } else {
            is_between(segment.sequence, other.acknowledged.wrapping_sub(SLACK), sender.sequence)
        };
        return (is_plausible, sender, other);
    }
    if segment.flags & SYN != 0 && matches!(state, State::SynSent | State::SynReceived) {
        let is_plausible =
            !acknowledges || is_between(segment.acknowledged, other.sequence, other.sequence);
        if !is_plausible || (from_initiator && matches!(state, State::SynReceived)) {
            return (is_plausible, sender, other);
        }
        // Nothing before its first number is of the connection.
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

/// Whether a number is within two others, the later one with slack. Numbers wrap.
#[inline(always)]
const fn is_between(number: u16, first: u16, last: u16) -> bool {
    number.wrapping_sub(first) <= last.wrapping_add(SLACK).wrapping_sub(first)
}

/// The later of two numbers less than half of all numbers apart.
#[inline(always)]
const fn later(a: u16, b: u16) -> u16 {
    if b.wrapping_sub(a) < 0x8000 { b } else { a }
}
