//! One packet in a hook, and the operations that all hooks share.

use crate::{
    abi::{
        Direction, DropReason, Flow, FlowHead, FlowKind, FlowState, FlowTail, Ip4, Mac, RuleId,
        Sequences, Settings, Stage, Tick,
    },
    datapath::{
        conntrack::{
            idle::{is_expired, is_expired_out_of_line, is_recent},
            tcp_window,
        },
        context::{
            ip_id::new_id,
            pending::{ParkedExit, PendingRewrite},
            scratch::{Handoff, Refusal, RefusedAt, Scratch},
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{
            access::Packet,
            headers::{Headers, Kind, NoHeaders},
            rewrite::{self, FAST_PATH, SLOW_PATH, Translation},
            tcp_segment::Segment,
            wire::{RST, SYN},
        },
        tables::{
            flow_table::{FlowRef, Touch},
            kernel::{HostSocket, PortQuery, PortState, Tables},
            observation::Observation,
        },
        verifier::verifier_barrier,
    },
};

/// One packet in a hook.
pub(crate) struct PacketContext<'a, P, T> {
    pub(crate) packet: &'a mut P,
    pub(crate) tables: &'a T,
    pub(crate) settings: &'a Settings,
    /// The headers of the packet before any rewriting.
    pub(crate) headers: &'a Headers,
    pub(crate) now: Tick,
    pub(crate) handoff: &'a mut Handoff,
}

/// The headers of a packet at an ingress hook; the verdict for one that has none.
#[inline(always)]
pub(crate) fn read_headers<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
) -> Result<Headers, Verdict> {
    Headers::read(packet).map_err(|fault| {
        let reason = match fault {
            NoHeaders::NotIpv4 => return Verdict::Pass,
            NoHeaders::Malformed => DropReason::Malformed,
            NoHeaders::BadChecksum => DropReason::BadChecksum,
        };
        tables.count_drop(reason, packet.length());
        Verdict::Drop(reason)
    })
}

/// Runs a stage on a packet whose headers, and the results of earlier programs, are in `scratch`.
#[inline(always)]
pub(crate) fn run_stage<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
    stage: impl FnOnce(&mut PacketContext<'_, P, T>) -> Outcome,
) -> Outcome {
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { headers, handoff } = scratch;
    stage(&mut PacketContext { packet, tables, settings, headers, now, handoff })
}

impl<'a, P: Packet, T: Tables> PacketContext<'a, P, T> {
    #[inline(always)]
    pub(crate) fn new(
        packet: &'a mut P,
        tables: &'a T,
        settings: &'a Settings,
        headers: &'a Headers,
        handoff: &'a mut Handoff,
        now: Tick,
    ) -> Self {
        handoff.is_for_host = false;
        handoff.is_stale = false;
        Self { packet, tables, settings, headers, now, handoff }
    }

    /// Drops the packet at its ingress link, and sends an ICMP error to its sender.
    #[inline(always)]
    pub(crate) fn refuse(&mut self, reason: DropReason) -> Outcome {
        self.refuse_at(RefusedAt::Ingress, reason)
    }

    /// As [`Self::refuse`], at any point of the path.
    #[inline(always)]
    pub(crate) fn refuse_at(&mut self, at: RefusedAt, reason: DropReason) -> Outcome {
        // The condition is over in a moment, but a sender that gets an error gives up.
        if matches!(reason, DropReason::Resizing) {
            return Outcome::Decided(self.drop(reason));
        }
        self.handoff.refusal = Refusal { reason: reason as u32, mtu: 0, at };
        Outcome::Continue(Stage::SendIcmpError)
    }

    /// Drops the packet and counts it.
    #[inline(always)]
    pub(crate) fn drop(&self, reason: DropReason) -> Verdict {
        self.tables.count_drop(reason, self.headers.bytes);
        Verdict::Drop(reason)
    }

    /// Leaves the rewriting of the packet to a stage, which also counts it for its rule. The
    /// verifier follows each path of a decision to the end of the program, so the rewriting is in
    /// another program.
    #[inline(always)]
    pub(crate) fn rewrite_by_stage(
        &mut self,
        to: &Translation,
        exit: ParkedExit,
        rule: RuleId,
        new_flow: bool,
    ) -> Outcome {
        let headers = self.headers;
        let moves = headers.source_port != to.source_port
            || headers.destination_port != to.destination_port;
        // The SCTP checksum covers the whole datagram, of which a fragment has only a part.
        if headers.first_fragment && headers.kind == Kind::Sctp && moves {
            return Outcome::Decided(self.drop(DropReason::Fragment));
        }
        self.handoff.pending_rewrite = PendingRewrite::new(to, exit, rule, new_flow);
        Outcome::Continue(self.rewriting_stage())
    }

