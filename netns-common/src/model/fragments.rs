//! Datagrams in fragments: cutting, joining, and the reassembler in memory.

use std::{vec, vec::Vec};

use super::{
    checksums::checksum,
    packet::{ETHERNET, VecPacket},
};

/// Flags and offset of an IPv4 header.
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The words of a frame's IPv4 header that tell where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// Source, destination, identification and protocol.
    datagram: ([u8; 8], u16, u8),
    header: usize,
    /// Bytes of payload, and the first one's place in the datagram.
    length: usize,
    offset: usize,
    more: bool,
}

impl Part {
    fn of(frame: &VecPacket) -> Option<Self> {
        let ip = frame.network();
        let word = |at: usize| Some(u16::from_be_bytes([*ip.get(at)?, *ip.get(at + 1)?]));
        let header = usize::from(*ip.first()? & 0x0f) * 4;
        let fragment = word(6)?;
        Some(Self {
            datagram: (ip.get(12..20)?.try_into().ok()?, word(4)?, *ip.get(9)?),
            header,
            length: usize::from(word(2)?).checked_sub(header)?,
            offset: usize::from(fragment & OFFSET) * 8,
            more: fragment & MORE != 0,
        })
    }

    fn end(&self) -> usize {
        self.offset + self.length
    }
}

/// Cuts a frame's packet into fragments of at most `bytes` of payload, in order. Those of a
/// fragment are fragments of the same datagram (RFC 791).
pub fn split(frame: &VecPacket, bytes: usize) -> Vec<VecPacket> {
    let Some(part) = Part::of(frame).filter(|part| bytes >= 8 && part.length > bytes) else {
        return vec![frame.clone()];
    };
    let step = bytes / 8 * 8;
    let pieces = (0..part.length).step_by(step).map(|at| {
        let length = step.min(part.length - at);
        let more = part.more || at + length < part.length;
        cut(frame, &part, at, length, more)
    });
    pieces.collect()
}

/// `length` bytes of a frame's payload, from `at` on, as a frame.
fn cut(frame: &VecPacket, part: &Part, at: usize, length: usize, more: bool) -> VecPacket {
    let start = ETHERNET + part.header;
    let mut piece = frame.clone();
    *piece.bytes_mut() = frame.bytes()[..start].to_vec();
    piece.bytes_mut().extend(&frame.bytes()[start + at..start + at + length]);
    let fragment = ((part.offset + at) / 8) as u16 | if more { MORE } else { 0 };
    let ip = &mut piece.bytes_mut()[ETHERNET..start];
    ip[2..4].copy_from_slice(&((part.header + length) as u16).to_be_bytes());
    ip[6..8].copy_from_slice(&fragment.to_be_bytes());
    ip[10..12].fill(0);
    let sum = checksum(ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    piece
}

/// Puts fragments of one datagram together. `None`: some are missing, or they are not of one.
pub fn join(frames: &[VecPacket]) -> Option<VecPacket> {
    let mut parts = Vec::new();
    for frame in frames {
        parts.push((Part::of(frame)?, frame));
    }
    parts.sort_by_key(|(part, _)| part.offset);
    let (first, first_frame) = parts.first().filter(|(part, _)| part.offset == 0)?;
    let mut payload: Vec<u8> = Vec::new();
    let mut is_whole = false;
    for (part, frame) in &parts {
        if part.datagram != first.datagram {
            return None;
        }
        // The same piece twice is one piece.
        if part.end() <= payload.len() {
            continue;
        }
        if part.offset != payload.len() {
            return None;
        }
        payload.extend(frame.network().get(part.header..part.header + part.length)?);
        is_whole = !part.more;
    }
    let mut whole = (*first_frame).clone();
    whole.bytes_mut().truncate(ETHERNET + first.header);
    whole.bytes_mut().extend(&payload);
    let all = Part { length: payload.len(), ..*first };
    is_whole.then(|| cut(&whole, &all, 0, payload.len(), false))
}

/// The namespace that puts fragments in order: as a router it counts the time to live down.
#[derive(Clone, Debug, Default)]
pub struct Reassembler {
    waiting: Vec<VecPacket>,
}

impl Reassembler {
    /// Takes a frame in; gives back the fragments of its datagram if that is whole now.
    pub fn take(&mut self, frame: VecPacket) -> Vec<VecPacket> {
        let datagram = |frame: &VecPacket| Part::of(frame).map(|part| part.datagram);
        let own = datagram(&frame);
        self.waiting.push(frame);
        let (same, others): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|frame| datagram(frame) == own);
        self.waiting = others;
        let Some(mut whole) = join(&same) else {
            self.waiting.extend(same);
            return Vec::new();
        };
        let largest = same.iter().filter_map(Part::of).map(|part| part.length).max();
        // Ethernet addresses are not kept on the way.
        whole.bytes_mut()[..12].fill(0xee);
        whole.bytes_mut()[ETHERNET + 8] -= 1;
        split(&whole, largest.unwrap_or(8))
    }

    /// How many fragments wait for others.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
