//! tcx ingress of an uplink: what the outside sends.
//!
//! A packet of a translated flow never reaches the host's own sockets, which know nothing of the
//! connection and would answer with a RST: it skips the stack, or is forwarded by it.

use super::{
    Outcome, Verdict, clamp, detour,
    forwards::{self},
    fragments,
    head::{Kind, destination_mac},
    hop::{RouteOutcome, RouteQuery},
    icmp,
    inside::{is_inside, leads_inside, may_pass_untranslated},
    mapping,
    notes::Scratch,
    options,
    oversize::FITS_EVERY_LINK,
    passage::{ANY, PLAIN, Passage, read_head},
    record::forget,
    rewrite::Translation,
    source,
    stages::go_on,
    state::{Direction, State},
    traits::{FlowRef, HostSocket, Packet, PortQuery, Tables},
};
use crate::abi::{DropReason, FlowKind, Ip4, Stage, Tick};

/// Decides about a packet that came in by an uplink, and applies it.
#[inline(always)]
pub fn from_uplink<P: Packet, T: Tables>(
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
    let Scratch { head: parked, notes } = scratch;
    let mut passage = Passage::new(packet, tables, settings, &head, notes, now);
    let is_plain = head.is_plain();
    if is_plain
        && let Some(flow) = tables.flow(&head.inbound_key())
        && let Some(verdict) = carry::<_, _, _, PLAIN>(&mut passage, &flow)
    {
        let outcome = clamp::go_on(&mut passage, verdict);
        if let Outcome::Continue(_) = outcome {
            *parked = head;
        }
        return outcome;
    }
    let is_held = passage.notes.is_held;
    let is_of_other_nat = passage.notes.is_of_other_nat;
    let is_rare = !is_plain || passage.notes.is_unsteady;
    *parked = head;
    Outcome::Continue(if is_held {
        Stage::Held
    } else if is_of_other_nat {
        Stage::OtherNatIn
    } else if is_rare {
        Stage::InboundRare
    } else {
        Stage::InboundBegin
    })
}

/// [`Stage::InboundRare`].
#[inline(always)]
pub fn inbound_rare<P: Packet, T: Tables>(
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
            return Outcome::Continue(Stage::InboundFragment);
        }
        if head.kind.is_flow()
            && let Some(flow) = tables.flow(&head.inbound_key())
            && !gives_way_to_host(passage, &flow)
            && let Some(verdict) = carry::<_, _, _, ANY>(passage, &flow)
        {
            return passage.go_on(verdict);
        }
        let is_held = passage.notes.is_held;
        Outcome::Continue(if is_held { Stage::Held } else { beginning(passage) })
    })
}

/// [`Stage::InboundFragment`].
#[inline(always)]
pub fn inbound_fragment<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| match resume(passage) {
        Some(verdict) => passage.go_on(verdict),
        None => Outcome::Continue(beginning(passage)),
    })
}

/// The stage of a packet that no record of the lab carries.
#[inline(always)]
const fn beginning<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Stage {
    if passage.notes.is_of_other_nat { Stage::OtherNatIn } else { Stage::InboundBegin }
}

/// As its datagram began, or of a known flow.
#[inline(always)]
fn resume<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    if let Some(verdict) = fragments::resume(passage, false) {
        return Some(verdict);
    }
    let head = passage.head;
    if !head.kind.is_flow() {
        return None;
    }
    passage.aside(|passage| {
        let flow = passage.tables.flow(&passage.head.inbound_key())?;
        carry::<_, _, _, ANY>(passage, &flow)
    })
}

/// [`Stage::InboundBegin`].
#[inline(always)]
pub fn inbound_begin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        passage.notes.eviction.is_done = false;
        let outcome = begin(passage);
        passage.note_if_passed(outcome)
    })
}

/// [`Stage::InboundError`].
#[inline(always)]
pub fn inbound_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, icmp::inbound)
}

