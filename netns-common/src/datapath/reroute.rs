//! Where the packets of a flow leave: the routing table is asked again while the flow is in use.

use super::{
    Verdict, forwards,
    hop::{Route, RouteOutcome, RouteQuery},
    inside::is_uplink,
    masquerade,
    passage::Passage,
    record::forget,
    traits::{FlowRef, Packet, Tables, Version},
};
use crate::abi::{DropReason, FlowKind, LinkRole, Tick};

/// How often a flow in use asks the routing table anew, in ticks: about once a second.
pub(super) const REROUTE: Tick = 8;

/// Looks whether a flow still leaves as the routing table says. `Some` when there is no way
/// any more; a flow that [`follow`] marks as stale begins afresh.
#[inline(always)]
pub(super) fn reroute<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let tables = passage.tables;
    let port = tables.bridge_port(passage.packet.link())?;
    let route = if FlowKind::is_begun_outside(flow.kind) {
        way_back(passage, flow, port.bridge)
    } else {
        tables.route(&query_of(passage, flow), port.bridge)
    };
    let has_way =
        route.outcome == RouteOutcome::Forward && is_uplink(passage.settings, route.egress);
    if has_way {
        follow(passage, flow, &route);
        return None;
    }
    if route.outcome == RouteOutcome::Forward
        && let Some(reason) = leave_elsewhere(passage, &route)
    {
        passage.refuse(reason);
        passage.notes.is_refused = true;
        return None;
    }
    // The stack answers with the right ICMP error.
    (!FlowKind::is_begun_outside(flow.kind)).then_some(Verdict::Pass)
}

/// The route of an answer. The uplink that has the called address carries it, if the kernel has a route by that
/// uplink for a packet with this source. Else the kernel chooses.
#[inline(always)]
fn way_back<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
    bridge: u32,
) -> Route {
    let tables = passage.tables;
    let own = tables.link_of_address(flow.external);
    let came_by = if is_uplink(passage.settings, own) { own } else { flow.egress };
    let mut query = query_of(passage, flow);
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
pub(super) fn query_of<P: Packet, T: Tables, F: FlowRef>(
    passage: &Passage<'_, P, T>,
    flow: &F,
) -> RouteQuery {
    RouteQuery { tos: flow.tos, ..RouteQuery::of(passage.head, passage.packet.mark()) }
}

/// Writes where the packets of a flow leave by now. A masquerade that would bear another
/// address there is marked as stale: [`forget_stale`].
#[inline(always)]
pub(super) fn follow<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
    route: &Route,
) {
    // The address of a connection from outside is the one that was called; only the way back may
    // change.
    let keeps = FlowKind::is_begun_outside(flow.kind) || {
        let rule = masquerade::find(passage.tables, route.egress, flow.inside);
        let Passage { tables, settings, .. } = *passage;
        // Also when it is published on another address since it began.
        let is_borne = flow.external == masquerade::usual_address(rule.to, route) || {
            let on = forwards::published_on(tables, flow);
            flow.external == masquerade::address(tables, settings, rule.to, on, route)
        };
        is_borne && route.egress == flow.egress
    };
    if keeps {
        flow.reroute(route.egress, route.next_hop);
    } else {
        passage.notes.judged = flow.version().last_seen;
        passage.notes.is_stale = true;
    }
}

/// Forgets the packet's record, if that was marked as stale. The programs that mark it have too
/// little of the stack left for that.
#[inline(always)]
pub(super) fn forget_stale<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) {
    if !passage.notes.is_stale {
        return;
    }
    let (tables, key) = (passage.tables, passage.head.inside_key());
    for is_moved in [false, true] {
        let found = if is_moved { tables.moved_flow(&key) } else { tables.kept_flow(&key) };
        if let Some(flow) = found
            && flow.last_seen == passage.notes.judged
        {
            let version = Version { last_seen: passage.notes.judged, ..flow.version() };
            forget(tables, &flow.key(), &flow, version);
        }
    }
}

/// Towards a link that is no uplink: between inside networks there is nothing to translate, and
/// nothing leaves the lab by a link of others.
#[inline(always)]
pub(super) fn leave_elsewhere<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    route: &Route,
) -> Option<DropReason> {
    let role = passage.tables.link_role(route.egress);
    (role != Some(LinkRole::Lab)).then_some(DropReason::NoUplink)
}
