//! tcx ingress of a cable's host side: what a namespace sends.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use super::{
    Exit, Outcome, Verdict, clamp,
    departure::leave,
    detour, forwards, fragments,
    hairpin::turn_around,
    head::{Kind, destination_mac, is_from, source_mac},
    hop::{RouteOutcome, RouteQuery},
    icmp,
    inbound::is_own_address,
    inside::{is_inside, is_uplink},
    neighbour,
    notes::Scratch,
    options,
    oversize::FITS_EVERY_LINK,
    passage::{ANY, PLAIN, Passage, read_head},
    reroute::{REROUTE, forget_stale, leave_elsewhere, reroute},
    rewrite::Translation,
    source,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, Packet, PortState, Tables},
};
use crate::abi::{DropReason, Endpoint, FlowKind, Stage, Tick};

/// Decides about a packet that a namespace sent, and applies it.
#[inline(always)]
pub fn from_namespace<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let head = match read_head(packet, tables) {
        Ok(head) => head,
        Err(Verdict::Pass) => return Outcome::Continue(Stage::OtherFrame),
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    if source::misplaces_checksum(packet, settings, &head) {
        tables.count_drop(DropReason::ChecksumOffset, packet.length());
        return Outcome::Decided(Verdict::Drop(DropReason::ChecksumOffset));
    }
    let Scratch { head: parked, notes } = scratch;
    notes.port = tables.sender_state(packet.link());
    if matches!(notes.port, PortState::Closed | PortState::Elsewhere) {
        *parked = head;
        return Outcome::Continue(Stage::OtherFrame);
    }
    let mut passage = Passage::new(packet, tables, settings, &head, notes, now);
    let is_plain = head.is_plain() && !head.may_be_fragmented;
    if is_plain && neighbour::is_likely(settings, &head) {
        *parked = head;
        return Outcome::Continue(Stage::Neighbour);
    }
    if is_plain
        && let Some(flow) = tables.kept_flow(&head.inside_key())
        && let Some(verdict) = carry::<_, _, _, PLAIN>(&mut passage, &flow)
    {
        let outcome = clamp::go_on(&mut passage, verdict);
        if let Outcome::Continue(_) = outcome {
            *parked = head;
        }
        return outcome;
    }
    let is_refused = passage.notes.is_refused;
    let is_rare = !is_plain || passage.notes.is_unsteady;
    *parked = head;
    Outcome::Continue(if is_refused {
        Stage::Refuse
    } else if is_rare {
        Stage::OutboundRare
    } else {
        Stage::OutboundMoved
    })
}

/// [`Stage::OutboundRare`].
#[inline(always)]
pub fn outbound_rare<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let head = passage.head;
        if let Some(reason) = options::fault(passage.packet, head) {
            return Outcome::Decided(passage.drop(reason));
        }
        if head.is_fragment() {
            return Outcome::Continue(Stage::OutboundFragment);
        }
        if head.kind.is_flow()
            && let Some(flow) = tables.kept_flow(&head.inside_key())
            && let Some(verdict) = carry::<_, _, _, ANY>(passage, &flow)
        {
            return passage.go_on(verdict);
        }
        let is_refused = passage.notes.is_refused;
        Outcome::Continue(if is_refused { Stage::Refuse } else { Stage::OutboundMoved })
    })
}

/// [`Stage::OutboundFragment`].
#[inline(always)]
pub fn outbound_fragment<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| match resume(passage) {
        Some(verdict) => passage.go_on(verdict),
        None => Outcome::Continue(Stage::OutboundMoved),
    })
}

/// As its datagram began, or of a known flow.
#[inline(always)]
fn resume<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    if let Some(verdict) = fragments::resume(passage, true) {
        return Some(verdict);
    }
    let head = passage.head;
    if !head.kind.is_flow() {
        return None;
    }
    let flow = passage.tables.kept_flow(&head.inside_key())?;
    carry::<_, _, _, ANY>(passage, &flow)
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
        return Outcome::Decided(source::of_other_frame(packet, tables));
    }
    go_on(packet, tables, scratch, now, |passage| Outcome::Decided(of_lost_port(passage)))
}

/// An IPv4 packet of a namespace whose cable is not where the lab has plugged it in. Without its bridge
/// the port would be an interface of the router, which routes. At another bridge it goes its own way,
/// under its own addresses.
#[inline(always)]
fn of_lost_port<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Verdict {
    if passage.notes.port == PortState::Closed {
        return passage.drop(DropReason::PortClosed);
    }
    let port = passage.tables.bridge_port(passage.packet.link());
    match port.and_then(|port| source::of_cable(passage, &port)) {
        Some(reason) => passage.drop(reason),
        None => Verdict::Pass,
    }
}

/// [`Stage::OutboundMoved`].
#[inline(always)]
pub fn outbound_moved<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        passage.notes.eviction.is_done = false;
        if let Some(verdict) = neighbour::reach(passage) {
            return Outcome::Decided(verdict);
        }
        match carry_moved(passage) {
            Some(verdict) => passage.go_on(verdict),
            None if passage.notes.is_refused => Outcome::Continue(Stage::Refuse),
            None => Outcome::Continue(Stage::OutboundBegin),
        }
    })
}

/// [`Stage::OutboundBegin`].
#[inline(always)]
pub fn outbound_begin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        forget_stale(passage);
        let outcome = begin(passage);
        passage.note_if_passed(outcome)
    })
}

/// [`Stage::OutboundError`].
#[inline(always)]
pub fn outbound_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, icmp::outbound)
}

