//! Where the packets of a flow leave: the routing table is asked again while the flow is in use.

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

/// How often a flow in use asks the routing table anew, in ticks: about once a second.
pub(crate) const REROUTE: Tick = 8;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Checks that a flow still leaves as the routing table says; `None` if the packet goes on by its
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
        // The stack answers with the right ICMP error.
        let is_begun_inside = !FlowKind::is_begun_outside(flow.kind);
        is_begun_inside.then_some(KnownFlow::Pass)
    }

    /// The route of an answer. The uplink that has the called address carries it, if the kernel has a route by that
    /// uplink for a packet with this source. Else the kernel chooses.
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

    /// The look-up of the route for a packet of a flow. Its type of service is that of the flow's first packet.
    #[inline(always)]
    pub(crate) fn flow_route_query<F: FlowRef>(&self, flow: &F) -> RouteQuery {
        RouteQuery { tos: flow.tos, ..RouteQuery::of(self.headers, self.packet.mark()) }
    }

    /// Writes where the packets of a flow leave by now. A masquerade that would bear another
    /// address there is marked as stale: [`forget_stale`].
    #[inline(always)]
    pub(crate) fn follow_route<F: FlowRef>(&mut self, flow: &F, route: &Route) {
        // The address of a connection from outside is the one that was called; only the way back may
        // change.
        let keeps = FlowKind::is_begun_outside(flow.kind) || {
            let rule = masquerade::find(self.tables, route.egress, flow.inside);
            let PacketContext { tables, settings, .. } = *self;
            // Also when it is published on another address since it began.
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

    /// Forgets the packet's record, if that was marked as stale. The programs that mark it have too
    /// little of the stack left for that.
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

    /// Towards a link that is no uplink: between inside networks there is nothing to translate, and
    /// nothing leaves the lab by a link of others.
    #[inline(always)]
    pub(crate) fn other_link_fault(&self, route: &Route) -> Option<DropReason> {
        let role = self.tables.link_role(route.egress);
        (role != Some(LinkRole::Lab)).then_some(DropReason::NoUplink)
    }
}