    /// The stage that rewrites the packet. A first fragment is recorded before that, for the later
    /// ones.
    #[inline(always)]
    const fn rewriting_stage(&self) -> Stage {
        if self.headers.first_fragment { Stage::FirstFragment } else { Stage::Translate }
    }

    /// Applies the pending rewrite of another program.
    #[inline(always)]
    pub(crate) fn translate(&mut self) -> Outcome {
        let pending_rewrite = self.handoff.pending_rewrite;
        let to = pending_rewrite.translation();
        self.tables.count_rule(pending_rewrite.rule, pending_rewrite.new_flow, self.headers.bytes);
        let id = pending_rewrite.id().unwrap_or_else(|| self.id_behind(to.source));
        let is_hop = pending_rewrite.exit.skips_stack();
        let verdict =
            match rewrite::apply::<_, SLOW_PATH>(self.packet, self.headers, &to, id, is_hop) {
                // Re-read the exit so that the verifier merges its states here.
                Some(()) => {
                    Verdict::Redirect(verifier_barrier(&self.handoff.pending_rewrite.exit).exit())
                }
                None => self.drop(DropReason::RewriteFailed),
            };
        self.finish(verdict)
    }

    /// Leaves a first fragment that passes untranslated to a stage, which records it for the later
    /// ones.
    #[inline(always)]
    pub(crate) fn record_passed_fragment(&mut self, outcome: Outcome) -> Outcome {
        if self.headers.first_fragment && matches!(outcome, Outcome::Decided(Verdict::Pass)) {
            self.handoff.pending_rewrite.is_pass = true;
            return Outcome::Continue(Stage::FirstFragment);
        }
        outcome
    }

    /// Whether a packet of a namespace goes through the kernel's stack: because of the setting, or
    /// because the kernel must see each frame of its bridge port.
    #[inline(always)]
    pub(crate) fn goes_by_stack(&self) -> bool {
        self.settings.via_stack != 0 || self.handoff.port_state == PortState::Unknown
    }

    /// How a translated packet reaches the inside end of a cable: directly, or through the kernel's
    /// stack, which resolves the Ethernet address.
    #[inline(always)]
    pub(crate) const fn inside_exit(&self, cable: u32, mac: Mac) -> (Exit, Option<Mac>) {
        if self.settings.via_stack != 0 || cable == 0 {
            (Exit::Onward, None)
        } else {
            (Exit::Peer { cable }, Some(mac))
        }
    }

    /// The identification for the packet when its source becomes `source`.
    #[inline(always)]
    pub(crate) fn id_behind(&self, source: Ip4) -> u16 {
        let headers = self.headers;
        if !headers.may_be_fragmented || source == headers.source {
            return headers.id;
        }
        let count = self.packet.segments();
        new_id(self.tables, self.settings, source, headers.destination, headers.protocol, count)
    }

    /// Whether the packet changes only the time and the counters of its flow, as nearly all packets
    /// do. Other packets are left to a stage: the paths through the states of a connection are
    /// many, and the verifier follows each to the end.
    #[inline(always)]
    pub(crate) fn is_steady<F: FlowRef>(&self, flow: &F, direction: Direction) -> bool {
        let moves = if self.headers.kind.is_tcp() {
            let Some(segment) = Segment::read_plain(self.packet, self.headers) else {
                return false;
            };
            segment.differs_from(
                flow.state,
                match direction {
                    Direction::Out => flow.sequences().inside,
                    Direction::In => flow.sequences().remote,
                },
            )
        } else {
            // The numbers of the kinds that begin outside are odd, among those whose packets are
            // forwarded.
            let answered_by = match direction {
                Direction::Out => FlowKind::Forward as u8,
                Direction::In => FlowKind::Masquerade as u8,
            };
            let is_from_initiator = (flow.kind ^ answered_by) & 1;
            // A flow from outside counts as answered with the second packet of its caller.
            let is_second = u32::from(direction == Direction::In && flow.packets_in == 1);
            u32::from(flow.state ^ FlowState::Replied as u8) * u32::from(is_from_initiator ^ 1)
                + is_second * u32::from(is_from_initiator)
        };
        moves == 0
    }

