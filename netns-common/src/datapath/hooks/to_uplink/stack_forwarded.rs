//! Packets of the lab that the kernel's stack forwarded to an uplink are translated here.
//!
//! The stack has routed the packet, decremented its TTL and fragmented it if necessary. So it is
//! rewritten in place, and goes onward. A packet that cannot be translated is dropped: no packet
//! leaves with an inside source, and no error leaves that quotes an inside address.

use core::mem::offset_of;

use network_types::{icmp::Icmpv4Hdr, ip::Ipv4Hdr};

use crate::{
    abi::{Direction, DropReason, FlowKind, Ip4, Settings, Stage, Tick},
    datapath::{
        context::{
            known_flow::KnownFlow,
            packet_context::PacketContext,
            pending::ErrorTranslation,
            scratch::Scratch,
            verdict::{Exit, Outcome, Verdict},
        },
        hooks::{reroute::REROUTE, source_check::address_fault},
        icmp::translate::about,
        packet::{
            access::Packet,
            headers::{Headers, Kind},
            quote::Quote,
            rewrite::{FAST_PATH, SLOW_PATH, Translation},
        },
        tables::{
            flow_table::FlowRef,
            kernel::Tables,
            route::{Route, RouteOutcome, RouteQuery},
        },
    },
};

/// The bits of the type of service that are the DSCP; the others are ECN (RFC 2474, RFC 3168).
const DSCP: u8 = 0xfc;

