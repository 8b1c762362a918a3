//! One packet on its way through a hook, and what all hooks do with it.

use super::{
    Exit, Outcome, Verdict, clamp,
    head::{Head, Kind, NoHead},
    host::is_recent,
    identification::new_id,
    notes::{Notes, Place, Refusal},
    parked::{ParkedExit, PutOff, forget_ways},
    rewrite::{self, Translation},
    state::{Direction, State, is_expired},
    tcp::{self, Segment},
    traits::{FlowRef, HostSocket, Packet, PortQuery, PortState, Tables, Touch},
    update_flow::Observation,
};
use crate::abi::{
    DropReason, Flow, FlowHead, FlowKind, FlowTail, Ip4, Mac, RuleId, Sequences, Settings, Stage,
    Tick,
};

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
    pub(super) const REDIRECT: u32 = 2;
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
        notes.is_put_off = false;
        notes.is_unsteady = false;
        notes.is_refused = false;
        notes.is_held = false;
        notes.is_of_other_nat = false;
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
        match code {
            code::NONE => None,
            code::PASS => Some(Verdict::Pass),
            code::REDIRECT => Some(Verdict::Redirect(self.notes.exit.exit())),
            code => Some(Verdict::Drop(DropReason::from_number(code - code::DROP))),
        }
    }

    #[inline(never)]
    fn aside_as_code(&mut self, work: impl FnOnce(&mut Self) -> Option<Verdict>) -> u32 {
        match work(self) {
            None => code::NONE,
            Some(Verdict::Pass) => code::PASS,
            Some(Verdict::Drop(reason)) => code::DROP + reason as u32,
            Some(Verdict::Redirect(exit)) => {
                self.notes.exit = ParkedExit::park(exit);
                code::REDIRECT
            }
            // Made by stages, which come to no number.
            Some(Verdict::Answer(..)) => code::NONE,
        }
    }

    /// Drops the packet, which is at the link that it came in by, and has its sender told.
    #[inline(always)]
    pub(super) fn refuse(&mut self, reason: DropReason) -> Outcome {
        self.refuse_at(Place::Entry, reason)
    }

    /// The same wherever the packet has got to.
    #[inline(always)]
    pub(super) fn refuse_at(&mut self, place: Place, reason: DropReason) -> Outcome {
        // In a moment it will do: a sender that is told gives up.
        if matches!(reason, DropReason::Resizing) {
            return Outcome::Decided(self.drop(reason));
        }
        self.notes.refusal = Refusal { reason: reason as u32, mtu: 0, place };
        Outcome::Continue(Stage::Refuse)
    }

    /// Drops the packet and counts it.
    #[inline(always)]
    pub(super) fn drop(&self, reason: DropReason) -> Verdict {
        self.tables.count_drop(reason, self.head.bytes);
        Verdict::Drop(reason)
    }

    /// Leaves it to a stage to rewrite the packet and to count it for its rule. The verifier
    /// follows each way through a decision to its end, which so is not the rewriting.
    #[inline(always)]
    pub(super) fn translate(
        &mut self,
        to: &Translation,
        exit: ParkedExit,
        rule: RuleId,
        new_flow: bool,
    ) -> Outcome {
        let head = self.head;
        let moves =
            head.source_port != to.source_port || head.destination_port != to.destination_port;
        // Its checksum covers all of the datagram.
        if head.first_fragment && head.kind == Kind::Sctp && moves {
            return Outcome::Decided(self.drop(DropReason::Fragment));
        }
        self.notes.put_off = PutOff::new(to, exit, rule, new_flow);
        Outcome::Continue(self.translation_stage())
    }

    /// What others of its datagram will follow is noted first.
    #[inline(always)]
    const fn translation_stage(&self) -> Stage {
        if self.head.first_fragment { Stage::FirstFragment } else { Stage::Translate }
    }

    /// Rewrites a packet that is known to be [`PLAIN`]. One that may be [`ANY`] is left to a stage
    /// as well, and redirected only in name: [`Self::go_on`] tells.
    #[inline(always)]
    pub(super) fn translate_as<const WHICH: bool>(
        &mut self,
        to: &Translation,
        exit: Exit,
        rule: RuleId,
    ) -> Verdict {
        if WHICH == PLAIN {
            self.tables.count_rule(rule, false, self.head.bytes);
            let (id, is_hop) = (self.head.id, exit.skips_stack());
            return match rewrite::apply::<_, WHICH>(self.packet, self.head, to, id, is_hop) {
                Some(()) => Verdict::Redirect(exit),
                None => self.drop(DropReason::RewriteFailed),
            };
        }
        match self.translate(to, ParkedExit::park(exit), rule, false) {
            Outcome::Decided(verdict) => verdict,
            Outcome::Continue(_) => {
                self.notes.is_put_off = true;
                Verdict::Redirect(exit)
            }
        }
    }

    /// Translates the packet as was decided.
    #[inline(always)]
    pub(super) fn do_translation(&mut self) -> Outcome {
        let put_off = self.notes.put_off;
        let to = put_off.translation();
        self.tables.count_rule(put_off.rule, put_off.new_flow, self.head.bytes);
        let id = put_off.id().unwrap_or_else(|| self.id_behind(to.source));
        let is_hop = put_off.exit.skips_stack();
        let verdict = match rewrite::apply::<_, ANY>(self.packet, self.head, &to, id, is_hop) {
            // There are as many ways through the rewriting as there are exits, until here.
            Some(()) => Verdict::Redirect(forget_ways(&self.notes.put_off.exit).exit()),
            None => self.drop(DropReason::RewriteFailed),
        };
        clamp::go_on(self, verdict)
    }

    /// Goes on with a packet that is to be translated, or was.
    #[inline(always)]
    pub(super) fn go_on(&mut self, verdict: Verdict) -> Outcome {
        if self.notes.is_put_off && matches!(verdict, Verdict::Redirect(_)) {
            return Outcome::Continue(self.translation_stage());
        }
        let outcome = clamp::go_on(self, verdict);
        self.note_if_passed(outcome)
    }

    /// Leaves a first fragment that passes to a stage, which notes it for the others.
    #[inline(always)]
    pub(super) fn note_if_passed(&mut self, outcome: Outcome) -> Outcome {
        if self.head.first_fragment && matches!(outcome, Outcome::Decided(Verdict::Pass)) {
            self.notes.put_off.is_pass = true;
            return Outcome::Continue(Stage::FirstFragment);
        }
        outcome
    }

    /// Whether a packet of a namespace takes the way through the kernel's stack: it is to, or the
    /// kernel must see it to know what becomes of it.
    #[inline(always)]
    pub(super) fn goes_by_stack(&self) -> bool {
        self.settings.via_stack != 0 || self.notes.port == PortState::Unknown
    }

    /// How a translated packet reaches the inside end of a cable: straight, or by way of the
    /// kernel's stack, which resolves the Ethernet address.
    #[inline(always)]
    pub(super) const fn way_in(&self, cable: u32, mac: Mac) -> (Exit, Option<Mac>) {
        if self.settings.via_stack != 0 || cable == 0 {
            (Exit::Onward, None)
        } else {
            (Exit::Peer { cable }, Some(mac))
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

    /// Whether the packet moves nothing of its flow but clock and counters, which is so for
    /// nearly all. What moves more is left to a stage: the ways through a connection's states
    /// are many, and the verifier follows each to the end.
    #[inline(always)]
    pub(super) fn is_steady<F: FlowRef>(&self, flow: &F, direction: Direction) -> bool {
        let moves = if self.head.kind.is_tcp() {
            let Some(segment) = Segment::read_plain(self.packet, self.head) else { return false };
            segment.differs_from(
                flow.state,
                match direction {
                    Direction::Out => flow.sequences().inside,
                    Direction::In => flow.sequences().remote,
                },
            )
        } else {
            // Of the kinds that packets are carried for, those begun outside are odd.
            let answered_by = match direction {
                Direction::Out => FlowKind::Forward as u8,
                Direction::In => FlowKind::Masquerade as u8,
            };
            let is_from_initiator = (flow.kind ^ answered_by) & 1;
            // The caller's second packet is what answers a call.
            let is_second = u32::from(direction == Direction::In && flow.packets_in == 1);
            u32::from(flow.state ^ State::Replied as u8) * u32::from(is_from_initiator ^ 1)
                + is_second * u32::from(is_from_initiator)
        };
        moves == 0
    }

    /// Moves a flow's clock and counters, and where the packet may be [`ANY`] its state.
    #[inline(always)]
    pub(super) fn touch<F: FlowRef, const WHICH: bool>(&self, flow: &F, direction: Direction) {
        if WHICH == PLAIN {
            let (seen, bytes) = (Some(self.now), self.head.bytes);
            flow.touch(&Touch { direction, state: None, seen, bytes });
        } else if let Some(packet) = self.observation(direction) {
            self.tables.update_flow(flow, &packet);
        }
    }

    /// The packet as its flow's record depends on it; `None` if its TCP header is cut off.
    #[inline(always)]
    fn observation(&self, direction: Direction) -> Option<Observation> {
        let segment = if self.head.kind.is_tcp() {
            Some(Segment::read(self.packet, self.head)?)
        } else {
            None
        };
        Some(Observation { direction, segment, now: self.now, bytes: self.head.bytes })
    }

    /// Whether the record no longer stands for this packet's connection.
    #[inline(always)]
    pub(super) fn is_over(&self, flow: &FlowHead, from_initiator: bool) -> bool {
        let reopened = from_initiator
            && self.head.is_syn()
            && State::from_number(flow.state).gives_way_to_syn();
        reopened || is_expired(flow, self.settings, self.now)
    }

    /// Begins the draft with what the flow's first packet says.
    #[inline(always)]
    pub(super) fn begin_draft(&mut self, kind: FlowKind) {
        let draft = &mut self.notes.draft;
        let head = FlowHead {
            protocol: self.head.protocol,
            kind: kind as u8,
            state: State::first(self.head) as u8,
            last_seen: self.now,
            ..FlowHead::default()
        };
        let tail = FlowTail {
            created: self.now,
            sequences: match Segment::read(self.packet, self.head) {
                Some(segment) if self.head.kind.is_tcp() => tcp::begin(kind, &segment),
                _ => Sequences::default(),
            },
            ..FlowTail::default()
        };
        *draft = Flow { head, tail };
        let bytes = self.head.bytes;
        match kind {
            FlowKind::Forward | FlowKind::Admitted => {
                (draft.packets_in, draft.bytes_in) = (1, bytes);
            }
            FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
                (draft.packets_out, draft.bytes_out) = (1, bytes);
            }
        }
    }

    /// Whether the packet belongs to a connection that a socket of the host has, although its
    /// port is forwarded: such a connection may be older than the forward. A UDP socket need not be
    /// connected: an answer to what it sent is its own.
    #[inline(always)]
    pub(super) fn is_hosts_own(&self) -> bool {
        let head = self.head;
        // Only the first packet of a connection from outside can be a SYN.
        if head.is_syn() {
            return false;
        }
        let is_connected = self.tables.host_socket(&PortQuery {
            remote: head.source,
            external: head.destination,
            remote_port: head.source_port,
            external_port: head.destination_port,
            protocol: head.protocol,
        }) == HostSocket::Connected;
        is_connected
            || head.kind == Kind::Udp
                && self
                    .tables
                    .host_call(&head.host_call_key())
                    .is_some_and(|at| is_recent(at, self.now))
    }
}
