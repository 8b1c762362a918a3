//! Decisions that cross from one program or function of the kernel side to another, in memory.
//!
//! Every field is written, whatever the decision: the compiler may copy what a variant does not
//! have, and the verifier refuses a register that nothing was read into.

use super::{Exit, rewrite::Translation};
use crate::abi::{Ip4, Mac, NO_RULE, Port, RuleId};

/// What was just written, as it stands in memory: to the verifier its content is unknown, and all
/// ways that led to it are one from here on.
#[inline(always)]
pub(super) fn forget_ways<V: Copy>(written: &V) -> V {
    // SAFETY: a reference is valid to read. The compiler knows nothing of what it reads.
    unsafe { core::ptr::read_volatile(written) }
}

/// An [`Exit`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedExit {
    kind: u32,
    link: u32,
    next_hop: Ip4,
}

impl ParkedExit {
    const ONWARD: u32 = 1;
    const NEIGHBOUR: u32 = 2;
    const PEER: u32 = 3;
    const INGRESS: u32 = 4;

    pub(super) const NONE: Self = Self::new(Self::ONWARD, 0, Ip4::UNSPECIFIED);

    const fn new(kind: u32, link: u32, next_hop: Ip4) -> Self {
        Self { kind, link, next_hop }
    }

    #[inline(always)]
    pub(super) const fn park(exit: Exit) -> Self {
        match exit {
            Exit::Onward => Self::NONE,
            Exit::Neighbour { link, next_hop } => Self::new(Self::NEIGHBOUR, link, next_hop),
            Exit::Peer { cable } => Self::new(Self::PEER, cable, Ip4::UNSPECIFIED),
            Exit::Ingress { link } => Self::new(Self::INGRESS, link, Ip4::UNSPECIFIED),
        }
    }

    /// As [`Exit::skips_stack`].
    #[inline(always)]
    pub(super) const fn skips_stack(self) -> bool {
        self.kind != Self::ONWARD
    }

    #[inline(always)]
    pub(super) const fn exit(self) -> Exit {
        let Self { kind, link, next_hop } = self;
        match kind {
            Self::NEIGHBOUR => Exit::Neighbour { link, next_hop },
            Self::PEER => Exit::Peer { cable: link },
            Self::INGRESS => Exit::Ingress { link },
            _ => Exit::Onward,
        }
    }
}

/// How a packet is to be translated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct PutOff {
    pub(super) exit: ParkedExit,
    source: Ip4,
    destination: Ip4,
    source_port: Port,
    destination_port: Port,
    pub(super) rule: RuleId,
    /// The identification that it is to bear, where that is known.
    id: u16,
    has_id: bool,
    mac: Mac,
    has_mac: bool,
    pub(super) new_flow: bool,
    /// Not at all: it passes.
    pub(super) is_pass: bool,
}

impl PutOff {
    pub(super) const NONE: Self = Self {
        exit: ParkedExit::NONE,
        source: Ip4::UNSPECIFIED,
        destination: Ip4::UNSPECIFIED,
        source_port: Port::ZERO,
        destination_port: Port::ZERO,
        rule: NO_RULE,
        id: 0,
        has_id: false,
        mac: [0; 6],
        has_mac: false,
        new_flow: false,
        is_pass: false,
    };

    #[inline(always)]
    pub(super) fn new(to: &Translation, exit: ParkedExit, rule: RuleId, new_flow: bool) -> Self {
        Self {
            exit,
            source: to.source,
            destination: to.destination,
            source_port: to.source_port,
            destination_port: to.destination_port,
            rule,
            id: 0,
            has_id: false,
            mac: to.mac.unwrap_or_default(),
            has_mac: to.mac.is_some(),
            new_flow,
            is_pass: false,
        }
    }

    /// Says which identification the packet is to bear.
    #[inline(always)]
    pub(super) const fn bear(&mut self, id: u16) {
        self.id = id;
        self.has_id = true;
    }

    /// That identification.
    #[inline(always)]
    pub(super) fn id(&self) -> Option<u16> {
        self.has_id.then_some(self.id)
    }

    #[inline(always)]
    pub(super) fn translation(&self) -> Translation {
        Translation {
            source: self.source,
            source_port: self.source_port,
            destination: self.destination,
            destination_port: self.destination_port,
            mac: self.has_mac.then_some(self.mac),
        }
    }
}