/// [`Stage::Admit`].
#[inline(always)]
pub fn admit<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let outcome = call_mapped(passage);
        passage.note_if_passed(outcome)
    })
}

/// Carries a packet of a known flow; `None` if the record is not this packet's.
#[inline(always)]
fn carry<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let begun_outside = FlowKind::is_begun_outside(flow.kind);
    // A connection between namespaces has no packets from outside, and the host's own are the
    // stack's.
    let is_inner = flow.egress == 0 || flow.kind == FlowKind::Host as u8;
    if is_inner {
        passage.notes.is_of_other_nat = flow.kind == FlowKind::OtherNat as u8;
        return None;
    }
    if passage.is_over(flow, begun_outside) {
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(flow, Direction::In) {
        passage.notes.is_unsteady = true;
        return None;
    }
    let (exit, mac) = passage.way_in(flow.cable, flow.inside_mac);
    if exit.skips_stack() {
        let fits = head.bytes <= FITS_EVERY_LINK || !passage.packet.exceeds_mtu(flow.cable);
        if head.ttl <= 1 || !fits {
            passage.notes.is_held = true;
            return None;
        }
    }
    let to = Translation {
        source: head.source,
        source_port: flow.seen_port,
        destination: flow.inside,
        destination_port: flow.inside_port,
        mac,
    };
    // Nobody is given what is for another.
    if !flow.was_of(&head.inbound_key()) {
        return None;
    }
    passage.touch::<_, WHICH>(flow, Direction::In);
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule))
}

/// Whether a record of a connection that is over makes room for a socket of the host, which waits
/// for the caller that begins another one: the service may have been there before the namespace
/// took its port.
#[inline(always)]
fn gives_way_to_host<P: Packet, T: Tables, F: FlowRef>(
    passage: &Passage<'_, P, T>,
    flow: &F,
) -> bool {
    let state = State::from_number(flow.state);
    let is_over = passage.head.is_syn()
        && !FlowKind::is_begun_outside(flow.kind)
        && state as u8 != State::PickedUp as u8
        && state.gives_way_to_syn();
    if !is_over || !has_host_socket(passage) {
        return false;
    }
    let (key, version) = (passage.head.inbound_key(), flow.version());
    forget(passage.tables, &key, flow, version);
    true
}

/// A packet of no flow.
#[inline(always)]
fn begin<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    if let Some(reason) = source::address_fault(head) {
        return Outcome::Decided(passage.drop(reason));
    }
    if is_from_inside(passage) {
        return Outcome::Decided(passage.drop(DropReason::InsideSource));
    }
    if is_for_inside(passage) {
        // What is not translated outwards has answers that bear the inside's own address.
        let (settings, link) = (passage.settings, passage.packet.link());
        if may_pass_untranslated(tables, settings, link, head.destination, head.source) {
            return Outcome::Decided(Verdict::Pass);
        }
        return Outcome::Decided(passage.drop(DropReason::InsideDestination));
    }
    // Group addresses are the host's own affair.
    if destination_mac(passage.packet).is_none_or(|mac| mac[0] & 1 != 0) {
        return Outcome::Decided(Verdict::Pass);
    }
    match head.kind {
        Kind::IcmpError => return Outcome::Continue(Stage::InboundError),
        // Without its ports nobody knows whether it is for the host.
        Kind::LaterFragment if is_local(passage) => {
            return Outcome::Decided(detour::detour(passage));
        }
        kind if kind.has_ports() => {}
        _ => return Outcome::Decided(Verdict::Pass),
    }
    let Some(target) = forwards::find(
        tables,
        head.protocol,
        head.source,
        head.destination,
        head.destination_port,
        true,
    ) else {
        return match passage.settings.mappings {
            0 => Outcome::Decided(Verdict::Pass),
            _ => Outcome::Continue(Stage::Admit),
        };
    };
    if !is_host(passage) || passage.is_hosts_own() {
        return Outcome::Decided(Verdict::Pass);
    }
    passage.notes.forward = target;
    passage.notes.is_admitted = false;
    passage.notes.attempt = 0;
    let refusal = if tables.is_host_address(head.source) {
        DropReason::Martian
    } else if head.is_rst() {
        DropReason::NoFlow
    } else {
        return Outcome::Continue(Stage::Enter);
    };
    Outcome::Decided(passage.drop(refusal))
}

