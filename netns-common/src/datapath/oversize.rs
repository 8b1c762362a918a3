//! Packets that are larger than the cable into their namespace carries.
//!
//! One that must not be fragmented is refused, so that its sender learns the size of the way
//! (RFC 1191, RFC 4787 REQ-13). Another one from outside is translated and left to the stack,
//! which fragments it (REQ-13a).

use core::mem::offset_of;

use network_types::ip::Ipv4Hdr;

use super::{
    Exit, Outcome,
    notes::Scratch,
    parked::ParkedExit,
    passage::{ANY, Passage},
    rewrite::Translation,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, Packet, Tables},
    words::{DONT_FRAGMENT, IP},
};
use crate::abi::{DropReason, Tick};

/// A packet no larger than this fits every link; larger ones are held against the MTU of
/// theirs (RFC 791: every host must accept 576 bytes, and no link in use is smaller).
pub(super) const FITS_EVERY_LINK: u32 = 576;

/// Whether its sender forbids that it is fragmented.
#[inline(always)]
pub(super) fn is_indivisible<P: Packet>(packet: &P) -> bool {
    let fragment: Option<u16> = packet.load(IP + offset_of!(Ipv4Hdr, frags));
    fragment.is_some_and(|fragment| u16::from_be(fragment) & DONT_FRAGMENT != 0)
}

/// Whether a packet from another namespace is to be refused for its size. One that may be
/// fragmented goes on whole: it meets no link on its way.
#[inline(always)]
pub(super) fn must_be_refused<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    cable: u32,
) -> bool {
    passage.head.bytes > FITS_EVERY_LINK
        && passage.packet.exceeds_mtu(cable)
        && is_indivisible(passage.packet)
}

/// Drops the packet and has its sender told which size would have passed.
#[inline(always)]
pub(super) fn refuse<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>, cable: u32) -> Outcome {
    let outcome = passage.refuse(DropReason::TooLarge);
    passage.notes.refusal.mtu = passage.packet.mtu(cable);
    outcome
}

/// [`Stage::Held`](crate::abi::Stage::Held).
#[inline(always)]
pub fn held<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, hold)
}

/// A packet of a known flow whose time is up or that is too large for its cable.
#[inline(always)]
fn hold<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    if head.ttl <= 1 {
        return passage.refuse(DropReason::TtlExceeded);
    }
    let key = head.inbound_key();
    let Some(flow) = passage.tables.flow(&key) else {
        // Another CPU has removed it this very moment.
        return Outcome::Decided(passage.drop(DropReason::NoFlow));
    };
    if is_indivisible(passage.packet) {
        return refuse(passage, flow.cable);
    }
    // The stack fragments it.
    let to = Translation {
        source: head.source,
        source_port: flow.seen_port,
        destination: flow.inside,
        destination_port: flow.inside_port,
        mac: None,
    };
    if !flow.was_of(&key) {
        return Outcome::Decided(passage.drop(DropReason::NoFlow));
    }
    passage.touch::<_, ANY>(&flow, Direction::In);
    passage.translate(&to, ParkedExit::park(Exit::Onward), flow.rule, false)
}