/// Carries a packet of a known flow, which was found as the inside calls it; `None` if the record
/// is not this packet's.
#[inline(always)]
fn carry<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let begun_inside = !FlowKind::is_begun_outside(flow.kind);
    if flow.cable != passage.packet.link() || passage.is_over(flow, begun_inside) {
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(flow, Direction::Out) {
        passage.notes.is_unsteady = true;
        return None;
    }
    if !is_from(passage.packet, &flow.inside_mac)
        && let Some(verdict) = passage.aside(source::of_foreign)
    {
        return Some(verdict);
    }
    if flow.egress == 0 {
        return passage.aside(|passage| turn_around::<_, _, _, WHICH>(passage, flow));
    }
    // Translated when it leaves.
    if passage.goes_by_stack() {
        return Some(Verdict::Pass);
    }
    if head.ttl <= 1 {
        return Some(refuse_old(passage));
    }
    if passage.now / REROUTE != flow.last_seen / REROUTE {
        if let Some(verdict) = passage.aside(|passage| reroute(passage, flow)) {
            return Some(verdict);
        }
        if passage.notes.is_stale || passage.notes.is_refused {
            return None;
        }
    }
    if head.bytes > FITS_EVERY_LINK && passage.packet.exceeds_mtu(flow.egress) {
        return Some(Verdict::Pass);
    }
    passage.touch::<_, WHICH>(flow, Direction::Out);
    let to = Translation {
        source: flow.external,
        source_port: flow.external_port,
        destination: head.destination,
        destination_port: flow.remote_port,
        mac: None,
    };
    let exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule))
}

/// A packet whose time to live is up: the stack answers, unless it should not have been sent.
#[inline(always)]
fn refuse_old<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Verdict {
    if passage.head.ttl == 0 { passage.drop(DropReason::NoTimeToLive) } else { Verdict::Pass }
}

/// Carries a packet of a flow that could not keep its ports.
#[inline(always)]
fn carry_moved<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let head = passage.head;
    if !head.kind.is_flow() {
        return None;
    }
    let flow = passage.tables.moved_flow(&head.inside_key())?;
    carry::<_, _, _, ANY>(passage, &flow)
}

/// A packet of no flow.
#[inline(always)]
fn begin<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let link = passage.packet.link();
    let Some(port) = tables.bridge_port(link) else { return Outcome::Decided(Verdict::Pass) };
    if let Some(reason) = source::of_cable(passage, &port) {
        return Outcome::Decided(passage.drop(reason));
    }
    let routed = destination_mac(passage.packet) == Some(port.bridge_mac);
    if !routed || head.destination.is_multicast_or_broadcast() {
        return Outcome::Decided(Verdict::Pass);
    }
    let query = RouteQuery::of(head, passage.packet.mark());
    let route = tables.route(&query, port.bridge);
    match route.outcome {
        RouteOutcome::Local => {
            passage.notes.is_for_host = true;
            to_host(passage)
        }
        // The stack answers with the right ICMP error.
        RouteOutcome::Refused => Outcome::Decided(Verdict::Pass),
        RouteOutcome::Forward if head.ttl <= 1 => Outcome::Decided(Verdict::Pass),
        RouteOutcome::Forward if !is_uplink(passage.settings, route.egress) => {
            match leave_elsewhere(passage, &route) {
                Some(reason) => passage.refuse(reason),
                None => Outcome::Decided(Verdict::Pass),
            }
        }
        // Translated when it leaves.
        RouteOutcome::Forward if passage.goes_by_stack() => Outcome::Decided(match head.kind {
            Kind::LaterFragment => detour::detour(passage),
            _ => Verdict::Pass,
        }),
        // A rule for the source leads elsewhere what is for another network of the lab.
        RouteOutcome::Forward if is_inside(passage.settings, head.destination) => {
            Outcome::Decided(passage.drop(DropReason::NoRoute))
        }
        RouteOutcome::Forward => {
            let Some(mac) = source_mac(passage.packet) else {
                return Outcome::Decided(passage.drop(DropReason::Malformed));
            };
            let exit = Exit::Neighbour { link: route.egress, next_hop: route.next_hop };
            let end = Endpoint { cable: link, bridge: port.bridge, mac, padding: [0; 2] };
            leave(passage, &route, end, exit)
        }
    }
}

/// Whether a packet that the kernel does not forward is for an address of the host.
#[inline(always)]
fn is_own<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let (tables, link) = (passage.tables, passage.packet.link());
    let bridge = tables.bridge_port(link).map_or(link, |port| port.bridge);
    is_own_address(tables, passage.head.destination, bridge)
}

/// Towards the host itself: a forwarded port leads back into a namespace, anything else is
/// for the stack.
#[inline(always)]
fn to_host<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    match head.kind {
        // Without its ports nobody knows whether it is for the host.
        Kind::LaterFragment if tables.is_host_address(head.destination) => {
            return Outcome::Decided(detour::detour(passage));
        }
        Kind::IcmpError => return Outcome::Continue(Stage::OutboundError),
        kind if kind.has_ports() => {}
        _ => return Outcome::Decided(Verdict::Pass),
    }
    let target = forwards::find(
        tables,
        head.protocol,
        head.source,
        head.destination,
        head.destination_port,
        true,
    );
    let verdict = match target {
        None if passage.settings.mappings != 0 => return Outcome::Continue(Stage::Admit),
        None => Verdict::Pass,
        // Broadcast, loopback, or no route: the stack's to refuse.
        Some(_) if !is_own(passage) => Verdict::Pass,
        Some(_) if passage.is_hosts_own() => Verdict::Pass,
        Some(_) if head.is_rst() => passage.drop(DropReason::NoFlow),
        Some(target) => {
            passage.notes.forward = target;
            passage.notes.is_admitted = false;
            return Outcome::Continue(Stage::Hairpin);
        }
    };
    Outcome::Decided(verdict)
}
