//! One packet on its way through a hook, and what all hooks do with it.

use super::{
    Exit, Verdict,
    forwards::Target,
    head::{Head, NoHead},
    identification::new_id,
    rewrite::{self, Translation},
    state::{Direction, State, is_expired},
    traits::{FlowRef, HostSocket, Packet, PortQuery, Tables, Touch},
};
use crate::abi::{DropReason, Flow, FlowKind, Ip4, Masquerade, RuleId, Settings, Tick};

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
    /// Where a redirected packet goes, when its verdict crosses a function call.
    exit: (u32, Ip4),
    /// Where a packet goes once its segment size is clamped.
    pub(super) clamped: Exit,
    /// Whether the routing table says that the packet is for the host itself.
    pub(super) is_for_host: bool,
    /// Whether the packet's record turned out to be of the past.
    pub(super) is_stale: bool,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            head: Head::EMPTY,
            notes: Notes {
                draft: Flow::default(),
                forward: Target::default(),
                masquerade: Masquerade::default(),
                exit: (0, Ip4::UNSPECIFIED),
                clamped: Exit::Peer { cable: 0 },
                is_for_host: false,
                is_stale: false,
            },
        }
    }
}

/// One packet on its way through a hook.
pub(super) struct Passage<'a, P, T> {
    pub(super) packet: &'a mut P,
    pub(super) tables: &'a T,
    pub(super) settings: &'a Settings,
    pub(super) head: &'a Head,
    pub(super) now: Tick,
    pub(super) notes: &'a mut Notes,
}

/// The headers of a packet at an ingress hook; the verdict for one that has none.
#[inline(always)]
pub(super) fn read_head<P: Packet, T: Tables>(packet: &P, tables: &T) -> Result<Head, Verdict> {
    Head::read(packet).map_err(|fault| {
        let reason = match fault {
            NoHead::NotIpv4 => return Verdict::Pass,
            NoHead::Malformed => DropReason::Malformed,
            NoHead::BadChecksum => DropReason::BadChecksum,
        };
        tables.count_drop(reason, packet.length());
        Verdict::Drop(reason)
    })
}

/// What the entry programs carry, which so have no code for the rest: see
/// [`Head::is_plain`]; of what goes out, only that which keeps its identification.
pub(super) const PLAIN: bool = true;
/// Whatever packet.
pub(super) const ANY: bool = false;

/// Verdicts as the integers that a function of the kernel side may return.
mod code {
    pub(super) const NONE: u32 = 0;
    pub(super) const PASS: u32 = 1;
    pub(super) const NEIGHBOUR: u32 = 2;
    pub(super) const PEER: u32 = 3;
    /// Plus the number of the reason.
    pub(super) const DROP: u32 = 0x100;
}

impl<'a, P: Packet, T: Tables> Passage<'a, P, T> {
    #[inline(always)]
    pub(super) fn new(
        packet: &'a mut P,
        tables: &'a T,
        settings: &'a Settings,
        head: &'a Head,
        notes: &'a mut Notes,
        now: Tick,
    ) -> Self {
        notes.is_for_host = false;
        notes.is_stale = false;
        Self { packet, tables, settings, head, now, notes }
    }

    /// Does rare work in a function of its own, so that the usual path keeps few registers
    /// and little stack. The verifier lets a function return nothing but a number: the
    /// verdict crosses as one, and what it points at crosses in the passage.
    #[inline(always)]
    pub(super) fn aside(
        &mut self,
        work: impl FnOnce(&mut Self) -> Option<Verdict>,
    ) -> Option<Verdict> {
        let code = self.aside_as_code(work);
        let (link, next_hop) = self.notes.exit;
        match code {
            code::NONE => None,
            code::PASS => Some(Verdict::Pass),
            code::NEIGHBOUR => Some(Verdict::Redirect(Exit::Neighbour { link, next_hop })),
            code::PEER => Some(Verdict::Redirect(Exit::Peer { cable: link })),
            code => Some(Verdict::Drop(DropReason::from_number(code - code::DROP))),
        }
    }

