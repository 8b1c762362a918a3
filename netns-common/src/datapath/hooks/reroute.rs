//! The route of a flow, which is looked up again while the flow is in use.

use crate::{
    abi::{DropReason, FlowKind, LinkRole, Tick},
    datapath::{
        conntrack::record::forget,
        context::{known_flow::KnownFlow, packet_context::PacketContext},
        packet::access::Packet,
        rules::{forward, masquerade},
        tables::{
            flow_table::{FlowRef, Version},
            kernel::Tables,
            route::{Route, RouteOutcome, RouteQuery},
        },
    },
};

/// How often the route of a flow in use is looked up again, in ticks: about once a second.
pub(crate) const REROUTE: Tick = 8;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Looks up the route of a flow again when it is due; `None` if the packet is forwarded by the
    /// record.
    #[inline(always)]
    pub(crate) fn reroute<F: FlowRef>(&mut self, flow: &F) -> Option<KnownFlow> {
        let tables = self.tables;
        let port = tables.bridge_port(self.packet.link())?;
        let route = if FlowKind::is_begun_outside(flow.kind) {
            self.reply_route(flow, port.bridge)
        } else {
            tables.route(&self.flow_route_query(flow), port.bridge)
        };
        let has_way =
            route.outcome == RouteOutcome::Forward && self.settings.is_uplink(route.egress);
        if has_way {
            self.follow_route(flow, &route);
            return self.handoff.is_stale.then_some(KnownFlow::Miss);
        }
        if route.outcome == RouteOutcome::Forward
            && let Some(reason) = self.other_link_fault(&route)
        {
            let outcome = self.refuse(reason);
            return Some(self.known(outcome));
        }
        // The stack drops it and sends the right ICMP error.
        let is_begun_inside = !FlowKind::is_begun_outside(flow.kind);
        is_begun_inside.then_some(KnownFlow::Pass)
    }

    /// The route of an answer. It leaves by the uplink that has the called address, if the kernel
    /// has a route by that uplink for a packet with this source. Otherwise the kernel chooses.
    #[inline(always)]
    fn reply_route<F: FlowRef>(&mut self, flow: &F, bridge: u32) -> Route {
        let tables = self.tables;
        let own = tables.link_of_address(flow.external);
        let came_by = if self.settings.is_uplink(own) { own } else { flow.egress };
        let mut query = self.flow_route_query(flow);
        (query.source, query.source_port) = (flow.external, flow.external_port);
        let by_same = tables.route_by(&query, came_by);
        if by_same.outcome == RouteOutcome::Forward {
            return by_same;
        }
        (query.source, query.source_port) = (flow.inside, flow.inside_port);
        tables.route(&query, bridge)
    }

    /// The route query for a packet of a flow. Its type of service is that of the flow's first
    /// packet.
    #[inline(always)]
    pub(crate) fn flow_route_query<F: FlowRef>(&self, flow: &F) -> RouteQuery {
        RouteQuery { tos: flow.tos, ..RouteQuery::of(self.headers, self.packet.mark()) }
    }

    /// Writes the new route into the record of a flow. If a masqueraded flow would have another
    /// external address there, its record is marked as stale: see [`Self::forget_stale`].
    #[inline(always)]
    pub(crate) fn follow_route<F: FlowRef>(&mut self, flow: &F, route: &Route) {
        // The external address of a connection from outside is the called one; only the route back
        // may change.
        let keeps = FlowKind::is_begun_outside(flow.kind) || {
            let rule = masquerade::find(self.tables, route.egress, flow.inside);
            let PacketContext { tables, settings, .. } = *self;
            // This includes an inside end that was published on another address since the flow
            // began.
            let is_borne = flow.external == masquerade::usual_address(rule.to, route) || {
                let on = forward::published_on(tables, flow);
                flow.external == masquerade::address(tables, settings, rule.to, on, route)
            };
            is_borne && route.egress == flow.egress
        };
        if keeps {
            flow.reroute(route.egress, route.next_hop);
        } else {
            self.handoff.stale_last_seen = flow.version().last_seen;
            self.handoff.is_stale = true;
        }
    }

    /// Removes the packet's record if it was marked as stale. The programs that mark it have too
    /// little stack left to remove it.
    #[inline(always)]
    pub(crate) fn forget_stale(&mut self) {
        if !self.handoff.is_stale {
            return;
        }
        let (tables, key) = (self.tables, self.headers.inside_key());
        for is_port_translated in [false, true] {
            let found = if is_port_translated {
                tables.flow_with_translated_port(&key)
            } else {
                tables.flow_with_kept_port(&key)
            };
            if let Some(flow) = found
                && flow.last_seen == self.handoff.stale_last_seen
            {
                let version = Version { last_seen: self.handoff.stale_last_seen, ..flow.version() };
                forget(tables, &flow.key(), &flow, version);
            }
        }
    }

    /// Why a packet must not leave by a link that is no uplink. Packets between inside networks
    /// pass untranslated, and no packet leaves the lab by a link of others.
    #[inline(always)]
    pub(crate) fn other_link_fault(&self, route: &Route) -> Option<DropReason> {
        let role = self.tables.link_role(route.egress);
        (role != Some(LinkRole::Lab)).then_some(DropReason::NoUplink)
    }
}
