//! Connections that the outside, or another namespace, begins.

use super::{
    Exit, Outcome, evict,
    hop::{RouteOutcome, RouteQuery},
    inside::{allow_external, is_uplink, leads_inside},
    notes::Scratch,
    oversize::{self, FITS_EVERY_LINK},
    parked::ParkedExit,
    passage::Passage,
    record::record,
    rewrite::Translation,
    seen_port,
    stages::go_on,
    traits::{InsertError, Packet, Tables},
    usage::{self, BegunBy},
};
use crate::abi::{DropReason, LinkRole, Stage, Tick};

/// [`Stage::Enter`].
#[inline(always)]
pub fn enter<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, call_target)
}

/// Begins a flow to a forward's target.
#[inline(always)]
fn call_target<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let Some(target) = tables.endpoint(forward.address) else {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    };
    let (mut exit, mut mac) = passage.way_in(target.cable, target.mac);
    if exit.skips_stack() {
        if head.ttl <= 1 {
            return passage.refuse(DropReason::TtlExceeded);
        }
        if head.bytes > FITS_EVERY_LINK && passage.packet.exceeds_mtu(target.cable) {
            if oversize::is_indivisible(passage.packet) {
                return oversize::refuse(passage, target.cable);
            }
            // The stack fragments it.
            (exit, mac) = (Exit::Onward, None);
        }
    }
    let bridge = tables.bridge_port(target.cable).map_or(0, |port| port.bridge);
    let link = passage.packet.link();
    // The way that an answer of the target would take by itself.
    let query = RouteQuery {
        source: forward.address,
        destination: head.source,
        source_port: forward.port,
        destination_port: head.source_port,
        protocol: head.protocol,
        ..RouteQuery::default()
    };
    let mut reply = tables.route(&query, bridge);
    // A rule for the target's address must not hide that the caller's is inside.
    let is_led_inside = reply.outcome == RouteOutcome::Forward
        && tables.link_role(reply.egress) == Some(LinkRole::Lab);
    if is_led_inside || leads_inside(tables, head.source, bridge) {
        return Outcome::Decided(passage.drop(DropReason::InsideSource));
    }
    if reply.outcome != RouteOutcome::Forward || reply.egress != link {
        // The uplink that the call came by carries the answer, if there is a route by it for a packet whose
        // source is the called address.
        let (source, source_port) = (head.destination, head.destination_port);
        let by_same = tables.route_by(&RouteQuery { source, source_port, ..query }, link);
        if by_same.outcome == RouteOutcome::Forward {
            reply = by_same;
        }
    }
    if reply.outcome != RouteOutcome::Forward {
        // A broadcast address, or one that no answer would reach.
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    }
    // Where the way back is not by an uplink, replies go where the packet came from.
    let (egress, next_hop) = if is_uplink(passage.settings, reply.egress) {
        (reply.egress, reply.next_hop)
    } else {
        (link, head.source)
    };
    if let Some(reason) = usage::refusal(passage, egress, BegunBy::Outside) {
        return evict::make_room(passage, reason, egress, Stage::Enter)
            .unwrap_or_else(|| Outcome::Decided(passage.drop(reason)));
    }
    if !allow_external(tables, passage.settings, head.destination) {
        return Outcome::Decided(passage.drop(DropReason::InsideDestination));
    }
    let kind = passage.notes.called_kind();
    passage.begin_draft(kind);
    let flow = &mut passage.notes.draft;
    flow.inside = forward.address;
    flow.inside_port = forward.port;
    flow.inside_mac = target.mac;
    flow.external = head.destination;
    flow.egress = egress;
    flow.next_hop = next_hop;
    flow.cable = target.cable;
    flow.rule = forward.rule;
    let key = head.inbound_key();
    let Some(seen_port) = seen_port::find(passage, &key) else {
        return seen_port::try_another(passage, Stage::Enter, DropReason::PortsExhausted);
    };
    passage.notes.draft.seen_port = seen_port;
    match record(tables, passage.settings, &key, &passage.notes.draft) {
        Ok(()) => {}
        Err(InsertError::Exists) => {
            return Outcome::Decided(passage.drop(DropReason::PortsExhausted));
        }
        Err(InsertError::Full) => {
            let reason = DropReason::TableFull;
            return evict::make_room(passage, reason, 0, Stage::Enter)
                .unwrap_or_else(|| Outcome::Decided(passage.drop(reason)));
        }
    }
    let to = Translation {
        source: head.source,
        source_port: seen_port,
        destination: forward.address,
        destination_port: forward.port,
        mac,
    };
    passage.translate(&to, ParkedExit::park(exit), forward.rule, true)
}
