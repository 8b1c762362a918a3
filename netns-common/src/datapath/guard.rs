//! tcx egress of an uplink: nothing leaves with an inside source.

use super::{
    Verdict,
    head::IP_SOURCE,
    traits::{Packet, Tables},
};
use crate::abi::{DropReason, Ip4, MAX_INSIDE_PREFIXES, Settings};
use network_types::eth::{EthHdr, EtherType};

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
pub fn to_uplink<P: Packet, T: Tables>(packet: &P, tables: &T) -> Verdict {
    let ether_type: Option<u16> = packet.load(core::mem::offset_of!(EthHdr, ether_type));
    if ether_type != Some(EtherType::Ipv4 as u16) {
        return Verdict::Pass;
    }
    let Some(settings) = tables.settings() else { return Verdict::Pass };
    // An IPv4 frame too short to have a source is of no use to anybody beyond the uplink.
    let reason = match packet.load(IP_SOURCE) {
        Some(source) if !is_inside(settings, Ip4::from_network(source)) => return Verdict::Pass,
        Some(_) => DropReason::Leak,
        None => DropReason::Malformed,
    };
    tables.count_drop(reason, packet.length());
    Verdict::Drop(reason)
}
