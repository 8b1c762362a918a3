//! tcx egress of an uplink: no packet of the lab leaves untranslated, unless a rule permits it.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use crate::datapath::tables::flow_table::FlowRef as _;
use crate::{
    abi::{Direction, DropReason, FlowKind, Ip4, Settings, Stage, Tick},
    datapath::{
        conntrack::record::forget,
        context::{
            packet_context::PacketContext,
            scratch::Scratch,
            verdict::{Outcome, Verdict},
        },
        hooks::{egress, source_check::misplaces_checksum},
        packet::{
            access::Packet,
            headers::{Headers, Kind, NoHeaders},
            wire::{IP_DESTINATION, IP_SOURCE},
        },
        rules::lab_border::{came_from_lab, is_lab_link, may_pass_untranslated},
        tables::{
            flow_table::Touch,
            kernel::{Tables, has_sockets},
        },
    },
};

/// The egress guard. Every packet that leaves by the uplink runs through it, including redirected
/// ones. Packets of the lab leave with an address of the router, or untranslated if a rule permits
/// it; packets that the stack forwarded from the lab are translated here. Packets of others that
/// share the machine pass. The clock is read only for the few packets that need it.
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
        // An IPv4 frame too short to have a source is useless beyond the uplink.
        return Outcome::Decided(drop(packet, tables, DropReason::Malformed));
    };
    let ingress = packet.ingress_link();
    let is_from_host = ingress == 0;
    if !is_from_host && settings.is_first_external(source) {
        return if tables.is_noted_link(ingress) {
            Outcome::Decided(Verdict::Pass)
        } else {
            Outcome::Continue(Stage::EgressGuard)
        };
    }
    // A packet with an inside source comes from the lab, whatever its ingress link is.
    if !settings.is_inside(source) {
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
    let reason = match Headers::read(packet) {
        Ok(headers) if misplaces_checksum(packet, settings, &headers) => DropReason::ChecksumOffset,
        Ok(headers) => {
            return egress::translate(packet, tables, settings, scratch, &headers, clock());
        }
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
    let Scratch { headers: saved, handoff } = scratch;
    if !settings.is_inside(source) {
        let ingress = packet.ingress_link();
        let is_external = settings.is_first_external(source) || tables.is_external(source);
        if is_external && is_lab_link(tables, settings, ingress) {
            tables.note_link(ingress);
            return Outcome::Decided(Verdict::Pass);
        }
        if is_external || !came_from_lab(tables, settings, ingress) {
            let bears_own = is_external || tables.is_host_address(source);
            return match Headers::read(packet) {
                Ok(headers) if bears_own => {
                    *saved = headers;
                    PacketContext::new(packet, tables, settings, saved, handoff, now);
                    Outcome::Continue(Stage::OtherNatOut)
                }
                _ => Outcome::Decided(Verdict::Pass),
            };
        }
    }
    let may_leave = may_leave(packet, tables, settings, source);
    let reason = match Headers::read(packet) {
        Ok(headers) if misplaces_checksum(packet, settings, &headers) => DropReason::ChecksumOffset,
        _ if may_leave => return Outcome::Decided(Verdict::Pass),
        Ok(headers) => {
            *saved = headers;
            // Resets the hand-off for the next stage.
            PacketContext::new(packet, tables, settings, saved, handoff, now);
            return Outcome::Continue(Stage::EgressLookup);
        }
        Err(fault) => reason_of(fault),
    };
    Outcome::Decided(drop(packet, tables, reason))
}

#[inline(always)]
const fn reason_of(fault: NoHeaders) -> DropReason {
    match fault {
        NoHeaders::NotIpv4 => DropReason::Leak,
        NoHeaders::Malformed => DropReason::Malformed,
        NoHeaders::BadChecksum => DropReason::BadChecksum,
    }
}

#[inline(always)]
fn drop<P: Packet, T: Tables>(packet: &P, tables: &T, reason: DropReason) -> Verdict {
    tables.count_drop(reason, packet.length());
    Verdict::Drop(reason)
}

/// Handles a packet of the host itself.
#[inline(always)]
fn own<P: Packet, T: Tables>(packet: &P, tables: &T, scratch: &mut Scratch, now: Tick) -> Outcome {
    match Headers::read(packet) {
        Ok(headers) if headers.kind.is_flow() && give_way_to_host(&headers, tables, now) => {
            scratch.headers = headers;
            return Outcome::Continue(Stage::HostQuery);
        }
        Ok(headers) if headers.kind == Kind::IcmpError => {
            scratch.headers = headers;
            return Outcome::Continue(Stage::OwnError);
        }
        _ => {}
    }
    Outcome::Decided(Verdict::Pass)
}

/// Whether a rule permits a packet to leave untranslated.
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

/// Removes a namespace's flow that has the port of a connection of the host. Otherwise the
/// namespace would receive the answers to the host, for which it could lie in wait (CVE-2021-3773).
/// The namespace's next packet gets another port. Returns whether the connection must be recorded.
#[inline(always)]
fn give_way_to_host<T: Tables>(headers: &Headers, tables: &T, now: Tick) -> bool {
    let key = headers.outbound_key(headers.source);
    let Some(flow) = tables.flow(&key) else { return false };
    if flow.kind == FlowKind::Host as u8 {
        let direction = Direction::Out;
        flow.touch(&Touch { direction, state: None, seen: Some(now), bytes: headers.bytes });
        return false;
    }
    // A flow whose packet another CPU handles at this moment may stay until the host's next packet.
    forget(tables, &key, &flow, flow.version());
    // The socket tables show which ports are in use; only a record shows that an identifier is.
    !has_sockets(headers.protocol)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::HostQuery`].
    #[inline(always)]
    pub(crate) fn host_query(&mut self) -> Outcome {
        let tables = self.tables;
        let headers = self.headers;
        self.begin_draft(FlowKind::Host);
        let draft = &mut self.handoff.draft;
        draft.inside = headers.source;
        draft.inside_port = headers.source_port;
        draft.seen_port = headers.destination_port;
        draft.external = headers.source;
        // The host's packet passes even if the table is full.
        let _ = tables.insert_flow(&headers.outbound_key(headers.source), draft);
        Outcome::Decided(Verdict::Pass)
    }
}
