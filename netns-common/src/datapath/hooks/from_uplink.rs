//! tcx ingress of an uplink: packets from outside.
//!
//! A packet of a translated flow must never reach the host's own sockets, which do not know the
//! connection and would answer with a RST. It skips the stack, or the stack forwards it.

use crate::{
    abi::{Direction, DropReason, FlowKind, FlowState, Stage, Tick},
    datapath::{
        conntrack::record::forget,
        context::{
            known_flow::KnownFlow,
            packet_context::{PacketContext, read_headers},
            scratch::Scratch,
            verdict::{Exit, Outcome, Verdict},
        },
        hooks::source_check,
        icmp::mtu::FITS_EVERY_LINK,
        new_flow::eim,
        packet::{
            access::Packet,
            headers::{Kind, destination_mac},
            ip_options,
            rewrite::{FAST_PATH, SLOW_PATH, Translation},
        },
        rules::{
            forward,
            lab_border::{is_own_address, leads_inside, may_pass_untranslated},
        },
        tables::{
            flow_table::FlowRef,
            kernel::{HostSocket, PortQuery, Tables},
            route::{RouteOutcome, RouteQuery},
        },
    },
};

/// Handles a packet that came in by an uplink: decides, and applies the decision.
#[inline(always)]
pub fn from_uplink<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    enter::<_, _, FAST_PATH>(packet, tables, scratch, now)
}

/// As the entry without `_slow`, but every packet takes the slow path: for the programs of the
/// packet log.
#[inline(always)]
pub fn from_uplink_slow<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    enter::<_, _, SLOW_PATH>(packet, tables, scratch, now)
}