    /// Updates the time and counters of a flow, and on the [`SLOW_PATH`] its state.
    #[inline(always)]
    pub(crate) fn update_flow<F: FlowRef, const PATH: bool>(&self, flow: &F, direction: Direction) {
        if PATH == FAST_PATH {
            let (seen, bytes) = (Some(self.now), self.headers.bytes);
            flow.touch(&Touch { direction, state: None, seen, bytes });
        } else if let Some(packet) = self.observation(direction) {
            self.tables.update_flow(flow, &packet);
        }
    }

    /// The parts of the packet that update its flow; `None` if its TCP header is cut off.
    #[inline(always)]
    fn observation(&self, direction: Direction) -> Option<Observation> {
        let segment = if self.headers.kind.is_tcp() {
            Some(Segment::read(self.packet, self.headers)?)
        } else {
            None
        };
        Some(Observation { direction, segment, now: self.now, bytes: self.headers.bytes })
    }

    /// Whether the recorded connection is over, so that this packet belongs to another one.
    #[inline(always)]
    pub(crate) fn is_flow_over<const PATH: bool>(
        &self,
        flow: &FlowHead,
        from_initiator: bool,
    ) -> bool {
        let reopened = from_initiator
            && self.headers.is_syn()
            && FlowState::from_number(flow.state).gives_way_to_syn();
        let is_expired = if PATH == FAST_PATH { is_expired } else { is_expired_out_of_line };
        reopened || is_expired(flow, self.settings, self.now)
    }

    /// Starts the draft of a record from the first packet of the flow.
    #[inline(always)]
    pub(crate) fn begin_draft(&mut self, kind: FlowKind) {
        let draft = &mut self.handoff.draft;
        let head = FlowHead {
            protocol: self.headers.protocol,
            kind: kind as u8,
            state: FlowState::first(self.headers) as u8,
            last_seen: self.now,
            ..FlowHead::default()
        };
        let tail = FlowTail {
            created: self.now,
            sequences: match Segment::read(self.packet, self.headers) {
                Some(segment) if self.headers.kind.is_tcp() => tcp_window::begin(kind, &segment),
                _ => Sequences::default(),
            },
            ..FlowTail::default()
        };
        *draft = Flow { head, tail };
        let bytes = self.headers.bytes;
        match kind {
            FlowKind::Forward | FlowKind::Admitted => {
                (draft.packets_in, draft.bytes_in) = (1, bytes);
            }
            FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
                (draft.packets_out, draft.bytes_out) = (1, bytes);
            }
        }
    }

    /// Whether the packet belongs to a socket of the host although its port is forwarded: the
    /// connection may be older than the forward. A UDP socket need not be connected to get the
    /// answers to its datagrams.
    #[inline(always)]
    pub(crate) fn is_hosts_own(&self) -> bool {
        let headers = self.headers;
        // Only the first packet of a connection from outside can be a SYN.
        if headers.is_syn() {
            return false;
        }
        let is_connected = self.tables.host_socket(&PortQuery {
            remote: headers.source,
            external: headers.destination,
            remote_port: headers.source_port,
            external_port: headers.destination_port,
            protocol: headers.protocol,
        }) == HostSocket::Connected;
        is_connected
            || headers.kind == Kind::Udp
                && self
                    .tables
                    .host_call(&headers.host_call_key())
                    .is_some_and(|at| is_recent(at, self.now))
    }

    /// Passes a packet whose connection is not recorded, and counts it.
    #[inline(always)]
    pub(crate) fn pass_unrecorded(&self) -> Outcome {
        self.tables.count_drop(DropReason::OtherNatUnrecorded, self.headers.bytes);
        Outcome::Decided(Verdict::Pass)
    }

    /// Finishes a translated packet. The `mss_clamp` stage follows if the packet may announce a
    /// segment size and some rule clamps sizes; it reads the original headers from the scratch
    /// memory.
    #[inline(always)]
    pub(crate) fn finish(&mut self, verdict: Verdict) -> Outcome {
        let Verdict::Redirect(exit) = verdict else { return Outcome::Decided(verdict) };
        if self.headers.tcp_flags & (SYN | RST) == SYN && self.settings.mss_clamp != 0 {
            self.handoff.clamp_exit = ParkedExit::park(exit);
            return Outcome::Continue(Stage::MssClamp);
        }
        Outcome::Decided(verdict)
    }
}
