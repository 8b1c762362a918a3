//! tcx egress of an uplink: nothing leaves with an inside source.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use super::{
    Outcome, Verdict, egress,
    external_port::forget,
    head::{Head, Kind, NoHead},
    host, masquerade,
    notes::Scratch,
    state::Direction,
    traits::{FlowRef, Packet, Tables, Touch},
    words::{IP_DESTINATION, IP_SOURCE},
};
use crate::abi::{
    DropReason, Flow, FlowHead, FlowKind, FlowTail, Ip4, MAX_INSIDE_PREFIXES, Settings, Stage, Tick,
};

/// Whether an address belongs to one of the lab's inside prefixes.
#[inline(always)]
pub(super) fn is_inside(settings: &Settings, address: Ip4) -> bool {
    let count = settings.inside_count as usize;
    for (index, prefix) in settings.inside.iter().take(MAX_INSIDE_PREFIXES).enumerate() {
        // Most labs have one: every packet that leaves would go through sixteen.
        if index >= count {
            return false;
        }
        if prefix.contains(address) {
            return true;
        }
    }
    false
}

/// Whether a packet bears the address of one of the inside prefixes.
#[inline(always)]
pub fn has_inside_source<P: Packet>(packet: &P, settings: &Settings) -> bool {
    let source = packet.load(IP_SOURCE).map(Ip4::from_network);
    source.is_some_and(|source| is_inside(settings, source))
}

/// The guard. Every packet that leaves by the uplink's cable passes it, the redirected ones too,
/// and none with an inside source leaves without it; what the stack forwarded from inside is
/// translated here. The clock is read for the few that need it.
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
    let is_from_host = packet.is_from_host();
    let from_inside =
        packet.load(IP_SOURCE).map(|source| is_inside(settings, Ip4::from_network(source)));
    let reason = match from_inside {
        Some(false) if is_from_host => return own(packet, tables, scratch, clock()),
        Some(false) => return Outcome::Decided(Verdict::Pass),
        Some(true) if may_leave(packet, tables) => return Outcome::Decided(Verdict::Pass),
        Some(true) if is_from_host => DropReason::Leak,
        Some(true) => match Head::read(packet) {
            Ok(head) => {
                return egress::translate(packet, tables, settings, scratch, &head, clock());
            }
            Err(NoHead::NotIpv4) => DropReason::Leak,
            Err(NoHead::Malformed) => DropReason::Malformed,
            Err(NoHead::BadChecksum) => DropReason::BadChecksum,
        },
        // An IPv4 frame too short to have a source is of no use to anybody beyond the uplink.
        None => DropReason::Malformed,
    };
    tables.count_drop(reason, packet.length());
    Outcome::Decided(Verdict::Drop(reason))
}

/// A packet of the host itself.
#[inline(always)]
fn own<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch, now: Tick) -> Outcome {
    match Head::read(packet) {
        Ok(head) if head.kind.is_flow() => give_way_to_host(&head, tables, now),
        Ok(head) if head.kind == Kind::IcmpError => {
            scratch.head = head;
            return Outcome::Continue(Stage::OwnError);
        }
        _ => {}
    }
    Outcome::Decided(Verdict::Pass)
}

/// Whether a masquerade leaves the packet's destination alone: it is to be seen as it is.
#[inline(always)]
fn may_leave<P: Packet, T: Tables>(packet: &P, tables: &T) -> bool {
    let address = |field| packet.load(field).map(Ip4::from_network);
    let (Some(source), Some(destination)) = (address(IP_SOURCE), address(IP_DESTINATION)) else {
        return false;
    };
    masquerade::is_excluded(tables, packet.link(), source, destination)
}

/// A connection of the host itself takes its port back from a namespace's flow, whose answers
/// it would otherwise be given: a namespace must not be able to lie in wait for them
/// (CVE-2021-3773). The namespace's next packet finds another port.
#[inline(always)]
fn give_way_to_host<T: Tables>(head: &Head, tables: &T, now: Tick) {
    let key = head.outbound_key();
    let Some(flow) = tables.flow(&key) else { return };
    if flow.external != head.source {
        return;
    }
    if flow.kind == FlowKind::Host as u8 {
        let direction = Direction::Out;
        flow.touch(&Touch { direction, moved: None, seen: Some(now), bytes: head.bytes });
        return;
    }
    // One that another CPU carries a packet of at this moment may stay: until the host's next packet.
    forget(tables, &key, &flow, flow.version());
    if !host::has_sockets(head.protocol) {
        // Sockets tell who has a port; nothing but a record tells who has an identifier.
        let own = FlowHead {
            inside: head.source,
            inside_port: head.source_port,
            external: head.source,
            kind: FlowKind::Host as u8,
            last_seen: now,
            packets_out: 1,
            bytes_out: head.bytes,
            ..FlowHead::default()
        };
        let own = Flow { head: own, tail: FlowTail { created: now, ..FlowTail::default() } };
        // Full table or not, the host's packet goes its way.
        let _ = tables.insert_flow(&key, &own);
    }
}