/// Handles a packet with an inside source that is about to leave.
#[inline(always)]
pub(crate) fn translate<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    settings: &Settings,
    scratch: &mut Scratch,
    headers: &Headers,
    now: Tick,
) -> Outcome {
    let Scratch { headers: saved, handoff } = scratch;
    let mut context = PacketContext::new(packet, tables, settings, headers, handoff, now);
    if headers.is_plain()
        && !headers.may_be_fragmented
        && let Some(flow) = tables.flow_with_kept_port(&headers.inside_key())
    {
        let known = context.forward_egress::<_, FAST_PATH>(&flow);
        if let Some(outcome) = context.finish_known(known, |_| Exit::Onward) {
            if let Outcome::Continue(_) = outcome {
                *saved = *headers;
            }
            return outcome;
        }
    }
    *saved = *headers;
    Outcome::Continue(Stage::EgressLookup)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::EgressLookup`].
    #[inline(always)]
    pub(crate) fn egress_lookup(&mut self) -> Outcome {
        self.handoff.eviction.is_done = false;
        let headers = self.headers;
        if let Some(verdict) = self.resume_egress_fragment() {
            return Outcome::Decided(verdict);
        }
        if !headers.kind.is_flow() {
            return Outcome::Continue(Stage::EgressBegin);
        }
        let mut known = self.forward_egress_kept();
        if matches!(known, KnownFlow::Miss) {
            known = self.forward_egress_translated();
        }
        self.finish_or(known, Stage::EgressBegin)
    }

    /// [`Stage::EgressBegin`].
    #[inline(always)]
    pub(crate) fn egress_begin(&mut self) -> Outcome {
        self.forget_stale();
        self.begin_egress()
    }

    /// Forwards a packet by the record of its flow, which was looked up by the inside addresses and
    /// ports. The source was checked at the sender's cable.
    #[inline(always)]
    fn forward_egress<F: FlowRef, const PATH: bool>(&mut self, flow: &F) -> KnownFlow {
        let headers = self.headers;
        let begun_inside = !FlowKind::is_begun_outside(flow.kind);
        if flow.egress == 0 || self.is_flow_over::<PATH>(flow, begun_inside) {
            return KnownFlow::Miss;
        }
        if PATH == FAST_PATH && !self.is_steady(flow, Direction::Out) {
            return self.next(Stage::EgressLookup);
        }
        let link = self.packet.link();
        // The stack may route packets by their type of service: the connection keeps the address of
        // its first packet.
        let is_as_first = (headers.tos ^ flow.tos) & DSCP == 0;
        let is_due = flow.egress != link || self.now / REROUTE != flow.last_seen / REROUTE;
        if is_as_first && is_due {
            // The stack has chosen the link; only the source address and the next hop are looked
            // up.
            let route = self.egress_route(&self.flow_route_query(flow));
            if route.outcome == RouteOutcome::Forward {
                self.follow_route(flow, &route);
            }
            if self.handoff.is_stale {
                return KnownFlow::Miss;
            }
        }
        self.update_flow::<_, PATH>(flow, Direction::Out);
        let to = Translation {
            source: flow.external,
            source_port: flow.external_port,
            destination: headers.destination,
            destination_port: flow.remote_port,
            mac: None,
        };
        self.rewrite_known::<PATH>(&to, Exit::Onward, flow.rule)
    }

    /// Forwards a packet of a flow that kept its ports.
    #[inline(always)]
    fn forward_egress_kept(&mut self) -> KnownFlow {
        match self.tables.flow_with_kept_port(&self.headers.inside_key()) {
            Some(flow) => self.forward_egress::<_, SLOW_PATH>(&flow),
            None => KnownFlow::Miss,
        }
    }

    /// Forwards a packet of a flow that could not keep its ports.
    #[inline(always)]
    fn forward_egress_translated(&mut self) -> KnownFlow {
        match self.tables.flow_with_translated_port(&self.headers.inside_key()) {
            Some(flow) => self.forward_egress::<_, SLOW_PATH>(&flow),
            None => KnownFlow::Miss,
        }
    }

    /// Handles a packet without a flow.
    #[inline(always)]
    fn begin_egress(&mut self) -> Outcome {
        let headers = self.headers;
        let tables = self.tables;
        if tables.is_host_address(headers.source) {
            return Outcome::Decided(self.drop(DropReason::Leak));
        }
        if let Some(reason) = address_fault(headers) {
            return Outcome::Decided(self.drop(reason));
        }
        // No answer can come from a multicast address, so packets to one are not translated.
        if headers.destination.is_multicast_or_broadcast() {
            return Outcome::Decided(self.drop(DropReason::Leak));
        }
        if self.settings.is_inside(headers.destination) {
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        }
        // The stack sends the first fragment first.
        if headers.kind == Kind::LaterFragment {
            return Outcome::Decided(self.drop(DropReason::Fragment));
        }
        // A source without an endpoint is behind a namespace that routes: the stack knows the route
        // back.
        let end = tables.endpoint(headers.source).unwrap_or_default();
        if headers.kind == Kind::IcmpError {
            return Outcome::Continue(Stage::EgressError);
        }
        let route = self.egress_route(&RouteQuery::of(headers, self.packet.mark()));
        if route.outcome != RouteOutcome::Forward {
            return Outcome::Decided(self.drop(DropReason::NoRoute));
        }
        self.begin_masqueraded(&route, end, Exit::Onward)
    }

    /// The route by the link that the stack has chosen. The look-up here may not find it, for
    /// example if a rule for an interface selects its table. Then the packet leaves with the first
    /// address of the link, unless it is for the router itself.
    #[inline(always)]
    fn egress_route(&self, query: &RouteQuery) -> Route {
        let PacketContext { tables, settings, headers, .. } = *self;
        let link = self.packet.link();
        let route = tables.route_by(query, link);
        let is_routers = tables.is_host_address(headers.destination)
            || tables.is_broadcast_address(headers.destination);
        if route.outcome == RouteOutcome::Forward || is_routers {
            return route;
        }
        Route {
            outcome: RouteOutcome::Forward,
            egress: link,
            next_hop: headers.destination,
            source: settings.first_external(link),
        }
    }

    /// Translates an ICMP error of a namespace (RFC 5508 REQ-5).
    #[inline(always)]
    pub(crate) fn egress_error(&mut self) -> Outcome {
        let cable = self.tables.endpoint(self.headers.source).unwrap_or_default().cable;
        let translated = self.read_quote().and_then(|quote| {
            let flow = about(self, &quote, |flow| flow.cable == cable)?;
            if let Some(reason) = self.error_fault(&quote) {
                return Some(Outcome::Decided(self.drop(reason)));
            }
            let source = flow.external;
            self.send_translated_error(&quote, &flow, source)
        });
        let is_fragment = self.headers.first_fragment;
        let reason = if is_fragment { DropReason::Fragment } else { DropReason::UnrelatedIcmp };
        translated.unwrap_or_else(|| Outcome::Decided(self.drop(reason)))
    }

    /// Translates an ICMP error that the stack made about a translated packet: it quotes the packet
    /// as the stack saw it.
    #[inline(always)]
    pub(crate) fn own_error(&mut self) -> Outcome {
        let headers = self.headers;
        let translated = self.read_quote().and_then(|quote| {
            let flow = about(self, &quote, |_| true)?;
            self.send_translated_error(&quote, &flow, headers.source)
        });
        if let Some(outcome) = translated {
            return outcome;
        }
        let ip = headers.l4 as usize + Icmpv4Hdr::LEN;
        let is_secret = |field: usize| {
            let address = self.packet.load_at(ip + field).map(Ip4::from_network);
            address.is_some_and(|address| self.settings.is_inside(address))
        };
        let quotes_inside =
            is_secret(offset_of!(Ipv4Hdr, src_addr)) || is_secret(offset_of!(Ipv4Hdr, dst_addr));
        Outcome::Decided(if quotes_inside {
            self.drop(DropReason::UnrelatedIcmp)
        } else {
            Verdict::Pass
        })
    }

    /// Forwards an error, with the quoted packet as its sender sent it. `None` if that sender is
    /// not outside.
    #[inline(always)]
    fn send_translated_error<F: FlowRef>(
        &mut self,
        quote: &Quote,
        flow: &F,
        source: Ip4,
    ) -> Option<Outcome> {
        if flow.egress == 0 && flow.kind != FlowKind::OtherNat as u8 {
            return None;
        }
        let to = ErrorTranslation {
            source,
            destination: self.headers.destination,
            quoted_source: quote.source,
            quoted_destination: flow.external,
            quoted_source_port: flow.remote_port,
            quoted_destination_port: flow.external_port,
        };
        Some(self.translate_error(to, None, Exit::Onward, flow.rule))
    }
}
