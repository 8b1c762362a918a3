//! The fields of a TCP segment that the connection's state depends on.
//!
//! Sequence numbers are in units of 64 KiB, their upper halves: see
//! [`tcp_window`](crate::datapath::conntrack::tcp_window).

use core::mem::offset_of;

use network_types::tcp::TcpHdr;

use crate::{
    abi::{FlowState, TcpEnd},
    datapath::packet::{
        access::Packet,
        headers::Headers,
        wire::{ACK, FIN, L4, RST, SYN},
    },
};

/// The parts of a segment that the state of its connection depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub(crate) flags: u8,
    /// Upper halves of its numbers, native order. Without ACK, the acknowledgement number has no
    /// meaning.
    pub(crate) sequence: u16,
    pub(crate) acknowledged: u16,
    /// Whether it is known to carry data.
    pub(crate) carries_data: bool,
}

impl Segment {
    /// The segment of a TCP packet without IP options.
    #[inline(always)]
    pub(crate) fn read_plain<P: Packet>(packet: &P, headers: &Headers) -> Option<Self> {
        let sequence = packet.load(L4 + offset_of!(TcpHdr, seq))?;
        let acknowledged = packet.load(L4 + offset_of!(TcpHdr, ack_seq))?;
        Some(Self::new(headers, sequence, acknowledged))
    }

    /// The segment of any TCP packet.
    #[inline(always)]
    pub(crate) fn read<P: Packet>(packet: &P, headers: &Headers) -> Option<Self> {
        let l4 = headers.l4 as usize;
        let sequence = packet.load_at(l4 + offset_of!(TcpHdr, seq))?;
        let acknowledged = packet.load_at(l4 + offset_of!(TcpHdr, ack_seq))?;
        // The length of the header, in words, is the upper half of the byte before the flags.
        let words: u8 = packet.load_at(l4 + offset_of!(TcpHdr, window) - 2)?;
        let carries_data = headers.end() > l4 + usize::from(words >> 4) * 4;
        Some(Self { carries_data, ..Self::new(headers, sequence, acknowledged) })
    }

    #[inline(always)]
    const fn new(headers: &Headers, sequence: u16, acknowledged: u16) -> Self {
        let flags = headers.tcp_flags;
        let acknowledged = if flags & ACK == 0 { 0 } else { u16::from_be(acknowledged) };
        let sequence = u16::from_be(sequence);
        Self { flags, sequence, acknowledged, carries_data: false }
    }

    #[inline(always)]
    pub(crate) const fn is_rst(&self) -> bool {
        self.flags & RST != 0
    }

    /// The segment in the lower 49 bits of a word.
    #[inline(always)]
    pub(crate) const fn to_word(self) -> u64 {
        self.flags as u64
            | (self.carries_data as u64) << 48
            | (self.sequence as u64) << 16
            | (self.acknowledged as u64) << 32
    }

    /// The opposite of [`Self::to_word`].
    #[inline(always)]
    pub(crate) const fn from_word(word: u64) -> Self {
        Self {
            flags: word as u8,
            sequence: (word >> 16) as u16,
            acknowledged: (word >> 32) as u16,
            carries_data: word >> 48 & 1 != 0,
        }
    }

    /// 0 if the connection is established and the segment repeats the recorded numbers of its
    /// sender. The differences are combined and not compared one by one, because each comparison
    /// would double the paths that the verifier follows.
    #[inline(always)]
    pub(crate) fn differs_from(&self, state: u8, sender: TcpEnd) -> u32 {
        u32::from(state ^ FlowState::Established as u8)
            | u32::from((self.flags & (SYN | ACK | RST | FIN)) ^ ACK)
            | u32::from(sender.sequence ^ self.sequence)
            | u32::from(sender.acknowledged ^ self.acknowledged)
    }
}
