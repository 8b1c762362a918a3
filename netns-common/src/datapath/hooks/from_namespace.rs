//! tcx ingress of a cable's host side: packets that a namespace sends.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use crate::{
    abi::{Direction, DropReason, Endpoint, FlowKind, Ip4, Stage, Tick},
    datapath::{
        context::{
            known_flow::KnownFlow,
            packet_context::{PacketContext, read_headers, run_stage},
            scratch::Scratch,
            verdict::{Exit, Outcome, Verdict},
        },
        hooks::{reroute::REROUTE, same_bridge, source_check},
        icmp::mtu::FITS_EVERY_LINK,
        packet::{
            access::Packet,
            headers::{Kind, destination_mac, is_from, source_mac},
            ip_options,
            rewrite::{FAST_PATH, SLOW_PATH, Translation},
        },
        rules::{forward, lab_border::is_own_address},
        tables::{
            flow_table::FlowRef,
            kernel::{PortState, Tables},
            route::{RouteOutcome, RouteQuery},
        },
    },
};

/// Handles a packet that a namespace sent: decides, and applies the decision.
#[inline(always)]
pub fn from_namespace<P: Packet, T: Tables>(
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
pub fn from_namespace_slow<P: Packet, T: Tables>(
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
    if source_check::misplaces_checksum(packet, settings, &headers) {
        tables.count_drop(DropReason::ChecksumOffset, packet.length());
        return Outcome::Decided(Verdict::Drop(DropReason::ChecksumOffset));
    }
    let Scratch { headers: saved, handoff } = scratch;
    handoff.port_state = tables.sender_state(packet.link());
    if matches!(handoff.port_state, PortState::Closed | PortState::Elsewhere) {
        *saved = headers;
        return Outcome::Continue(Stage::OtherFrame);
    }
    let mut context = PacketContext::new(packet, tables, settings, &headers, handoff, now);
    let is_plain = headers.is_plain() && !headers.may_be_fragmented;
    if is_plain && same_bridge::is_likely(settings, &headers) {
        *saved = headers;
        return Outcome::Continue(Stage::SameBridge);
    }
    if PATH == FAST_PATH
        && is_plain
        && let Some(flow) = tables.flow_with_kept_port(&headers.inside_key())
    {
        let known = context.forward_outbound::<_, FAST_PATH>(&flow);
        if let Some(outcome) = context.finish_known(known, PacketContext::outbound_exit) {
            if let Outcome::Continue(_) = outcome {
                *saved = headers;
            }
            return outcome;
        }
    }
    *saved = headers;
    Outcome::Continue(if PATH == FAST_PATH && is_plain {
        Stage::OutboundLookup
    } else if headers.is_fragment() {
        Stage::OutboundFragment
    } else {
        Stage::OutboundSlow
    })
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::OutboundSlow`].
    #[inline(always)]
    pub(crate) fn outbound_slow(&mut self) -> Outcome {
        let tables = self.tables;
        let headers = self.headers;
        if let Some(reason) = ip_options::fault(self.packet, headers) {
            return Outcome::Decided(self.drop(reason));
        }
        if headers.kind.is_flow()
            && let Some(flow) = tables.flow_with_kept_port(&headers.inside_key())
        {
            let known = self.forward_outbound::<_, SLOW_PATH>(&flow);
            return self.finish_or(known, Stage::OutboundLookup);
        }
        Outcome::Continue(Stage::OutboundLookup)
    }

    /// [`Stage::OutboundFragment`].
    #[inline(always)]
    pub(crate) fn outbound_fragment(&mut self) -> Outcome {
        self.resume_or(true, Stage::OutboundSlow)
    }
}

/// [`Stage::OtherFrame`].
#[inline(always)]
pub fn other_frame<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let ether_type: Option<u16> = packet.load(offset_of!(EthHdr, ether_type));
    if ether_type != Some(EtherType::Ipv4 as u16) || packet.is_tagged() {
        return Outcome::Decided(source_check::of_other_frame(packet, tables));
    }
    run_stage(packet, tables, scratch, now, |context| Outcome::Decided(context.unplugged_port()))
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// The verdict on an IPv4 packet of a namespace whose cable is not in the bridge of the lab.
    /// Without a bridge, the port is an interface of the router, which would route the packet. At
    /// another bridge, the packet passes with its own addresses.
    #[inline(always)]
    fn unplugged_port(&self) -> Verdict {
        if self.handoff.port_state == PortState::Closed {
            return self.drop(DropReason::PortClosed);
        }
        let port = self.tables.bridge_port(self.packet.link());
        match port.and_then(|port| self.source_fault(&port)) {
            Some(reason) => self.drop(reason),
            None => Verdict::Pass,
        }
    }

    /// [`Stage::OutboundLookup`].
    #[inline(always)]
    pub(crate) fn outbound_lookup(&mut self) -> Outcome {
        self.handoff.eviction.is_done = false;
        if let Some(verdict) = self.forward_on_bridge() {
            return Outcome::Decided(verdict);
        }
        let known = self.forward_outbound_translated();
        self.finish_or(known, Stage::OutboundBegin)
    }

    /// [`Stage::OutboundBegin`].
    #[inline(always)]
    pub(crate) fn outbound_begin(&mut self) -> Outcome {
        self.forget_stale();
        let outcome = self.begin_outbound();
        self.record_passed_fragment(outcome)
    }

    /// Forwards a packet by the record of its flow, which was looked up by the inside addresses and
    /// ports.
    #[inline(always)]
    fn forward_outbound<F: FlowRef, const PATH: bool>(&mut self, flow: &F) -> KnownFlow {
        let headers = self.headers;
        let begun_inside = !FlowKind::is_begun_outside(flow.kind);
        if flow.cable != self.packet.link() || self.is_flow_over::<PATH>(flow, begun_inside) {
            return KnownFlow::Miss;
        }
        if PATH == FAST_PATH && !self.is_steady(flow, Direction::Out) {
            return self.next(Stage::OutboundSlow);
        }
        if !is_from(self.packet, &flow.inside_mac)
            && let Some(known) = self.out_of_line(|context| context.foreign_mac())
        {
            return known;
        }
        if flow.egress == 0 {
            if PATH == SLOW_PATH {
                return self.next(Stage::HairpinForward);
            }
            let known = self
                .out_of_line(|context| Some(context.forward_hairpin_flow::<_, FAST_PATH>(flow)));
            return known.unwrap_or(KnownFlow::Miss);
        }
        // The stack forwards it, and the uplink's egress hook translates it.
        if self.goes_by_stack() {
            return KnownFlow::Pass;
        }
        if headers.ttl <= 1 {
            return self.expired_ttl();
        }
        if self.now / REROUTE != flow.last_seen / REROUTE
            && let Some(known) = self.out_of_line(|context| context.reroute(flow))
        {
            return known;
        }
        if headers.bytes > FITS_EVERY_LINK && self.packet.exceeds_mtu(flow.egress) {
            return KnownFlow::Pass;
        }
        self.update_flow::<_, PATH>(flow, Direction::Out);
        let to = Translation {
            source: flow.external,
            source_port: flow.external_port,
            destination: headers.destination,
            destination_port: flow.remote_port,
            mac: None,
        };
        let (link, next_hop) = (flow.egress, flow.next_hop);
        if PATH == FAST_PATH {
            (self.handoff.exit_link, self.handoff.exit_next_hop) = (link, next_hop);
        }
        let exit = Exit::Neighbour { link, next_hop };
        self.rewrite_known::<PATH>(&to, exit, flow.rule)
    }

    /// Handles a packet whose TTL has run out: the stack answers it, unless it was sent with a TTL
    /// of 0.
    #[inline(always)]
    fn expired_ttl(&mut self) -> KnownFlow {
        if self.headers.ttl == 0 {
            self.drop_known(DropReason::NoTimeToLive)
        } else {
            KnownFlow::Pass
        }
    }

    /// The exit of a packet that the fast path has rewritten.
    #[inline(always)]
    fn outbound_exit(&self) -> Exit {
        let (link, next_hop) = (self.handoff.exit_link, self.handoff.exit_next_hop);
        if next_hop == Ip4::UNSPECIFIED {
            Exit::Peer { cable: link }
        } else {
            Exit::Neighbour { link, next_hop }
        }
    }

    /// Forwards a packet of a flow that could not keep its ports.
    #[inline(always)]
    fn forward_outbound_translated(&mut self) -> KnownFlow {
        let headers = self.headers;
        if !headers.kind.is_flow() {
            return KnownFlow::Miss;
        }
        match self.tables.flow_with_translated_port(&headers.inside_key()) {
            Some(flow) => self.forward_outbound::<_, SLOW_PATH>(&flow),
            None => KnownFlow::Miss,
        }
    }

    /// Handles a packet without a flow.
    #[inline(always)]
    fn begin_outbound(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        let link = self.packet.link();
        let Some(port) = tables.bridge_port(link) else { return Outcome::Decided(Verdict::Pass) };
        if let Some(reason) = self.source_fault(&port) {
            return Outcome::Decided(self.drop(reason));
        }
        let routed = destination_mac(self.packet) == Some(port.bridge_mac);
        if !routed || headers.destination.is_multicast_or_broadcast() {
            return Outcome::Decided(Verdict::Pass);
        }
        let query = RouteQuery::of(headers, self.packet.mark());
        let route = tables.route(&query, port.bridge);
        match route.outcome {
            RouteOutcome::Local => {
                self.handoff.is_for_host = true;
                self.begin_towards_host()
            }
            // The stack drops it and sends the right ICMP error.
            RouteOutcome::Refused => Outcome::Decided(Verdict::Pass),
            RouteOutcome::Forward if headers.ttl <= 1 => Outcome::Decided(Verdict::Pass),
            RouteOutcome::Forward if !self.settings.is_uplink(route.egress) => {
                match self.other_link_fault(&route) {
                    Some(reason) => self.refuse(reason),
                    None => Outcome::Decided(Verdict::Pass),
                }
            }
            // The egress hook translates it.
            RouteOutcome::Forward if self.goes_by_stack() => Outcome::Decided(match headers.kind {
                Kind::LaterFragment => self.begin_reassembly(),
                _ => Verdict::Pass,
            }),
            // A routing rule for the source may lead packets for another network of the lab
            // elsewhere.
            RouteOutcome::Forward if self.settings.is_inside(headers.destination) => {
                Outcome::Decided(self.drop(DropReason::NoRoute))
            }
            RouteOutcome::Forward => {
                let Some(mac) = source_mac(self.packet) else {
                    return Outcome::Decided(self.drop(DropReason::Malformed));
                };
                let exit = Exit::Neighbour { link: route.egress, next_hop: route.next_hop };
                let end = Endpoint { cable: link, bridge: port.bridge, mac, padding: [0; 2] };
                self.begin_masqueraded(&route, end, exit)
            }
        }
    }

    /// Whether a packet that the kernel does not forward is for an address of the host.
    #[inline(always)]
    fn is_for_own_address(&self) -> bool {
        let (tables, link) = (self.tables, self.packet.link());
        let bridge = tables.bridge_port(link).map_or(link, |port| port.bridge);
        is_own_address(tables, self.headers.destination, bridge)
    }

    /// Handles a packet for the host itself: a forwarded port leads back into a namespace, and
    /// everything else passes to the stack.
    #[inline(always)]
    fn begin_towards_host(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        match headers.kind {
            // Without its ports the receiver is unknown: the host, or a namespace.
            Kind::LaterFragment if tables.is_host_address(headers.destination) => {
                return Outcome::Decided(self.begin_reassembly());
            }
            Kind::IcmpError => return Outcome::Continue(Stage::OutboundError),
            kind if kind.has_ports() => {}
            _ => return Outcome::Decided(Verdict::Pass),
        }
        let target = forward::find(
            tables,
            headers.protocol,
            headers.source,
            headers.destination,
            headers.destination_port,
            true,
        );
        let verdict = match target {
            None if self.settings.mappings != 0 => return Outcome::Continue(Stage::EifAdmit),
            None => Verdict::Pass,
            // Broadcast, loopback, or no route: left to the stack, which refuses it.
            Some(_) if !self.is_for_own_address() => Verdict::Pass,
            Some(_) if self.is_hosts_own() => Verdict::Pass,
            Some(_) if headers.is_rst() => self.drop(DropReason::NoFlow),
            Some(target) => {
                self.handoff.forward = target;
                self.handoff.is_admitted = false;
                return Outcome::Continue(Stage::HairpinCaller);
            }
        };
        Outcome::Decided(verdict)
    }
}
