//! The states of a flow, and how long each may be idle.

use super::{
    head::{Head, Kind},
    words::{ACK, FIN, RST, SYN},
};
use crate::abi::{FlowHead, FlowKind, Protocol, Settings, Tick, Timeouts, ticks};

/// Which way a packet of a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the inside end to the remote.
    Out,
    /// From the remote to the inside end.
    In,
}

impl Direction {
    /// Whether it is that of the packet that began a flow of this kind.
    #[inline(always)]
    pub const fn is_from_initiator(self, kind: FlowKind) -> bool {
        match kind {
            FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
                matches!(self, Self::Out)
            }
            FlowKind::Forward | FlowKind::Admitted => matches!(self, Self::In),
        }
    }
}

/// How long after a RST a segment is no straggler any more, in ticks: about ten seconds.
const STRAGGLING: Tick = ticks(10);

/// The state of a flow; names follow conntrack where it has one.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All but TCP: only the end that began it has spoken.
    Unreplied = 0,
    /// All but TCP: both ends have spoken.
    Replied = 1,
    /// TCP: a SYN was seen.
    SynSent = 2,
    /// TCP: a SYN was seen from each end.
    SynReceived = 3,
    /// TCP: joined in the middle; only one end was heard so far.
    PickedUp = 4,
    /// TCP: open.
    Established = 5,
    /// TCP: the inside end has closed its direction.
    InsideClosed = 6,
    /// TCP: the remote has closed its direction.
    RemoteClosed = 7,
    /// TCP: both directions are closed.
    TimeWait = 8,
    /// TCP: a RST was seen. The record stays, so that a forged one frees nothing
    /// (RFC 7857 section 2.2).
    Reset = 9,
    /// TCP: it was reset before it was open.
    Aborted = 10,
}

impl State {
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Unreplied,
            1 => Self::Replied,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::PickedUp,
            5 => Self::Established,
            6 => Self::InsideClosed,
            7 => Self::RemoteClosed,
            8 => Self::TimeWait,
            9 => Self::Reset,
            _ => Self::Aborted,
        }
    }

    /// The name that `netns flows` shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreplied => "UNREPLIED",
            Self::Replied => "REPLIED",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::PickedUp => "PICKED_UP",
            Self::Established => "ESTABLISHED",
            Self::InsideClosed => "FIN_INSIDE",
            Self::RemoteClosed => "FIN_REMOTE",
            Self::TimeWait => "TIME_WAIT",
            Self::Reset | Self::Aborted => "RESET",
        }
    }

    /// The state of a flow that `head` begins.
    #[inline(always)]
    pub const fn first(head: &Head) -> Self {
        match head.kind {
            Kind::Tcp if head.is_syn() => Self::SynSent,
            Kind::Tcp => Self::PickedUp,
            _ => Self::Unreplied,
        }
    }

    /// Whether a SYN from the end that began the flow begins a new connection, instead of
    /// belonging to this one.
    #[inline(always)]
    pub const fn gives_way_to_syn(self) -> bool {
        matches!(
            self,
            Self::PickedUp
                | Self::InsideClosed
                | Self::RemoteClosed
                | Self::TimeWait
                | Self::Reset
                | Self::Aborted
        )
    }

    /// Whether a TCP connection was never seen to be open: a SYN-ACK opens none (RFC 9293 section
    /// 3.10.7.4), nor does a RST.
    #[inline(always)]
    pub const fn is_half_open(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::PickedUp | Self::Aborted)
    }

    /// Whether it is a state of TCP.
    #[inline(always)]
    pub const fn is_of_tcp(self) -> bool {
        !matches!(self, Self::Unreplied | Self::Replied)
    }

    /// Whether a RST was seen.
    #[inline(always)]
    pub const fn is_reset(self) -> bool {
        matches!(self, Self::Reset | Self::Aborted)
    }

    /// The state after a plausible TCP segment (RFC 9293 section 3.3.2 as a middlebox sees it;
    /// RFC 5382 REQ-2 asks for simultaneous open too). `idle`: ticks since the flow was seen.
    ///
    /// A connection that goes on after a RST was not reset (RFC 6146 section 3.5.2.2, state
    /// TRANS): what comes later than any straggler shows it.
    #[inline(always)]
    pub(super) const fn next_tcp(
        self,
        from_initiator: bool,
        direction: Direction,
        tcp_flags: u8,
        idle: Tick,
    ) -> Self {
        match self {
            _ if tcp_flags & RST != 0 && self.is_half_open() => Self::Aborted,
            _ if tcp_flags & RST != 0 => Self::Reset,
            Self::Reset | Self::Aborted
                if tcp_flags & SYN == 0 && STRAGGLING < idle && idle < Tick::MAX / 2 =>
            {
                Self::Established.after_fin(direction, tcp_flags)
            }
            Self::SynSent if !from_initiator && tcp_flags & SYN != 0 => Self::SynReceived,
            // Its other end acknowledges a forged SYN too (RFC 5961 section 4).
            Self::SynReceived if from_initiator && tcp_flags & (SYN | ACK) == ACK => {
                Self::Established.after_fin(direction, tcp_flags)
            }
            Self::PickedUp if !from_initiator => Self::Established.after_fin(direction, tcp_flags),
            Self::Established | Self::InsideClosed | Self::RemoteClosed => {
                self.after_fin(direction, tcp_flags)
            }
            _ => self,
        }
    }

    #[inline(always)]
    const fn after_fin(self, direction: Direction, tcp_flags: u8) -> Self {
        if tcp_flags & FIN == 0 {
            return self;
        }
        match (self, direction) {
            (Self::Established, Direction::Out) => Self::InsideClosed,
            (Self::Established, Direction::In) => Self::RemoteClosed,
            (Self::RemoteClosed, Direction::Out) | (Self::InsideClosed, Direction::In) => {
                Self::TimeWait
            }
            _ => self,
        }
    }

    /// The state of a connection whose one end goes on with data: if that end is said to have closed
    /// its direction, it has not, and the FIN was forged.
    #[inline(always)]
    pub(super) const fn going_on(self, direction: Direction) -> Self {
        match (self, direction) {
            (Self::InsideClosed | Self::TimeWait, Direction::Out)
            | (Self::RemoteClosed | Self::TimeWait, Direction::In) => Self::Established,
            (state, _) => state,
        }
    }

    /// How long a flow of `protocol` may be idle in this state, in ticks.
    #[inline(always)]
    pub const fn timeout(self, protocol: u8, timeouts: &Timeouts) -> Tick {
        match self {
            Self::Unreplied => timeouts.of_datagrams(protocol, false),
            Self::Replied => timeouts.of_datagrams(protocol, true),
            Self::SynSent | Self::SynReceived | Self::PickedUp => timeouts.tcp_opening,
            Self::Established => timeouts.tcp_established,
            Self::InsideClosed
            | Self::RemoteClosed
            | Self::TimeWait
            | Self::Reset
            | Self::Aborted => timeouts.tcp_closing,
        }
    }
}

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
    State::from_number(flow.state).timeout(flow.protocol, timeouts)
}

