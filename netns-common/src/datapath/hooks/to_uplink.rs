//! tcx egress of an uplink: nothing of the lab leaves untranslated, but where a rule says so.

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
    if !is_from_host && settings.is_first_external(source) {
        return if tables.is_noted_link(ingress) {
            Outcome::Decided(Verdict::Pass)
        } else {
            Outcome::Continue(Stage::EgressGuard)
        };
    }
    // What bears an inside prefix comes from the lab by whatever link it came.
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

/// A packet of the host itself.
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
fn give_way_to_host<T: Tables>(headers: &Headers, tables: &T, now: Tick) -> bool {
    let key = headers.outbound_key(headers.source);
    let Some(flow) = tables.flow(&key) else { return false };
    if flow.kind == FlowKind::Host as u8 {
        let direction = Direction::Out;
        flow.touch(&Touch { direction, state: None, seen: Some(now), bytes: headers.bytes });
        return false;
    }
    // One that another CPU carries a packet of at this moment may stay: until the host's next packet.
    forget(tables, &key, &flow, flow.version());
    // Sockets tell who has a port; nothing but a record tells who has an identifier.
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
        // Full table or not, the host's packet goes its way.
        let _ = tables.insert_flow(&headers.outbound_key(headers.source), draft);
        Outcome::Decided(Verdict::Pass)
    }
}