#[inline(always)]
fn enter<P: Packet, T: Tables, const PATH: bool>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let headers = match read_headers(packet, tables) {
        Ok(headers) => headers,
        Err(Verdict::Pass) => return Outcome::Continue(Stage::OtherFrame),
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { headers: saved, handoff } = scratch;
    let mut context = PacketContext::new(packet, tables, settings, &headers, handoff, now);
    if PATH == FAST_PATH && headers.is_plain() {
        if let Some(flow) = tables.flow(&headers.inbound_key()) {
            let known = context.forward_inbound::<_, FAST_PATH>(&flow);
            if let Some(outcome) = context.finish_known(known, PacketContext::inbound_exit) {
                if let Outcome::Continue(_) = outcome {
                    *saved = headers;
                }
                return outcome;
            }
        }
        *saved = headers;
        return Outcome::Continue(Stage::InboundBegin);
    }
    *saved = headers;
    let is_fragment = headers.is_fragment();
    Outcome::Continue(if is_fragment { Stage::InboundFragment } else { Stage::InboundSlow })
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::InboundSlow`].
    #[inline(always)]
    pub(crate) fn inbound_slow(&mut self) -> Outcome {
        let tables = self.tables;
        let headers = self.headers;
        if let Some(reason) = ip_options::fault(self.packet, headers) {
            return Outcome::Decided(self.drop(reason));
        }
        if headers.kind.is_flow()
            && let Some(flow) = tables.flow(&headers.inbound_key())
            && !self.gives_way_to_host(&flow)
        {
            let known = self.forward_inbound::<_, SLOW_PATH>(&flow);
            return self.finish_or(known, Stage::InboundBegin);
        }
        Outcome::Continue(Stage::InboundBegin)
    }

    /// [`Stage::InboundFragment`].
    #[inline(always)]
    pub(crate) fn inbound_fragment(&mut self) -> Outcome {
        self.resume_or(false, Stage::InboundSlow)
    }

    /// [`Stage::InboundBegin`].
    #[inline(always)]
    pub(crate) fn inbound_begin(&mut self) -> Outcome {
        self.handoff.eviction.is_done = false;
        let outcome = self.begin_inbound();
        self.record_passed_fragment(outcome)
    }

    /// [`Stage::EifAdmit`].
    #[inline(always)]
    pub(crate) fn eif_admit(&mut self) -> Outcome {
        let outcome = self.begin_mapped();
        self.record_passed_fragment(outcome)
    }

    /// Forwards a packet from outside by the record of its flow.
    #[inline(always)]
    fn forward_inbound<F: FlowRef, const PATH: bool>(&mut self, flow: &F) -> KnownFlow {
        let headers = self.headers;
        let begun_outside = FlowKind::is_begun_outside(flow.kind);
        // A connection between namespaces has no packets from outside, and packets of the host's
        // own flows are for the stack.
        let is_inner = flow.egress == 0 || flow.kind == FlowKind::Host as u8;
        if is_inner {
            return if flow.kind == FlowKind::OtherNat as u8 {
                self.next(Stage::OtherNatIn)
            } else {
                KnownFlow::Miss
            };
        }
        if self.is_flow_over::<PATH>(flow, begun_outside) {
            return KnownFlow::Miss;
        }
        if PATH == FAST_PATH && !self.is_steady(flow, Direction::In) {
            return self.next(Stage::InboundSlow);
        }
        let (exit, mac) = self.inside_exit(flow.cable, flow.inside_mac);
        if exit.skips_stack() {
            let fits = headers.bytes <= FITS_EVERY_LINK || !self.packet.exceeds_mtu(flow.cable);
            if headers.ttl <= 1 || !fits {
                return self.next(Stage::TtlOrMtu);
            }
        }
        let to = Translation {
            source: headers.source,
            source_port: flow.seen_port,
            destination: flow.inside,
            destination_port: flow.inside_port,
            mac,
        };
        if PATH == FAST_PATH {
            self.handoff.exit_link = match exit {
                Exit::Peer { cable } => cable,
                _ => 0,
            };
        }
        // Another flow may have taken the record by now; then the packet is not for this inside
        // end. Nothing that decides where the packet goes is read from the record after this.
        if !flow.was_of(&headers.inbound_key()) {
            return KnownFlow::Miss;
        }
        self.update_flow::<_, PATH>(flow, Direction::In);
        self.rewrite_known::<PATH>(&to, exit, flow.rule)
    }

    /// The exit of a packet that the fast path has rewritten.
    #[inline(always)]
    const fn inbound_exit(&self) -> Exit {
        match self.handoff.exit_link {
            0 => Exit::Onward,
            cable => Exit::Peer { cable },
        }
    }

    /// Whether the record of a closed connection gives way to a listening socket of the host,
    /// because the packet begins a new connection. The service may be older than the namespace's
    /// use of its port.
    #[inline(always)]
    fn gives_way_to_host<F: FlowRef>(&self, flow: &F) -> bool {
        let state = FlowState::from_number(flow.state);
        let is_over = self.headers.is_syn()
            && !FlowKind::is_begun_outside(flow.kind)
            && state as u8 != FlowState::PickedUp as u8
            && state.gives_way_to_syn();
        if !is_over || !self.has_host_socket() {
            return false;
        }
        let (key, version) = (self.headers.inbound_key(), flow.version());
        forget(self.tables, &key, flow, version);
        true
    }

    /// Handles a packet without a flow.
    #[inline(always)]
    fn begin_inbound(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        if let Some(reason) = source_check::address_fault(headers) {
            return Outcome::Decided(self.drop(reason));
        }
        if self.is_from_inside() {
            return Outcome::Decided(self.drop(DropReason::InsideSource));
        }
        if self.is_for_inside() {
            // Answers to packets that left untranslated have an inside destination.
            let (settings, link) = (self.settings, self.packet.link());
            if may_pass_untranslated(tables, settings, link, headers.destination, headers.source) {
                return Outcome::Decided(Verdict::Pass);
            }
            return Outcome::Decided(self.drop(DropReason::InsideDestination));
        }
        // Packets to multicast addresses are for the host.
        if destination_mac(self.packet).is_none_or(|mac| mac[0] & 1 != 0) {
            return Outcome::Decided(Verdict::Pass);
        }
        match headers.kind {
            Kind::IcmpError => return Outcome::Continue(Stage::InboundError),
            // Without its ports the receiver is unknown: the host, or a namespace.
            Kind::LaterFragment if self.is_not_forwarded() => {
                return Outcome::Decided(self.begin_reassembly());
            }
            kind if kind.has_ports() => {}
            _ => return Outcome::Decided(Verdict::Pass),
        }
        let Some(target) = forward::find(
            tables,
            headers.protocol,
            headers.source,
            headers.destination,
            headers.destination_port,
            true,
        ) else {
            return match self.settings.mappings {
                0 => Outcome::Decided(Verdict::Pass),
                _ => Outcome::Continue(Stage::EifAdmit),
            };
        };
        if !self.is_for_host_address() || self.is_hosts_own() {
            return Outcome::Decided(Verdict::Pass);
        }
        self.handoff.forward = target;
        self.handoff.is_admitted = false;
        self.handoff.attempt = 0;
        let refusal = if tables.is_host_address(headers.source) {
            DropReason::Martian
        } else if headers.is_rst() {
            DropReason::NoFlow
        } else {
            return Outcome::Continue(Stage::Dnat);
        };
        Outcome::Decided(self.drop(refusal))
    }

    /// Whether the source of a packet from outside is an inside address. The routing table is asked
    /// only if the prefixes do not decide; most packets are for the host itself and need no
    /// look-up.
    #[inline(always)]
    fn is_from_inside(&self) -> bool {
        let (headers, settings) = (self.headers, self.settings);
        settings.is_inside(headers.source)
            || (settings.has_more_inside != 0 || headers.is_fragment())
                && leads_inside(self.tables, headers.source, self.packet.link())
    }

    /// Whether the kernel would send a packet from outside into the lab.
    #[inline(always)]
    fn is_for_inside(&self) -> bool {
        let (headers, tables) = (self.headers, self.tables);
        self.settings.is_inside(headers.destination)
            || !tables.is_host_address(headers.destination)
                && leads_inside(tables, headers.destination, self.packet.link())
    }

    /// Handles a packet to an address of the host and a port without a forward, from outside or
    /// from a namespace: an endpoint-independent mapping may have the port.
    #[inline(always)]
    fn begin_mapped(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        // The caller is inside and uses an address of the host.
        let is_from_inside = self.handoff.is_for_host;
        let remote = if is_from_inside { headers.destination } else { headers.source };
        let Some(admitted) = eim::admit(tables, headers, remote, self.now) else {
            return Outcome::Decided(Verdict::Pass);
        };
        let is_for_host = if is_from_inside {
            tables.is_host_address(headers.destination)
        } else {
            self.is_for_host_address()
        };
        // A socket of the host may be newer than the mapping, and comes first.
        if !is_for_host || self.has_host_socket() {
            return Outcome::Decided(Verdict::Pass);
        }
        let reason = match admitted {
            Err(reason) => reason,
            Ok(_) if !is_from_inside && tables.is_host_address(headers.source) => {
                DropReason::Martian
            }
            Ok(_) if headers.is_rst() => DropReason::NoFlow,
            Ok(target) => {
                self.handoff.forward = target;
                self.handoff.is_admitted = true;
                self.handoff.attempt = 0;
                let next = if is_from_inside { Stage::HairpinCaller } else { Stage::Dnat };
                return Outcome::Continue(next);
            }
        };
        Outcome::Decided(self.drop(reason))
    }

    /// Whether a socket of the host listens for the packet, or is connected to its sender.
    #[inline(always)]
    fn has_host_socket(&self) -> bool {
        let headers = self.headers;
        let query = PortQuery {
            remote: headers.source,
            external: headers.destination,
            remote_port: headers.source_port,
            external_port: headers.destination_port,
            protocol: headers.protocol,
        };
        self.tables.host_socket(&query) != HostSocket::None
    }

    /// Whether the kernel would not forward the packet.
    #[inline(always)]
    fn is_not_forwarded(&self) -> bool {
        let query = RouteQuery::to(self.headers.destination);
        let route = self.tables.route(&query, self.packet.link());
        route.outcome == RouteOutcome::Local
    }

    /// Whether the destination is an address of the host. Forwards apply only there, so that
    /// transit traffic is not redirected.
    #[inline(always)]
    fn is_for_host_address(&self) -> bool {
        self.is_not_forwarded()
            && is_own_address(self.tables, self.headers.destination, self.packet.link())
    }
}
