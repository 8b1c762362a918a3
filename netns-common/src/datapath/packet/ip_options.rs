//! IPv4 options (RFC 791 section 3.1), checked before anything else is done with a packet that has
//! some.

use crate::{
    abi::DropReason,
    datapath::packet::{
        access::Packet,
        checksum::{Diff, fold},
        headers::Headers,
        wire::{IP, L4},
    },
};

const END: u8 = 0;

const NO_OPERATION: u8 = 1;

const LOOSE_SOURCE_ROUTE: u8 = 131;

const STRICT_SOURCE_ROUTE: u8 = 137;

/// Words of four bytes in the longest header.
const MAX_WORDS: usize = 15;

/// The most options in a header: those of one byte each.
const MAX_OPTIONS: usize = 40;

/// The fault of a packet with options, including a wrong header checksum.
#[inline(always)]
pub(crate) fn fault<P: Packet>(packet: &P, headers: &Headers) -> Option<DropReason> {
    if !headers.has_options() {
        return None;
    }
    // Numbers, because a separate function of the kernel side returns them.
    match look_through(packet, usize::from(headers.l4)) {
        NOTHING => None,
        BAD_CHECKSUM => Some(DropReason::BadChecksum),
        SOURCE_ROUTE => Some(DropReason::SourceRoute),
        _ => Some(DropReason::Malformed),
    }
}

const NOTHING: u32 = 0;

const BAD_CHECKSUM: u32 = 1;

const SOURCE_ROUTE: u32 = 2;

const MALFORMED: u32 = 3;

/// `end` is the offset of the first byte after the header.
#[inline(never)]
fn look_through<P: Packet>(packet: &P, end: usize) -> u32 {
    let mut sum = Diff::NONE;
    for word in 0..MAX_WORDS {
        let at = IP + word * size_of::<u32>();
        if at >= end {
            break;
        }
        let Some(word) = packet.load_at::<u32>(at) else { return MALFORMED };
        sum = sum.add(word);
    }
    if fold(sum.raw()) != 0 {
        return BAD_CHECKSUM;
    }
    let mut at = L4;
    for _ in 0..MAX_OPTIONS {
        if at >= end {
            break;
        }
        let Some(kind) = packet.load_at::<u8>(at) else { return MALFORMED };
        match kind {
            END => break,
            NO_OPERATION => at += 1,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return SOURCE_ROUTE,
            _ => {
                let Some(length) = packet.load_at::<u8>(at + 1) else { return MALFORMED };
                at += usize::from(length);
                if length < 2 || at > end {
                    return MALFORMED;
                }
            }
        }
    }
    NOTHING
}
