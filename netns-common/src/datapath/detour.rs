//! The way of fragments that came out of order: to the reassembler and back.

use core::mem::offset_of;

use network_types::eth::EthHdr;

use super::{
    Exit, Outcome, Verdict,
    fragments::{LIFETIME, begin_note, find_reassembled, group, write_note},
    head::{Head, Kind},
    notes::Scratch,
    passage::{Passage, read_head},
    rewrite,
    traits::{Packet, Tables},
};
use crate::abi::{DropReason, FRAGMENT_GROUPS, Fragment, FragmentBudget, FragmentState, Tick};

/// How long the reassembler waits for the rest of a datagram (`net.ipv4.ipfrag_time`), in
/// seconds. RFC 791 suggests 15, for a whole path; what is out of order at a router comes
/// within milliseconds.
pub const RESPITE_SECONDS: u32 = 4;

/// What the sources of a group may have in the reassembler, in bytes of its memory: the largest
/// datagram in fragments for Ethernet, and some more.
const BUDGET: u32 = 128 << 10;

/// What the kernel needs for a fragment besides its bytes.
const OVERHEAD: u32 = 800;

/// The time to live on the way to the reassembler, which as a router counts it down.
const DETOUR_TTL: u8 = 64;

/// The reassembler's memory in bytes (`net.ipv4.ipfrag_high_thresh`): enough for every group at
/// once, also where a driver's buffers are twice as large as assumed.
pub const REASSEMBLER_MEMORY: u32 = 2 * 2 * FRAGMENT_GROUPS * BUDGET;

/// A later fragment of which nothing is known: it and all others of its datagram go to the
/// reassembler.
#[inline(always)]
pub(super) fn detour<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Verdict {
    let verdict = send_to_reassembler(passage);
    // The budget comes first: it bounds how often a place is taken.
    if matches!(verdict, Verdict::Redirect(_)) {
        if begin_note(passage, FragmentState::Detour).is_none() {
            return passage.drop(DropReason::Malformed);
        }
        write_note(passage);
    }
    verdict
}

#[inline(always)]
pub(super) fn send_to_reassembler<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
) -> Verdict {
    let head = passage.head;
    let tables = passage.tables;
    let cable = passage.settings.reassembler;
    if cable == 0 {
        return passage.drop(DropReason::Fragment);
    }
    let group = group(tables, passage.settings, head.source);
    let mut budget = tables.fragment_budget(group);
    if !charge(&mut budget, cost(head), passage.now) {
        return passage.drop(DropReason::FragmentFlood);
    }
    tables.set_fragment_budget(group, &budget);
    match rewrite::time_to_live(passage.packet, head, DETOUR_TTL) {
        Some(()) => Verdict::Redirect(Exit::Peer { cable }),
        None => passage.drop(DropReason::RewriteFailed),
    }
}

/// The reassembler's memory that a fragment takes.
#[inline(always)]
const fn cost(head: &Head) -> u32 {
    head.bytes + OVERHEAD
}

/// Goes on to the period of `now`. What was charged two periods ago is gone: a period is longer
/// than the reassembler waits.
#[inline(always)]
const fn turn_over(budget: &mut FragmentBudget, now: Tick) {
    let period = now / LIFETIME;
    if budget.period != period {
        let is_next = budget.period.wrapping_add(1) == period;
        budget.previous = if is_next { budget.current } else { 0 };
        budget.current = 0;
        budget.period = period;
    }
}

/// Charges a fragment on its way to the reassembler; false when there is no room for it.
#[inline(always)]
const fn charge(budget: &mut FragmentBudget, cost: u32, now: Tick) -> bool {
    turn_over(budget, now);
    if budget.previous.saturating_add(budget.current).saturating_add(cost) > BUDGET {
        return false;
    }
    budget.current += cost;
    true
}

/// Gives back what was charged for a fragment that has returned.
#[inline(always)]
const fn credit(budget: &mut FragmentBudget, cost: u32, now: Tick) {
    turn_over(budget, now);
    let rest = cost.saturating_sub(budget.previous);
    budget.previous = budget.previous.saturating_sub(cost);
    budget.current = budget.current.saturating_sub(rest);
}

/// Decides about a packet from the reassembler: a fragment of a datagram that is whole by now
/// goes in once more by the link that it came in by, as it was then.
#[inline(always)]
pub fn from_reassembler<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let head = match read_head(packet, tables) {
        Ok(head) => head,
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { head: parked, notes } = scratch;
    *parked = head;
    let mut passage = Passage::new(packet, tables, settings, parked, notes, now);
    let known = find_reassembled(tables, settings, passage.head, now);
    let Some(found) = known.filter(|_| passage.head.is_fragment()) else {
        return Outcome::Decided(passage.drop(DropReason::Fragment));
    };
    let group = group(tables, settings, passage.head.source);
    let mut budget = tables.fragment_budget(group);
    credit(&mut budget, cost(passage.head), now);
    tables.set_fragment_budget(group, &budget);
    if passage.head.kind != Kind::LaterFragment {
        passage.notes.fragment =
            Fragment { state: FragmentState::Assembled as u8, seen: now, ..*found };
        write_note(&mut passage);
    }
    Outcome::Decided(match restore(&mut passage, &found) {
        Some(()) => Verdict::Redirect(Exit::Ingress { link: found.link }),
        None => passage.drop(DropReason::RewriteFailed),
    })
}

/// Makes the frame what it was before its detour.
#[inline(always)]
fn restore<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>, found: &Fragment) -> Option<()> {
    let packet = &mut *passage.packet;
    rewrite::time_to_live(packet, passage.head, found.ttl)?;
    packet.store(offset_of!(EthHdr, dst_addr), found.frame_destination)?;
    packet.store(offset_of!(EthHdr, src_addr), found.frame_source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = 1_000 * LIFETIME;

    #[test]
    fn rfc4787_req14a_a_group_has_a_budget_and_what_returns_is_given_back() {
        let mut budget = FragmentBudget::default();
        let cost = BUDGET / 4;
        assert!((0..4).all(|_| charge(&mut budget, cost, NOW)));
        assert!(!charge(&mut budget, 1, NOW));
        credit(&mut budget, cost, NOW);
        assert!(charge(&mut budget, cost, NOW));
        assert!(!charge(&mut budget, 1, NOW));
    }

    #[test]
    fn rfc4787_req14a_what_never_returns_is_forgotten_after_two_periods() {
        let mut budget = FragmentBudget::default();
        assert!(charge(&mut budget, BUDGET, NOW + LIFETIME - 1));
        // The reassembler may have it for nearly a period more.
        assert!(!charge(&mut budget, 1, NOW + LIFETIME));
        assert!(!charge(&mut budget, 1, NOW + 2 * LIFETIME - 1));
        assert!(charge(&mut budget, BUDGET, NOW + 2 * LIFETIME));
    }

    #[test]
    fn the_largest_datagram_fits_into_the_budget() {
        let fragments = 65_535_u32.div_ceil(1480);
        assert!(65_535 + fragments * (OVERHEAD + 20) <= BUDGET);
        // A period is longer than the reassembler waits.
        assert!(LIFETIME >= crate::abi::ticks(RESPITE_SECONDS));
    }
}
