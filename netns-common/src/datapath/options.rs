//! IPv4 options (RFC 791 section 3.1), looked through before anything else is done with a
//! packet that has some.

use super::{
    checksum::{Diff, fold},
    head::L4,
    traits::Packet,
};

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Words of options that a header has room for.
const MAX_WORDS: usize = 10;
/// Options of one byte each are the most that fit.
const MAX_OPTIONS: usize = MAX_WORDS * size_of::<u32>();

/// What is wrong with options.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed = 1,
    BadChecksum = 2,
    SourceRoute = 3,
}

/// Looks through the options between the fixed header and `end`, an offset in the frame.
/// `header` is the sum over the fixed header.
#[inline(always)]
pub(super) fn check<P: Packet>(packet: &P, header: Diff, end: u8) -> Result<(), Fault> {
    match fault(packet, header.raw(), end) {
        0 => Ok(()),
        2 => Err(Fault::BadChecksum),
        3 => Err(Fault::SourceRoute),
        _ => Err(Fault::Malformed),
    }
}

/// A [`Fault`] as a number, 0 for none. In a function of its own, since options are rare.
#[inline(never)]
fn fault<P: Packet>(packet: &P, header: u32, end: u8) -> u32 {
    let end = usize::from(end);
    let mut sum = Diff::from_raw(header);
    for word in 0..MAX_WORDS {
        let at = L4 + word * size_of::<u32>();
        if at >= end {
            break;
        }
        let Some(word) = packet.load_at::<u32>(at) else { return Fault::Malformed as u32 };
        sum = sum.add(word);
    }
    if fold(sum.raw()) != 0 {
        return Fault::BadChecksum as u32;
    }
    let mut at = L4;
    for _ in 0..MAX_OPTIONS {
        if at >= end {
            break;
        }
        let Some(kind) = packet.load_at::<u8>(at) else { return Fault::Malformed as u32 };
        match kind {
            END => break,
            NO_OPERATION => at += 1,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Fault::SourceRoute as u32,
            _ => {
                let Some(length) = packet.load_at::<u8>(at + 1) else {
                    return Fault::Malformed as u32;
                };
                at += usize::from(length);
                if length < 2 || at > end {
                    return Fault::Malformed as u32;
                }
            }
        }
    }
    0
}
