//! Connections that the outside, or another namespace, begins.

use super::{
    Exit, Outcome,
    external_port::{forget, record},
    forwards::Target,
    hop::RouteOutcome,
    inside::{allow_external, is_uplink},
    notes::Scratch,
    oversize::{self, FITS_EVERY_LINK},
    parked::ParkedExit,
    passage::Passage,
    rewrite::Translation,
    stages::go_on,
    traits::{FlowRef, InsertError, Packet, Tables},
    usage,
};
use crate::abi::{DropReason, FlowKey, InsideKey, Ip4, LinkRole, Port, Tick};

/// [`Stage::Enter`](crate::abi::Stage::Enter).
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
    let reply = tables.route(head.source, bridge);
    if reply.outcome != RouteOutcome::Forward {
        // A broadcast address, or one that no answer would reach.
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    }
    if tables.link_role(reply.egress) == Some(LinkRole::Lab) {
        return Outcome::Decided(passage.drop(DropReason::InsideSource));
    }
    // Where the way back is not by an uplink, replies go where the packet came from.
    let (egress, next_hop) = if is_uplink(passage.settings, reply.egress) {
        (reply.egress, reply.next_hop)
    } else {
        (link, head.source)
    };
    if let Some(reason) = usage::refusal(passage, egress) {
        return Outcome::Decided(passage.drop(reason));
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
    if is_taken_inside(passage, &forward, head.source, head.source_port) {
        return Outcome::Decided(passage.drop(DropReason::PortsExhausted));
    }
    match record(tables, passage.settings, &head.inbound_key(), &passage.notes.draft) {
        Ok(()) => {}
        Err(InsertError::Exists) => {
            return Outcome::Decided(passage.drop(DropReason::PortsExhausted));
        }
        Err(InsertError::Full) => return Outcome::Decided(passage.drop(DropReason::TableFull)),
    }
    let to = Translation {
        source: head.source,
        source_port: head.source_port,
        destination: forward.address,
        destination_port: forward.port,
        mac,
    };
    passage.translate(&to, ParkedExit::park(exit), forward.rule, true)
}

/// Whether the target already has a connection with this remote address and port, by another
/// host port: it could not tell the two apart.
#[inline(always)]
pub(super) fn is_taken_inside<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    forward: &Target,
    remote: Ip4,
    remote_port: Port,
) -> bool {
    let head = passage.head;
    let tables = passage.tables;
    let inside = InsideKey::new(forward.address, forward.port, remote, remote_port, head.protocol);
    let mut key = FlowKey::new(remote, remote_port, head.destination_port, head.protocol);
    // It may have a record under its own port and one under another: that one may be over.
    key.external_port = forward.port;
    if has_call(passage, forward, &key) {
        return true;
    }
    let Some(moved) = tables.moved_port(&inside) else { return false };
    key.external_port = moved;
    has_call(passage, forward, &key)
}

/// Whether the record of `key` is a connection of the target that lives, and another than the
/// packet's own. One that gives way to the packet's is forgotten: the target's answers can go by
/// one of the two only.
#[inline(always)]
fn has_call<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    forward: &Target,
    key: &FlowKey,
) -> bool {
    let head = passage.head;
    let Some(flow) = passage.tables.flow(key) else { return false };
    let version = flow.version();
    let is_this_one =
        key.external_port == head.destination_port && flow.external == head.destination;
    let is_targets = flow.inside == forward.address && flow.inside_port == forward.port;
    if is_this_one || !is_targets {
        return false;
    }
    let is_over = passage.is_over(&flow, true);
    if is_over {
        forget(passage.tables, key, &flow, version);
    }
    !is_over
}
