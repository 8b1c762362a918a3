//! How long a flow may be idle, and after which idle time its record or port may be reused.

use crate::{
    abi::{FlowHead, FlowKey, FlowKind, FlowState, Protocol, Settings, Tick, WHOLE_TABLE, ticks},
    datapath::{
        conntrack::quota::QuotaCharge,
        tables::flow_table::{Evictable, FlowRef, FlowTable, Newcomer},
    },
};

/// How long a flow may be idle, in [ticks](Tick).
#[inline(always)]
pub fn timeout_of(flow: &FlowHead, settings: &Settings) -> Tick {
    let timeouts = settings.timeouts_of(flow.kind);
    if is_question(flow) {
        return if timeouts.udp_question < timeouts.udp {
            timeouts.udp_question
        } else {
            timeouts.udp
        };
    }
    FlowState::from_number(flow.state).timeout(flow.protocol, timeouts)
}

/// Whether a flow is one question to a well-known port and one answer, as with DNS and NTP.
#[inline(always)]
fn is_question(flow: &FlowHead) -> bool {
    /// The first port that is not well-known (RFC 6335 section 6).
    const REGISTERED: u16 = 1024;
    if flow.state != FlowState::Replied as u8 || flow.protocol != Protocol::Udp as u8 {
        return false;
    }
    let is_begun_outside = FlowKind::is_begun_outside(flow.kind);
    let service = if is_begun_outside { flow.inside_port } else { flow.seen_port };
    flow.packets_in == 1 && flow.packets_out == 1 && service.number() < REGISTERED
}

/// How long a flow has been idle, in ticks.
#[inline(always)]
pub(crate) fn idle_time(flow: &FlowHead, now: Tick) -> Tick {
    let idle = now.wrapping_sub(flow.last_seen);
    // Another CPU may have stamped the flow after this one read its clock.
    if idle > Tick::MAX / 2 { 0 } else { idle }
}

/// As [`is_expired`], in a function of its own: the verifier merges the paths through the timeouts
/// where it returns.
#[inline(never)]
pub(crate) fn is_expired_out_of_line(flow: &FlowHead, settings: &Settings, now: Tick) -> bool {
    is_expired(flow, settings, now)
}

/// Whether a flow was idle for too long: its record counts as free.
#[inline(always)]
pub fn is_expired(flow: &FlowHead, settings: &Settings, now: Tick) -> bool {
    idle_time(flow, now) > timeout_of(flow, settings)
}

/// How long a record has been idle, in ticks, plus one; 0 if it must not be evicted.
#[inline(always)]
pub fn idle_if_evictable<F: FlowRef>(
    flow: &F,
    settings: &Settings,
    wanted: Evictable,
    now: Tick,
) -> Tick {
    let Evictable { link, is_unreplied } = wanted;
    let charge = QuotaCharge::of(flow);
    // The lab must not end connections of the machine itself and of other NATs.
    let is_of_lab = charge.records != 0 && flow.kind != FlowKind::OtherNat as u8;
    let is_asked_for = link == WHOLE_TABLE || charge.link == link;
    if !is_of_lab || !is_asked_for || is_unreplied && !charge.is_unreplied {
        return 0;
    }
    let idle = idle_time(flow, now);
    // The first record of a connection between namespaces must not be evicted for the second.
    if link == WHOLE_TABLE && idle == 0 {
        return 0;
    }
    let is_over =
        || is_expired(flow, settings, now) || least_idle(flow).is_some_and(|least| idle >= least);
    if charge.is_unreplied || is_over() { idle + 1 } else { 0 }
}

/// How long a connection must be silent after the FIN of one end, in ticks. The FIN may be forged,
/// or the other end may still send (ReDAN, NDSS 2025).
const ONE_SIDED: Tick = ticks(10);

/// The same after a RST. Data refreshes a reset record only when it shows, after ten seconds, that
/// the RST was forged.
const RESET: Tick = ticks(20);

/// The least time that an unanswered connection has for its handshake, in ticks.
const UNANSWERED: Tick = ticks(3);

/// The same for datagrams, whose receivers cannot recognise a late answer to somebody else.
const UNANSWERED_DATAGRAM: Tick = ticks(30);