    #[inline(never)]
    fn aside_as_code(&mut self, work: impl FnOnce(&mut Self) -> Option<Verdict>) -> u32 {
        match work(self) {
            None => code::NONE,
            Some(Verdict::Pass) => code::PASS,
            Some(Verdict::Drop(reason)) => code::DROP + reason as u32,
            Some(Verdict::Redirect(Exit::Neighbour { link, next_hop })) => {
                self.notes.exit = (link, next_hop);
                code::NEIGHBOUR
            }
            Some(Verdict::Redirect(Exit::Peer { cable })) => {
                self.notes.exit = (cable, Ip4::UNSPECIFIED);
                code::PEER
            }
        }
    }

    /// Drops the packet and counts it.
    #[inline(always)]
    pub(super) fn drop(&self, reason: DropReason) -> Verdict {
        self.tables.count_drop(reason, self.head.bytes);
        Verdict::Drop(reason)
    }

    /// Rewrites the packet and counts it for its rule.
    #[inline(always)]
    pub(super) fn translate(
        &mut self,
        to: &Translation,
        exit: Exit,
        rule: RuleId,
        new_flow: bool,
    ) -> Verdict {
        self.translate_as::<ANY>(to, exit, rule, new_flow)
    }

    /// The same for a packet that is known to be [`PLAIN`], or may be [`ANY`].
    #[inline(always)]
    pub(super) fn translate_as<const WHICH: bool>(
        &mut self,
        to: &Translation,
        exit: Exit,
        rule: RuleId,
        new_flow: bool,
    ) -> Verdict {
        self.tables.count_rule(rule, new_flow, self.head.bytes);
        let id = if WHICH == PLAIN { self.head.id } else { self.id_behind(to.source) };
        match rewrite::apply::<_, WHICH>(self.packet, self.head, to, id) {
            Some(()) => Verdict::Redirect(exit),
            None => self.drop(DropReason::RewriteFailed),
        }
    }

    /// The identification that the packet is to bear when its source becomes `source`.
    #[inline(always)]
    pub(super) fn id_behind(&self, source: Ip4) -> u16 {
        let head = self.head;
        if !head.may_be_fragmented || source == head.source {
            return head.id;
        }
        let count = self.packet.segments();
        new_id(self.tables, self.settings, source, head.destination, head.protocol, count)
    }

    /// Moves a flow's state on, and its clock and counters.
    #[inline(always)]
    pub(super) fn touch<F: FlowRef>(&self, flow: &F, direction: Direction) {
        let before = State::from_number(flow.state);
        let kind = FlowKind::from_number(flow.kind);
        let state = before.next(kind, direction, self.head.tcp_flags);
        // A RST keeps nothing alive, but its arrival starts the closing timer (RFC 7857).
        let alive = !self.head.is_rst() || state as u8 != before as u8;
        let seen = if alive { Some(self.now) } else { None };
        flow.touch(&Touch { direction, state, seen, bytes: self.head.bytes });
    }

    /// Whether the record no longer stands for this packet's connection.
    #[inline(always)]
    pub(super) fn is_over(&self, flow: &Flow, from_initiator: bool) -> bool {
        let reopened = from_initiator
            && self.head.is_syn()
            && State::from_number(flow.state).gives_way_to_syn();
        reopened || is_expired(flow, self.head.protocol, &self.settings.timeouts, self.now)
    }

    /// Begins the draft with what the flow's first packet says.
    #[inline(always)]
    pub(super) fn begin_draft(&mut self, kind: FlowKind) {
        let draft = &mut self.notes.draft;
        *draft = Flow {
            kind: kind as u8,
            state: State::first(self.head) as u8,
            created: self.now,
            last_seen: self.now,
            ..Flow::default()
        };
        let bytes = u64::from(self.head.bytes);
        match kind {
            FlowKind::Forward => (draft.packets_in, draft.bytes_in) = (1, bytes),
            FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host => {
                (draft.packets_out, draft.bytes_out) = (1, bytes);
            }
        }
    }

    /// Whether the packet belongs to a connection that a socket of the host has, although its
    /// port is forwarded: such a connection may be older than the forward.
    #[inline(always)]
    pub(super) fn is_hosts_own(&self) -> bool {
        let head = self.head;
        // Only the first packet of a connection from outside can be a SYN.
        !head.is_syn()
            && self.tables.host_socket(&PortQuery {
                remote: head.source,
                external: head.destination,
                remote_port: head.source_port,
                external_port: head.destination_port,
                protocol: head.protocol,
            }) == HostSocket::Connected
    }
}
