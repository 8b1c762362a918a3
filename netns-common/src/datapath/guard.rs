//! tcx egress of an uplink: nothing leaves with an inside source.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use super::{
    Verdict,
    external_port::forget,
    head::{Head, IP_DESTINATION, IP_SOURCE},
    host, masquerade,
    state::{Direction, State},
    traits::{FlowRef, Packet, Tables, Touch},
};
use crate::abi::{DropReason, Flow, FlowKind, Ip4, MAX_INSIDE_PREFIXES, Settings, Tick};

/// Whether an address belongs to one of the lab's inside prefixes.
#[inline(always)]
pub(super) fn is_inside(settings: &Settings, address: Ip4) -> bool {
    let count = settings.inside_count as usize;
    settings
        .inside
        .iter()
        .take(MAX_INSIDE_PREFIXES)
        .enumerate()
        .any(|(index, prefix)| index < count && prefix.contains(address))
}

/// The guard. Every packet that leaves the uplink passes it, the redirected ones too.
#[inline(always)]
pub fn to_uplink<P: Packet, T: Tables>(packet: &P, tables: &T, now: Tick) -> Verdict {
    let ether_type: Option<u16> = packet.load(offset_of!(EthHdr, ether_type));
    if ether_type != Some(EtherType::Ipv4 as u16) {
        return Verdict::Pass;
    }
    let Some(settings) = tables.settings() else { return Verdict::Pass };
    // An IPv4 frame too short to have a source is of no use to anybody beyond the uplink.
    let reason = match packet.load(IP_SOURCE) {
        Some(source) if !is_inside(settings, Ip4::from_network(source)) => {
            if packet.is_from_host() {
                give_way_to_host(packet, tables, now);
            }
            return Verdict::Pass;
        }
        Some(source) if may_leave(packet, tables, Ip4::from_network(source)) => {
            return Verdict::Pass;
        }
        Some(_) => DropReason::Leak,
        None => DropReason::Malformed,
    };
    tables.count_drop(reason, packet.length());
    Verdict::Drop(reason)
}

/// Whether a masquerade leaves the packet's destination alone: it is to be seen as it is.
#[inline(always)]
fn may_leave<P: Packet, T: Tables>(packet: &P, tables: &T, source: Ip4) -> bool {
    packet.load(IP_DESTINATION).is_some_and(|destination| {
        masquerade::is_excluded(tables, packet.link(), source, Ip4::from_network(destination))
    })
}

/// A connection of the host itself takes its port back from a namespace's flow, whose answers
/// it would otherwise be given: a namespace must not be able to lie in wait for them
/// (CVE-2021-3773). The namespace's next packet finds another port.
#[inline(always)]
fn give_way_to_host<P: Packet, T: Tables>(packet: &P, tables: &T, now: Tick) {
    let Ok(head) = Head::read(packet) else { return };
    if !head.kind.is_flow() {
        return;
    }
    let key = head.outbound_key();
    let Some(flow) = tables.flow(&key) else { return };
    if flow.external != head.source {
        return;
    }
    if flow.kind == FlowKind::Host as u8 {
        let (direction, state) = (Direction::Out, State::Unreplied);
        flow.touch(&Touch { direction, state, seen: Some(now), bytes: head.bytes });
        return;
    }
    forget(tables, &key, &flow);
    if !host::has_sockets(head.protocol) {
        // Sockets tell who has a port; nothing but a record tells who has an identifier.
        let own = Flow {
            inside: head.source,
            inside_port: head.source_port,
            external: head.source,
            kind: FlowKind::Host as u8,
            last_seen: now,
            created: now,
            packets_out: 1,
            bytes_out: u64::from(head.bytes),
            ..Flow::default()
        };
        // Full table or not, the host's packet goes its way.
        let _ = tables.insert_flow(&key, &own);
    }
}
