//! tcx egress of an uplink: nothing of the lab leaves untranslated, but where a rule says so.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use super::{
    Outcome, Verdict, egress,
    head::{Head, Kind, NoHead},
    host,
    inside::{came_from_lab, is_first_external, is_inside, is_lab_link, may_pass_untranslated},
    notes::Scratch,
    passage::Passage,
    record::forget,
    source::misplaces_checksum,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, Packet, Tables, Touch},
    words::{IP_DESTINATION, IP_SOURCE},
};
use crate::abi::{DropReason, FlowKind, Ip4, Settings, Stage, Tick};

/// The guard. Every packet that leaves by the uplink's cable passes it, the redirected ones too.
/// Packets of the lab leave with an address of the router, or because a rule lets them leave as
/// they are; what the stack forwarded from the lab is translated here. Packets of others that
/// share the machine pass. The clock is read for the few that need it.
#[inline(always)]
pub fn to_uplink<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    clock: impl FnOnce() -> Tick,
) -> Outcome {
    let ether_type: Option<u16> = packet.load(offset_of!(EthHdr, ether_type));
    if ether_type != Some(EtherType::Ipv4 as u16) {
        return Outcome::Decided(Verdict::Pass);
    }
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Some(source) = packet.load(IP_SOURCE).map(Ip4::from_network) else {
        // An IPv4 frame too short to have a source is of no use to anybody beyond the uplink.
        return Outcome::Decided(drop(packet, tables, DropReason::Malformed));
    };
    let ingress = packet.ingress_link();
    let is_from_host = ingress == 0;
    if !is_from_host && is_first_external(settings, source) {
        return if tables.is_noted_link(ingress) {
            Outcome::Decided(Verdict::Pass)
        } else {
            Outcome::Continue(Stage::EgressGuard)
        };
    }
    // What bears an inside prefix comes from the lab by whatever link it came.
    if !is_inside(settings, source) {
        if is_from_host {
            return own(packet, tables, scratch, clock());
        }
        return Outcome::Continue(Stage::EgressGuard);
    }
    if is_from_host {
        return Outcome::Decided(if may_leave(packet, tables, settings, source) {
            Verdict::Pass
        } else {
            drop(packet, tables, DropReason::Leak)
        });
    }
    if may_leave(packet, tables, settings, source) {
        return Outcome::Continue(Stage::EgressGuard);
    }
    let reason = match Head::read(packet) {
        Ok(head) if misplaces_checksum(packet, settings, &head) => DropReason::ChecksumOffset,
        Ok(head) => return egress::translate(packet, tables, settings, scratch, &head, clock()),
        Err(fault) => reason_of(fault),
    };
    Outcome::Decided(drop(packet, tables, reason))
}

/// [`Stage::EgressGuard`].
#[inline(always)]
pub fn egress_guard<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Some(source) = packet.load(IP_SOURCE).map(Ip4::from_network) else {
        return Outcome::Decided(drop(packet, tables, DropReason::Malformed));
    };
    let Scratch { head: parked, notes } = scratch;
    if !is_inside(settings, source) {
        let ingress = packet.ingress_link();
        let is_external = is_first_external(settings, source) || tables.is_external(source);
        if is_external && is_lab_link(tables, settings, ingress) {
            tables.note_link(ingress);
            return Outcome::Decided(Verdict::Pass);
        }
        if is_external || !came_from_lab(tables, settings, ingress) {
            let bears_own = is_external || tables.is_host_address(source);
            return match Head::read(packet) {
                Ok(head) if bears_own => {
                    *parked = head;
                    Passage::new(packet, tables, settings, parked, notes, now);
                    Outcome::Continue(Stage::OtherNatOut)
                }
                _ => Outcome::Decided(Verdict::Pass),
            };
        }
    }
    let may_leave = may_leave(packet, tables, settings, source);
    let reason = match Head::read(packet) {
        Ok(head) if misplaces_checksum(packet, settings, &head) => DropReason::ChecksumOffset,
        _ if may_leave => return Outcome::Decided(Verdict::Pass),
        Ok(head) => {
            *parked = head;
            // Begins the notes of this packet, with which the next stage goes on.
            Passage::new(packet, tables, settings, parked, notes, now);
            return Outcome::Continue(Stage::EgressMoved);
        }
        Err(fault) => reason_of(fault),
    };
    Outcome::Decided(drop(packet, tables, reason))
}

#[inline(always)]
const fn reason_of(fault: NoHead) -> DropReason {
    match fault {
        NoHead::NotIpv4 => DropReason::Leak,
        NoHead::Malformed => DropReason::Malformed,
        NoHead::BadChecksum => DropReason::BadChecksum,
    }
}

#[inline(always)]
fn drop<P: Packet, T: Tables>(packet: &P, tables: &T, reason: DropReason) -> Verdict {
    tables.count_drop(reason, packet.length());
    Verdict::Drop(reason)
}

/// A packet of the host itself.
#[inline(always)]
fn own<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch, now: Tick) -> Outcome {
    match Head::read(packet) {
        Ok(head) if head.kind.is_flow() && give_way_to_host(&head, tables, now) => {
            scratch.head = head;
            return Outcome::Continue(Stage::HostQuery);
        }
        Ok(head) if head.kind == Kind::IcmpError => {
            scratch.head = head;
            return Outcome::Continue(Stage::OwnError);
        }
        _ => {}
    }
    Outcome::Decided(Verdict::Pass)
}

/// Whether a rule lets a packet leave as it is.
#[inline(always)]
fn may_leave<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    settings: &Settings,
    source: Ip4,
) -> bool {
    let destination = packet.load(IP_DESTINATION).map(Ip4::from_network);
    destination.is_some_and(|destination| {
        may_pass_untranslated(tables, settings, packet.link(), source, destination)
    })
}

/// A connection of the host itself takes its port back from a namespace's flow, whose answers
/// it would otherwise be given: a namespace must not be able to lie in wait for them
/// (CVE-2021-3773). The namespace's next packet finds another port. Whether the connection is to
/// be recorded.
#[inline(always)]
fn give_way_to_host<T: Tables>(head: &Head, tables: &T, now: Tick) -> bool {
    let key = head.outbound_key(head.source);
    let Some(flow) = tables.flow(&key) else { return false };
    if flow.kind == FlowKind::Host as u8 {
        let direction = Direction::Out;
        flow.touch(&Touch { direction, state: None, seen: Some(now), bytes: head.bytes });
        return false;
    }
    // One that another CPU carries a packet of at this moment may stay: until the host's next packet.
    forget(tables, &key, &flow, flow.version());
    // Sockets tell who has a port; nothing but a record tells who has an identifier.
    !host::has_sockets(head.protocol)
}

/// [`Stage::HostQuery`].
#[inline(always)]
pub fn host_query<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let head = passage.head;
        passage.begin_draft(FlowKind::Host);
        let draft = &mut passage.notes.draft;
        draft.inside = head.source;
        draft.inside_port = head.source_port;
        draft.seen_port = head.destination_port;
        draft.external = head.source;
        // Full table or not, the host's packet goes its way.
        let _ = tables.insert_flow(&head.outbound_key(head.source), draft);
        Outcome::Decided(Verdict::Pass)
    })
}