/// How long the connection of an external port has been idle, in ticks, plus one. [`Tick::MAX`] if
/// no connection has the port; 0 if `newcomer` must not take it.
#[inline(always)]
pub fn reclaimable<T: FlowTable>(tables: &T, key: &FlowKey, newcomer: Newcomer) -> Tick {
    match tables.flow(key) {
        Some(flow) => idle_if_reclaimable(&flow, newcomer).unwrap_or(0),
        None => Tick::MAX,
    }
}

/// How long a connection has been idle, in ticks and at least one; `None` if `newcomer` must not
/// take its port.
#[inline(always)]
pub(crate) fn idle_if_reclaimable<F: FlowRef>(flow: &F, newcomer: Newcomer) -> Option<Tick> {
    let is_of_lab = flow.kind == FlowKind::Masquerade as u8 || flow.kind == FlowKind::Hairpin as u8;
    let idle = idle_time(flow, newcomer.now);
    let least = least_idle(flow)?;
    let may_go_on = advances(newcomer, flow);
    (is_of_lab && idle >= least && may_go_on).then_some(idle + 1)
}

/// How long a closed or unanswered connection must be idle before another may take its port, in
/// ticks; `None` for an open one.
#[inline(always)]
pub(crate) fn least_idle<F: FlowRef>(flow: &F) -> Option<Tick> {
    // The remote has sent only a RST, without a sequence number to compare with.
    let is_refused =
        flow.packets_out == 1 && flow.packets_in == 1 && flow.sequences().remote.sequence == 0;
    Some(match FlowState::from_number(flow.state) {
        // The oldest is taken first, so a connection whose last acknowledgement is still under way
        // is hardly ever taken.
        FlowState::TimeWait => 0,
        FlowState::Aborted if is_refused => 0,
        FlowState::Reset | FlowState::Aborted => RESET,
        FlowState::InsideClosed | FlowState::RemoteClosed => ONE_SIDED,
        FlowState::SynSent | FlowState::SynReceived => UNANSWERED,
        FlowState::Unreplied => UNANSWERED_DATAGRAM,
        FlowState::PickedUp | FlowState::Established | FlowState::Replied => return None,
    })
}

/// Whether the sequence numbers of a new TCP connection are above those of the old one, as far as
/// they are recorded. Only then does a remote that remembers the old connection accept the new one
/// (RFC 9293 section 3.10.7.4, RFC 6191).
#[inline(always)]
fn advances<F: FlowRef>(newcomer: Newcomer, flow: &F) -> bool {
    newcomer.sequence.is_none_or(|sequence| {
        let by = sequence.wrapping_sub(flow.sequences().inside.sequence);
        by != 0 && by < 1 << 15
    })
}

/// Whether a packet at `now` can be an answer to a datagram sent at the time `at` (RFC 4787 REQ-5:
/// two minutes). The clock of another CPU may be a tick ahead.
#[inline(always)]
pub(crate) const fn is_recent(at: Tick, now: Tick) -> bool {
    const LONGEST: Tick = ticks(120);
    let age = now.wrapping_sub(at);
    age <= LONGEST || age > Tick::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Timeouts;

    #[test]
    fn a_flow_expires_after_its_timeout_and_not_at_it() {
        let settings =
            Settings { other_nat_timeouts: Timeouts::OF_NETFILTER, ..Settings::default() };
        for (kind, timeouts) in [
            (FlowKind::Masquerade, &settings.timeouts),
            (FlowKind::OtherNat, &settings.other_nat_timeouts),
        ] {
            let flow = FlowHead {
                kind: kind as u8,
                protocol: 17,
                state: FlowState::Replied as u8,
                last_seen: 1_000,
                ..FlowHead::default()
            };
            assert!(!is_expired(&flow, &settings, 1_000 + timeouts.udp), "{kind:?}");
            assert!(is_expired(&flow, &settings, 1_001 + timeouts.udp), "{kind:?}");
            // Stamped by another CPU a moment ahead of this one's clock.
            assert!(!is_expired(&flow, &settings, 999), "{kind:?}");
        }
    }
}