/// Whether the source of a packet from outside is inside. The routing table is asked only where
/// more than the prefixes can tell: packets for the host itself, which are most, do without.
#[inline(always)]
fn is_from_inside<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let (head, settings) = (passage.head, passage.settings);
    is_inside(settings, head.source)
        || (settings.has_more_inside != 0 || head.is_fragment())
            && leads_inside(passage.tables, head.source, passage.packet.link())
}

/// Whether the kernel would send a packet from outside into the lab.
#[inline(always)]
fn is_for_inside<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let (head, tables) = (passage.head, passage.tables);
    is_inside(passage.settings, head.destination)
        || !tables.is_host_address(head.destination)
            && leads_inside(tables, head.destination, passage.packet.link())
}

/// A packet to an address of the host, from outside or from a namespace, to a port that is not
/// forwarded: an inside end may have it as its mapping.
#[inline(always)]
fn call_mapped<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    // Somebody inside calls by the host's own address.
    let is_from_inside = passage.notes.is_for_host;
    let remote = if is_from_inside { head.destination } else { head.source };
    let Some(admitted) = mapping::admit(tables, head, remote, passage.now) else {
        return Outcome::Decided(Verdict::Pass);
    };
    let is_for_host =
        if is_from_inside { tables.is_host_address(head.destination) } else { is_host(passage) };
    // A socket of the host may be younger than the mapping.
    if !is_for_host || has_host_socket(passage) {
        return Outcome::Decided(Verdict::Pass);
    }
    let reason = match admitted {
        Err(reason) => reason,
        Ok(_) if !is_from_inside && tables.is_host_address(head.source) => DropReason::Martian,
        Ok(_) if head.is_rst() => DropReason::NoFlow,
        Ok(target) => {
            passage.notes.forward = target;
            passage.notes.is_admitted = true;
            passage.notes.attempt = 0;
            let next = if is_from_inside { Stage::Hairpin } else { Stage::Enter };
            return Outcome::Continue(next);
        }
    };
    Outcome::Decided(passage.drop(reason))
}

/// Whether a socket of the host waits for the packet, or is connected with its sender.
#[inline(always)]
fn has_host_socket<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let head = passage.head;
    let query = PortQuery {
        remote: head.source,
        external: head.destination,
        remote_port: head.source_port,
        external_port: head.destination_port,
        protocol: head.protocol,
    };
    passage.tables.host_socket(&query) != HostSocket::None
}

/// Whether the kernel would not forward the packet.
#[inline(always)]
fn is_local<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    let query = RouteQuery::to(passage.head.destination);
    let route = passage.tables.route(&query, passage.packet.link());
    route.outcome == RouteOutcome::Local
}

/// Whether the destination is an address of the host: a port matches only there, so that
/// transit traffic is not hijacked.
#[inline(always)]
fn is_host<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> bool {
    is_local(passage)
        && is_own_address(passage.tables, passage.head.destination, passage.packet.link())
}

/// Whether an address that the kernel does not forward to is one of the host's own. Its answer is
/// one for "local" and for "no route", so more must say so: the addresses that the router is
/// known to have, or, for one that it has been given since, that there is a route for whatever
/// else there is. Broadcast addresses are nobody's.
#[inline(always)]
pub(super) fn is_own_address<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    /// Reserved (RFC 1112 section 4): only a default route leads there.
    const NOBODY: Ip4 = Ip4::new(240, 0, 0, 1);
    tables.is_host_address(address)
        || !tables.is_broadcast_address(address)
            && tables.route(&RouteQuery::to(NOBODY), link).outcome == RouteOutcome::Forward
}