/// Whether a flow is one question to a service of a well-known port, and one answer, as of DNS or NTP.
#[inline(always)]
fn is_question(flow: &FlowHead) -> bool {
    /// The first port that is not well-known (RFC 6335 section 6).
    const REGISTERED: u16 = 1024;
    if flow.state != State::Replied as u8 || flow.protocol != Protocol::Udp as u8 {
        return false;
    }
    let is_begun_outside = FlowKind::is_begun_outside(flow.kind);
    let service = if is_begun_outside { flow.inside_port } else { flow.seen_port };
    flow.packets_in == 1 && flow.packets_out == 1 && service.number() < REGISTERED
}

/// For how long a flow was idle, in ticks.
#[inline(always)]
pub(super) fn idle_time(flow: &FlowHead, now: Tick) -> Tick {
    let idle = now.wrapping_sub(flow.last_seen);
    // Another CPU may have stamped the flow after this one read its clock.
    if idle > Tick::MAX / 2 { 0 } else { idle }
}

/// Whether a flow was idle for too long: its record counts as free.
#[inline(always)]
pub fn is_expired(flow: &FlowHead, settings: &Settings, now: Tick) -> bool {
    idle_time(flow, now) > timeout_of(flow, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(kind: FlowKind, first: State, packets: &[(Direction, u8)]) -> State {
        packets.iter().fold(first, |state, (direction, flags)| {
            state.next_tcp(direction.is_from_initiator(kind), *direction, *flags, 0)
        })
    }

    use Direction::{In, Out};

    #[test]
    fn a_connection_from_inside_opens_and_closes() {
        let opened = walk(FlowKind::Masquerade, State::SynSent, &[(In, SYN | ACK), (Out, ACK)]);
        assert_eq!(opened, State::Established);
        let half = walk(FlowKind::Masquerade, opened, &[(Out, FIN | ACK), (In, ACK)]);
        assert_eq!(half, State::InsideClosed);
        assert_eq!(
            walk(FlowKind::Masquerade, half, &[(In, FIN | ACK), (Out, ACK)]),
            State::TimeWait
        );
    }

    #[test]
    fn a_connection_from_outside_opens_and_closes() {
        let opened = walk(FlowKind::Forward, State::SynSent, &[(Out, SYN | ACK), (In, ACK)]);
        assert_eq!(opened, State::Established);
        assert_eq!(walk(FlowKind::Forward, opened, &[(In, FIN | ACK)]), State::RemoteClosed);
    }

    #[test]
    fn rfc5382_req2_simultaneous_open() {
        let opened = walk(
            FlowKind::Masquerade,
            State::SynSent,
            &[(In, SYN), (Out, SYN | ACK), (In, SYN | ACK), (Out, ACK)],
        );
        assert_eq!(opened, State::Established);
    }

    #[test]
    fn a_repeated_syn_changes_nothing() {
        assert_eq!(walk(FlowKind::Masquerade, State::SynSent, &[(Out, SYN)]), State::SynSent);
        assert_eq!(
            walk(FlowKind::Masquerade, State::SynReceived, &[(In, SYN | ACK)]),
            State::SynReceived
        );
    }

    #[test]
    fn rfc7857_a_rst_is_kept_as_a_state_and_stays() {
        let reset = walk(FlowKind::Masquerade, State::Established, &[(In, RST)]);
        assert_eq!(reset, State::Reset);
        assert_eq!(walk(FlowKind::Masquerade, reset, &[(Out, ACK), (In, ACK)]), State::Reset);
        assert!(reset.gives_way_to_syn());
    }

    #[test]
    fn what_is_reset_before_it_is_open_was_never_open() {
        let calls: [&[(Direction, u8)]; 4] =
            [&[(In, RST)], &[(Out, SYN | ACK), (In, RST)], &[(In, RST), (In, RST)], &[(Out, RST)]];
        for packets in calls {
            let state = walk(FlowKind::Forward, State::SynSent, packets);
            assert_eq!(state, State::Aborted);
            assert!(state.is_half_open() && state.is_reset());
        }
    }

    #[test]
    fn only_the_end_that_calls_opens_a_connection() {
        // The called end acknowledges a second SYN with other numbers.
        let called = walk(FlowKind::Forward, State::SynSent, &[(Out, SYN | ACK), (Out, ACK)]);
        assert_eq!(called, State::SynReceived);
        assert_eq!(walk(FlowKind::Forward, called, &[(In, ACK)]), State::Established);
    }

    #[test]
    fn a_picked_up_connection_needs_the_other_end_to_be_established() {
        let one_sided = walk(FlowKind::Masquerade, State::PickedUp, &[(Out, ACK), (Out, ACK)]);
        assert_eq!(one_sided, State::PickedUp);
        assert_eq!(walk(FlowKind::Masquerade, one_sided, &[(In, ACK)]), State::Established);
    }

    #[test]
    fn rfc4787_and_rfc5382_timers() {
        let timeouts = Timeouts::default();
        let minutes = |ticks: Tick| crate::abi::seconds(ticks) / 60;
        assert!(minutes(State::Unreplied.timeout(17, &timeouts)) >= 2);
        assert!(minutes(State::Replied.timeout(17, &timeouts)) >= 5);
        assert!(minutes(State::Replied.timeout(1, &timeouts)) >= 1);
        assert!(minutes(State::Established.timeout(6, &timeouts)) >= 124);
        assert!(minutes(State::SynSent.timeout(6, &timeouts)) >= 4);
        assert!(minutes(State::TimeWait.timeout(6, &timeouts)) >= 4);
        assert!(minutes(State::Reset.timeout(6, &timeouts)) >= 4);
    }

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
                state: State::Replied as u8,
                last_seen: 1_000,
                ..FlowHead::default()
            };
            assert!(!is_expired(&flow, &settings, 1_000 + timeouts.udp), "{kind:?}");
            assert!(is_expired(&flow, &settings, 1_001 + timeouts.udp), "{kind:?}");
            // Stamped by another CPU a moment ahead of this one's clock.
            assert!(!is_expired(&flow, &settings, 999), "{kind:?}");
        }
    }

    #[test]
    fn numbers_and_states_map_one_to_one() {
        for number in 0..=10 {
            assert_eq!(State::from_number(number) as u8, number);
        }
    }
}
