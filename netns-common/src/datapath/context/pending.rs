//! Decisions that one program leaves to another, in memory.
//!
//! Every field is written, whatever the decision: the compiler may copy the fields that a variant
//! does not have, and the verifier refuses a register that was never written.

use crate::{
    abi::{Ip4, Mac, NO_RULE, Port, RuleId, Stage, Tick, WHOLE_TABLE},
    datapath::{
        context::verdict::Exit,
        packet::{quote::Quote, rewrite::Translation},
        tables::flow_table::Evictable,
    },
};

/// An [`Exit`], with every byte written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParkedExit {
    kind: u32,
    link: u32,
    next_hop: Ip4,
}

impl ParkedExit {
    const ONWARD: u32 = 1;
    const NEIGHBOUR: u32 = 2;
    const PEER: u32 = 3;
    const INGRESS: u32 = 4;

    pub(crate) const NONE: Self = Self::new(Self::ONWARD, 0, Ip4::UNSPECIFIED);

    const fn new(kind: u32, link: u32, next_hop: Ip4) -> Self {
        Self { kind, link, next_hop }
    }

    #[inline(always)]
    pub(crate) const fn park(exit: Exit) -> Self {
        match exit {
            Exit::Onward => Self::NONE,
            Exit::Neighbour { link, next_hop } => Self::new(Self::NEIGHBOUR, link, next_hop),
            Exit::Peer { cable } => Self::new(Self::PEER, cable, Ip4::UNSPECIFIED),
            Exit::Ingress { link } => Self::new(Self::INGRESS, link, Ip4::UNSPECIFIED),
        }
    }

    /// As [`Exit::skips_stack`].
    #[inline(always)]
    pub(crate) const fn skips_stack(self) -> bool {
        self.kind != Self::ONWARD
    }

    #[inline(always)]
    pub(crate) const fn exit(self) -> Exit {
        let Self { kind, link, next_hop } = self;
        match kind {
            Self::NEIGHBOUR => Exit::Neighbour { link, next_hop },
            Self::PEER => Exit::Peer { cable: link },
            Self::INGRESS => Exit::Ingress { link },
            _ => Exit::Onward,
        }
    }
}

/// A translation that a stage is to apply.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingRewrite {
    pub(crate) exit: ParkedExit,
    source: Ip4,
    destination: Ip4,
    source_port: Port,
    destination_port: Port,
    pub(crate) rule: RuleId,
    /// The new identification, where it is known already.
    id: u16,
    has_id: bool,
    mac: Mac,
    has_mac: bool,
    pub(crate) new_flow: bool,
    /// Whether the packet passes instead, untranslated.
    pub(crate) is_pass: bool,
}

impl PendingRewrite {
    pub(crate) const NONE: Self = Self {
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
    pub(crate) fn new(to: &Translation, exit: ParkedExit, rule: RuleId, new_flow: bool) -> Self {
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

    /// Sets the new identification.
    #[inline(always)]
    pub(crate) const fn set_id(&mut self, id: u16) {
        self.id = id;
        self.has_id = true;
    }

    /// The new identification, where it is known already.
    #[inline(always)]
    pub(crate) fn id(&self) -> Option<u16> {
        self.has_id.then_some(self.id)
    }

    #[inline(always)]
    pub(crate) fn translation(&self) -> Translation {
        Translation {
            source: self.source,
            source_port: self.source_port,
            destination: self.destination,
            destination_port: self.destination_port,
            mac: self.has_mac.then_some(self.mac),
        }
    }
}

/// The addresses and ports of an ICMP error after translation: of its own header, and of the packet
/// that it quotes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorTranslation {
    pub(crate) source: Ip4,
    pub(crate) destination: Ip4,
    pub(crate) quoted_source: Ip4,
    pub(crate) quoted_destination: Ip4,
    pub(crate) quoted_source_port: Port,
    pub(crate) quoted_destination_port: Port,
}

/// A translation of an ICMP error that a stage is to apply.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingErrorRewrite {
    pub(crate) quote: Quote,
    pub(crate) to: ErrorTranslation,
    pub(crate) exit: ParkedExit,
    pub(crate) mac: Mac,
    pub(crate) has_mac: bool,
    pub(crate) rule: RuleId,
}

impl PendingErrorRewrite {
    pub(crate) const NONE: Self = Self {
        quote: Quote {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            source_port: Port::ZERO,
            destination_port: Port::ZERO,
            ip: 0,
            words: 0,
            protocol: 0,
        },
        to: ErrorTranslation {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            quoted_source: Ip4::UNSPECIFIED,
            quoted_destination: Ip4::UNSPECIFIED,
            quoted_source_port: Port::ZERO,
            quoted_destination_port: Port::ZERO,
        },
        exit: ParkedExit::NONE,
        mac: [0; 6],
        has_mac: false,
        rule: NO_RULE,
    };
}

/// The search for a record that makes room for a new flow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eviction {
    pub(crate) wanted: Evictable,
    /// Whether this packet has had a record evicted already. Cleared by the lookup stages and by
    /// `hairpin_forward`: one of them comes before every stage that may ask for an eviction.
    pub(crate) is_done: bool,
    /// The place of the record that was found.
    pub(crate) place: u32,
    /// The idle time of that record and one tick more; 0: none was found.
    pub(crate) longest: Tick,
    /// The stage that tries again afterwards.
    pub(crate) stage: Stage,
}

impl Eviction {
    pub(crate) const NONE: Self = Self {
        wanted: Evictable { link: WHOLE_TABLE, is_unreplied: false },
        is_done: false,
        place: 0,
        longest: 0,
        stage: Stage::AllocatePort,
    };
}
