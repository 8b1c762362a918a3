//! What the programs that a packet goes through leave to each other.

use super::{
    Exit,
    evict::Eviction,
    forwards::{Published, Target},
    head::Head,
    parked::{ParkedExit, PutOff},
    requote::ParkedError,
    traits::PortState,
};
use crate::abi::{Flow, FlowKind, Fragment, Masquerade, Port, Tick};

/// Memory outside the stack for one packet at a time.
///
/// To the kernel's verifier it is memory of unknown content: a rare path that reads the
/// headers from here is not checked once for each way that led to it. And the kernel's stack
/// has 512 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    pub(super) head: Head,
    pub(super) notes: Notes,
}

/// What the paths of one packet leave to each other.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes {
    /// The record that is being made for the packet's flow.
    pub(super) draft: Flow,
    /// The forward that the packet is for, once one was found.
    pub(super) forward: Target,
    /// The masquerade of the packet's source, once one was found.
    pub(super) masquerade: Masquerade,
    /// The port that the packet's sender is published by.
    pub(super) published: Published,
    /// How many external ports were tried for it.
    pub(super) attempt: u32,
    /// The external port of a flow that was recorded.
    pub(super) claimed: Port,
    /// For how long the connection of that port was idle, in a sample.
    pub(super) longest: Tick,
    /// The port by which a forward's target is to know its caller.
    pub(super) seen: Port,
    /// What is to be remembered of the datagram that the packet is a fragment of.
    pub(super) fragment: Fragment,
    /// Where a redirected packet goes, when its verdict crosses a function call.
    pub(super) exit: ParkedExit,
    /// Where a packet goes once its segment size is clamped.
    pub(super) clamped: ParkedExit,
    /// How far the options of a SYN were read: the offset of the next one in its TCP header.
    pub(super) option: u8,
    /// The state of the port that a namespace's packet came by.
    pub(super) port: PortState,
    /// Whether the routing table says that the packet is for the host itself.
    pub(super) is_for_host: bool,
    /// Whether the forward that was found is none, but the mapping of an inside end.
    pub(super) is_admitted: bool,
    /// Whether the packet's record turned out to be of the past.
    pub(super) is_stale: bool,
    /// The translation of an ICMP error that a stage is to do.
    pub(super) error: ParkedError,
    /// A translation that a stage is to do.
    pub(super) put_off: PutOff,
    /// Whether there is one.
    pub(super) is_put_off: bool,
    /// When the record that is judged was met last. Here, since it is used behind calls from where little
    /// of the stack is left.
    pub(super) judged: Tick,
    /// Whether the packet moves the state of its flow, which is a stage's to do.
    pub(super) is_unsteady: bool,
    /// Whether a packet of a known flow is to be refused.
    pub(super) is_refused: bool,
    /// Whether a packet of a known flow cannot go into its namespace as it is.
    pub(super) is_held: bool,
    /// Whether a packet from outside is for a connection of another NAT.
    pub(super) is_of_other_nat: bool,
    /// The search for a record that makes room for the packet's flow.
    pub(super) eviction: Eviction,
    /// What the sender of a packet is to be told.
    pub(super) refusal: Refusal,
}

impl Notes {
    /// Leaves to a stage where a packet goes.
    #[inline(always)]
    pub(super) fn park(&mut self, exit: Exit) {
        self.exit = ParkedExit::park(exit);
    }

    /// Where a packet goes, as it was [left](Self::park).
    #[inline(always)]
    pub(super) const fn parked(&self) -> Exit {
        self.exit.exit()
    }

    /// The kind of a flow from outside that is begun.
    #[inline(always)]
    pub(super) const fn called_kind(&self) -> FlowKind {
        if self.is_admitted { FlowKind::Admitted } else { FlowKind::Forward }
    }
}

/// Why a packet is dropped, as its sender is told.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// The number of a [`DropReason`].
    pub(super) reason: u32,
    /// The largest packet that would have passed, in bytes; 0 where that does not matter.
    pub(super) mtu: u32,
    /// Where the packet is.
    pub(super) place: Place,
}

/// Where a packet that is dropped has got to.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the link that it came in by.
    Entry = 0,
    /// At an uplink: the stack has forwarded it.
    Departure = 1,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            head: Head::EMPTY,
            notes: Notes {
                draft: Flow::default(),
                forward: Target::default(),
                masquerade: Masquerade::default(),
                published: Published::NONE,
                attempt: 0,
                claimed: Port::ZERO,
                longest: 0,
                seen: Port::ZERO,
                fragment: Fragment::default(),
                exit: ParkedExit::NONE,
                clamped: ParkedExit::NONE,
                option: 0,
                port: PortState::Open,
                is_for_host: false,
                is_admitted: false,
                is_stale: false,
                error: ParkedError::NONE,
                put_off: PutOff::NONE,
                is_put_off: false,
                judged: 0,
                is_unsteady: false,
                is_refused: false,
                is_held: false,
                is_of_other_nat: false,
                eviction: Eviction::NONE,
                refusal: Refusal { reason: 0, mtu: 0, place: Place::Entry },
            },
        }
    }
}
