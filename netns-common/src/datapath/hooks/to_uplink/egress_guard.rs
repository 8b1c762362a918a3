//! The egress guard: no packet of the lab leaves untranslated, unless a rule permits it.

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

use crate::{
    abi::{DropReason, Ip4, Settings, Stage, Tick},
    datapath::{
        context::{
            packet_context::PacketContext,
            scratch::Scratch,
            verdict::{Outcome, Verdict},
        },
        hooks::{
            source_check::misplaces_checksum,
            to_uplink::{host, stack_forwarded},
        },
        packet::{
            access::Packet,
            headers::{Headers, NoHeaders},
            wire::{IP_DESTINATION, IP_SOURCE},
        },
        rules::lab_border::{came_from_lab, is_lab_link, may_pass_untranslated},
        tables::kernel::Tables,
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
            return host::own(packet, tables, scratch, clock());
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
            return stack_forwarded::translate(
                packet,
                tables,
                settings,
                scratch,
                &headers,
                clock(),
            );
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
