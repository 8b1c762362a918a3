//! The states of a flow, and how long each may be idle.

use crate::{
    abi::{Direction, FlowState, Tick, Timeouts, ticks},
    datapath::packet::{
        headers::{Headers, Kind},
        wire::{ACK, FIN, RST, SYN},
    },
};

/// How long after a RST a segment may still be a straggler sent before it, in ticks: about ten
/// seconds.
const STRAGGLING: Tick = ticks(10);

impl FlowState {
    /// The state of a flow whose first packet has these headers.
    #[inline(always)]
    pub const fn first(headers: &Headers) -> Self {
        match headers.kind {
            Kind::Tcp if headers.is_syn() => Self::SynSent,
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

    /// Whether this is a state of TCP.
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
    /// A connection that continues after a RST was not reset (RFC 6146 section 3.5.2.2, state
    /// TRANS): a segment that is too late to be a straggler shows it.
    #[inline(always)]
    pub(crate) const fn next_tcp(
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
            // The other end acknowledges a forged SYN too (RFC 5961 section 4).
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

    /// The state of a connection after one end has sent new data. If that end counts as closed, its
    /// FIN was forged.
    #[inline(always)]
    pub(crate) const fn going_on(self, direction: Direction) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::FlowKind;

    fn walk(kind: FlowKind, first: FlowState, packets: &[(Direction, u8)]) -> FlowState {
        packets.iter().fold(first, |state, (direction, flags)| {
            state.next_tcp(direction.is_from_initiator(kind), *direction, *flags, 0)
        })
    }

    use Direction::{In, Out};

    #[test]
    fn a_connection_from_inside_opens_and_closes() {
        let opened = walk(FlowKind::Masquerade, FlowState::SynSent, &[(In, SYN | ACK), (Out, ACK)]);
        assert_eq!(opened, FlowState::Established);
        let half = walk(FlowKind::Masquerade, opened, &[(Out, FIN | ACK), (In, ACK)]);
        assert_eq!(half, FlowState::InsideClosed);
        assert_eq!(
            walk(FlowKind::Masquerade, half, &[(In, FIN | ACK), (Out, ACK)]),
            FlowState::TimeWait
        );
    }

    #[test]
    fn a_connection_from_outside_opens_and_closes() {
        let opened = walk(FlowKind::Forward, FlowState::SynSent, &[(Out, SYN | ACK), (In, ACK)]);
        assert_eq!(opened, FlowState::Established);
        assert_eq!(walk(FlowKind::Forward, opened, &[(In, FIN | ACK)]), FlowState::RemoteClosed);
    }

    #[test]
    fn rfc5382_req2_simultaneous_open() {
        let opened = walk(
            FlowKind::Masquerade,
            FlowState::SynSent,
            &[(In, SYN), (Out, SYN | ACK), (In, SYN | ACK), (Out, ACK)],
        );
        assert_eq!(opened, FlowState::Established);
    }

    #[test]
    fn a_repeated_syn_changes_nothing() {
        assert_eq!(
            walk(FlowKind::Masquerade, FlowState::SynSent, &[(Out, SYN)]),
            FlowState::SynSent
        );
        assert_eq!(
            walk(FlowKind::Masquerade, FlowState::SynReceived, &[(In, SYN | ACK)]),
            FlowState::SynReceived
        );
    }

    #[test]
    fn rfc7857_a_rst_is_kept_as_a_state_and_stays() {
        let reset = walk(FlowKind::Masquerade, FlowState::Established, &[(In, RST)]);
        assert_eq!(reset, FlowState::Reset);
        assert_eq!(walk(FlowKind::Masquerade, reset, &[(Out, ACK), (In, ACK)]), FlowState::Reset);
        assert!(reset.gives_way_to_syn());
    }

    #[test]
    fn a_connection_that_is_reset_before_it_is_open_was_never_open() {
        let calls: [&[(Direction, u8)]; 4] =
            [&[(In, RST)], &[(Out, SYN | ACK), (In, RST)], &[(In, RST), (In, RST)], &[(Out, RST)]];
        for packets in calls {
            let state = walk(FlowKind::Forward, FlowState::SynSent, packets);
            assert_eq!(state, FlowState::Aborted);
            assert!(state.is_half_open() && state.is_reset());
        }
    }

    #[test]
    fn only_the_end_that_calls_opens_a_connection() {
        // The called end acknowledges a second SYN with different numbers.
        let called = walk(FlowKind::Forward, FlowState::SynSent, &[(Out, SYN | ACK), (Out, ACK)]);
        assert_eq!(called, FlowState::SynReceived);
        assert_eq!(walk(FlowKind::Forward, called, &[(In, ACK)]), FlowState::Established);
    }

    #[test]
    fn a_picked_up_connection_needs_the_other_end_to_be_established() {
        let one_sided = walk(FlowKind::Masquerade, FlowState::PickedUp, &[(Out, ACK), (Out, ACK)]);
        assert_eq!(one_sided, FlowState::PickedUp);
        assert_eq!(walk(FlowKind::Masquerade, one_sided, &[(In, ACK)]), FlowState::Established);
    }

    #[test]
    fn rfc4787_and_rfc5382_timers() {
        let timeouts = Timeouts::default();
        let minutes = |ticks: Tick| crate::abi::seconds(ticks) / 60;
        assert!(minutes(FlowState::Unreplied.timeout(17, &timeouts)) >= 2);
        assert!(minutes(FlowState::Replied.timeout(17, &timeouts)) >= 5);
        assert!(minutes(FlowState::Replied.timeout(1, &timeouts)) >= 1);
        assert!(minutes(FlowState::Established.timeout(6, &timeouts)) >= 124);
        assert!(minutes(FlowState::SynSent.timeout(6, &timeouts)) >= 4);
        assert!(minutes(FlowState::TimeWait.timeout(6, &timeouts)) >= 4);
        assert!(minutes(FlowState::Reset.timeout(6, &timeouts)) >= 4);
    }

    #[test]
    fn numbers_and_states_map_one_to_one() {
        for number in 0..=10 {
            assert_eq!(FlowState::from_number(number) as u8, number);
        }
    }
}
