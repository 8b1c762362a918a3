//! The state of a flow, and the direction of its packets.

use super::FlowKind;

/// The direction of a packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the inside end to the remote.
    Out,
    /// From the remote to the inside end.
    In,
}

impl Direction {
    /// Whether packets in this direction come from the initiator of a flow of this kind.
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

/// The state of a flow; names follow conntrack where it has one.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// All but TCP: only the initiator has sent.
    Unreplied = 0,
    /// All but TCP: both ends have sent.
    Replied = 1,
    /// TCP: a SYN was seen.
    SynSent = 2,
    /// TCP: a SYN was seen from each end.
    SynReceived = 3,
    /// TCP: first seen after its handshake; only one end has sent so far.
    PickedUp = 4,
    /// TCP: open.
    Established = 5,
    /// TCP: the inside end has closed its direction.
    InsideClosed = 6,
    /// TCP: the remote has closed its direction.
    RemoteClosed = 7,
    /// TCP: both directions are closed.
    TimeWait = 8,
    /// TCP: a RST was seen. The record stays, so that a forged RST frees nothing (RFC 7857 section
    /// 2.2).
    Reset = 9,
    /// TCP: reset before it was open.
    Aborted = 10,
}

impl FlowState {
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
}
