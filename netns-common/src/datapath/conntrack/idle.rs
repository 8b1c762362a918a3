//! How long a flow may be idle, and after which idle time its record or port may be reused.

use crate::{
    abi::{FlowHead, FlowKey, FlowKind, FlowState, Protocol, Settings, Tick, WHOLE_TABLE, ticks},
    datapath::{
        conntrack::quota::QuotaCharge,
        tables::flow_table::{Evictable, FlowRef, FlowTable, Newcomer},
    },
};

/// How long a flow may be idle, in ticks.
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

/// Whether a flow is one question to a service of a well-known port, and one answer, as of DNS or NTP.
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

/// For how long a flow was idle, in ticks.
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

/// For how long a record was idle, and one tick more; 0 if it must not make room.
#[inline(always)]
pub fn idle_if_evictable<F: FlowRef>(
    flow: &F,
    settings: &Settings,
    wanted: Evictable,
    now: Tick,
) -> Tick {
    let Evictable { link, is_unreplied } = wanted;
    let charge = QuotaCharge::of(flow);
    // Those of the machine's own connections and of other NATs are not the lab's to end.
    let is_of_lab = charge.records != 0 && flow.kind != FlowKind::OtherNat as u8;
    let is_asked_for = link == WHOLE_TABLE || charge.link == link;
    if !is_of_lab || !is_asked_for || is_unreplied && !charge.is_unreplied {
        return 0;
    }
    let idle = idle_time(flow, now);
    // For the second record of a connection between namespaces the first must not go.
    if link == WHOLE_TABLE && idle == 0 {
        return 0;
    }
    let is_over =
        || is_expired(flow, settings, now) || least_idle(flow).is_some_and(|least| idle >= least);
    if charge.is_unreplied || is_over() { idle + 1 } else { 0 }
}

/// How long nothing must have been sent after the FIN of one end: it may be forged, or the other end
/// goes on (ReDAN, NDSS 2025).
const ONE_SIDED: Tick = ticks(10);

/// The same after a RST. Data does not move the clock of a record that is reset before it shows,
/// after ten seconds, that the RST was forged.
const RESET: Tick = ticks(20);

/// How long a connection that nobody has answered has at least to be opened.
const UNANSWERED: Tick = ticks(3);

/// The same of datagrams: their receivers do not tell a late answer to somebody else.
const UNANSWERED_DATAGRAM: Tick = ticks(30);

/// For how long the connection of an external port was idle, and one tick more; [`Tick::MAX`] if
/// none has the port, 0 if the connection must not give way to `newcomer`.
#[inline(always)]
pub fn reclaimable<T: FlowTable>(tables: &T, key: &FlowKey, newcomer: Newcomer) -> Tick {
    match tables.flow(key) {
        Some(flow) => idle_if_over(&flow, newcomer).unwrap_or(0),
        None => Tick::MAX,
    }
}

/// For how long a connection has been idle, at least one tick, if it may give way.
#[inline(always)]
pub(crate) fn idle_if_over<F: FlowRef>(flow: &F, newcomer: Newcomer) -> Option<Tick> {
    let is_of_lab = flow.kind == FlowKind::Masquerade as u8 || flow.kind == FlowKind::Hairpin as u8;
    let idle = idle_time(flow, newcomer.now);
    let least = least_idle(flow)?;
    let may_go_on = advances(newcomer, flow);
    (is_of_lab && idle >= least && may_go_on).then_some(idle + 1)
}

/// For how long a connection that is over, or that nobody has answered, must have been idle before another
/// takes its port; `None` for one that goes on.
#[inline(always)]
pub(crate) fn least_idle<F: FlowRef>(flow: &F) -> Option<Tick> {
    // The remote has sent nothing but its refusal, and no sequence number.
    let is_refused =
        flow.packets_out == 1 && flow.packets_in == 1 && flow.sequences().remote.sequence == 0;
    Some(match FlowState::from_number(flow.state) {
        // The oldest comes first: one whose last acknowledgement is on the way is hardly met.
        FlowState::TimeWait => 0,
        FlowState::Aborted if is_refused => 0,
        FlowState::Reset | FlowState::Aborted => RESET,
        FlowState::InsideClosed | FlowState::RemoteClosed => ONE_SIDED,
        FlowState::SynSent | FlowState::SynReceived => UNANSWERED,
        FlowState::Unreplied => UNANSWERED_DATAGRAM,
        FlowState::PickedUp | FlowState::Established | FlowState::Replied => return None,
    })
}

/// Whether the sequence numbers of a new TCP connection are beyond those of the old one, as far as
/// they are kept: only then a remote that remembers the old one takes the new one (RFC 9293 section
/// 3.10.7.4, RFC 6191).
#[inline(always)]
fn advances<F: FlowRef>(newcomer: Newcomer, flow: &F) -> bool {
    newcomer.sequence.is_none_or(|sequence| {
        let by = sequence.wrapping_sub(flow.sequences().inside.sequence);
        by != 0 && by < 1 << 15
    })
}

/// Whether what came is an answer to a datagram that was sent at a time (RFC 4787 REQ-5: two
/// minutes). Another CPU's clock may be a tick ahead.
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
