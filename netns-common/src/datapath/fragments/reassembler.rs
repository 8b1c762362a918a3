//! Fragments that come out of order: to the reassembler, and back from it.

use core::mem::offset_of;

use network_types::eth::EthHdr;

use crate::{
    abi::{DropReason, FRAGMENT_GROUPS, Fragment, FragmentBudget, FragmentState, Tick},
    datapath::{
        context::{
            packet_context::{PacketContext, read_headers},
            scratch::Scratch,
            verdict::{Exit, Outcome, Verdict},
        },
        fragments::table::{LIFETIME, find_reassembled, group},
        packet::{
            access::Packet,
            headers::{Headers, Kind},
            rewrite,
        },
        tables::kernel::Tables,
    },
};

/// How long the reassembler waits for the rest of a datagram (`net.ipv4.ipfrag_time`), in seconds.
/// RFC 791 suggests 15 for a whole path; fragments out of order reach a router within milliseconds.
pub const RESPITE_SECONDS: u32 = 4;

/// The reassembler memory that the sources of a group may use, in bytes: enough for the largest
/// datagram in Ethernet fragments, and some more.
const BUDGET: u32 = 128 << 10;

/// The memory that the kernel needs for a fragment besides its data, in bytes.
const OVERHEAD: u32 = 800;

/// The TTL of packets to the reassembler, which decrements it as a router does.
const DETOUR_TTL: u8 = 64;

/// The reassembler's memory in bytes (`net.ipv4.ipfrag_high_thresh`): enough for every group at
/// once, also where a driver's buffers are twice as large as assumed.
pub const REASSEMBLER_MEMORY: u32 = 2 * 2 * FRAGMENT_GROUPS * BUDGET;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Handles a later fragment of an unknown datagram: it and all others of the datagram go to the
    /// reassembler.
    #[inline(always)]
    pub(crate) fn begin_reassembly(&mut self) -> Verdict {
        let verdict = self.redirect_to_reassembler();
        // Check the budget first, since it limits how often a source takes a place in the table.
        if matches!(verdict, Verdict::Redirect(_)) {
            if self.begin_fragment_note(FragmentState::Detour).is_none() {
                return self.drop(DropReason::Malformed);
            }
            self.write_fragment_note();
        }
        verdict
    }

    #[inline(always)]
    pub(crate) fn redirect_to_reassembler(&mut self) -> Verdict {
        let headers = self.headers;
        let tables = self.tables;
        let cable = self.settings.reassembler;
        if cable == 0 {
            return self.drop(DropReason::Fragment);
        }
        let group = group(tables, self.settings, headers.source);
        let mut budget = tables.fragment_budget(group);
        if !charge(&mut budget, cost(headers), self.now) {
            return self.drop(DropReason::FragmentFlood);
        }
        tables.set_fragment_budget(group, &budget);
        match rewrite::time_to_live(self.packet, headers, DETOUR_TTL) {
            Some(()) => Verdict::Redirect(Exit::Peer { cable }),
            None => self.drop(DropReason::RewriteFailed),
        }
    }
}

/// The reassembler's memory that a fragment takes.
#[inline(always)]
const fn cost(headers: &Headers) -> u32 {
    headers.bytes + OVERHEAD
}

/// Advances to the period of `now`. Charges of two periods ago are dropped, because a period is
/// longer than the reassembler waits.
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

/// Refunds the charge for a fragment that has returned.
#[inline(always)]
const fn credit(budget: &mut FragmentBudget, cost: u32, now: Tick) {
    turn_over(budget, now);
    let rest = cost.saturating_sub(budget.previous);
    budget.previous = budget.previous.saturating_sub(cost);
    budget.current = budget.current.saturating_sub(rest);
}

/// Handles a packet from the reassembler: a fragment of a now complete datagram enters again at its
/// original link, with its original frame.
#[inline(always)]
pub fn from_reassembler<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let headers = match read_headers(packet, tables) {
        Ok(headers) => headers,
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { headers: saved, handoff } = scratch;
    *saved = headers;
    let mut context = PacketContext::new(packet, tables, settings, saved, handoff, now);
    let known = find_reassembled(tables, settings, context.headers, now);
    let Some(found) = known.filter(|_| context.headers.is_fragment()) else {
        return Outcome::Decided(context.drop(DropReason::Fragment));
    };
    let group = group(tables, settings, context.headers.source);
    let mut budget = tables.fragment_budget(group);
    credit(&mut budget, cost(context.headers), now);
    tables.set_fragment_budget(group, &budget);
    if context.headers.kind != Kind::LaterFragment {
        context.handoff.fragment =
            Fragment { state: FragmentState::Assembled as u8, seen: now, ..*found };
        context.write_fragment_note();
    }
    Outcome::Decided(match restore(&mut context, &found) {
        Some(()) => Verdict::Redirect(Exit::Ingress { link: found.link }),
        None => context.drop(DropReason::RewriteFailed),
    })
}

/// Restores the frame as it was before its detour.
#[inline(always)]
fn restore<P: Packet, T: Tables>(
    context: &mut PacketContext<'_, P, T>,
    found: &Fragment,
) -> Option<()> {
    let packet = &mut *context.packet;
    rewrite::time_to_live(packet, context.headers, found.ttl)?;
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
        // The reassembler may hold it for nearly one more period.
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
