//! The border of the lab: which addresses and links are inside, and which addresses packets of
//! the lab may bear outside.

use super::{
    hop::{RouteOutcome, RouteQuery},
    masquerade,
    traits::{Packet, Tables},
    words::IP_SOURCE,
};
use crate::abi::{Ip4, LinkRole, MAX_INSIDE_PREFIXES, MAX_UPLINKS, Settings};

/// Whether an address belongs to one of the lab's inside prefixes. The lab may have more inside
/// addresses than these prefixes: [`leads_inside`] knows them all.
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

/// Whether the kernel would send a packet for `address`, which came in by `link`, into the lab.
#[inline(always)]
pub(super) fn leads_inside<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    let route = tables.route(&RouteQuery::to(address), link);
    route.outcome == RouteOutcome::Forward && tables.link_role(route.egress) == Some(LinkRole::Lab)
}

/// Whether a packet that the stack forwards has come from the lab, by the link that it came in
/// by.
#[inline(always)]
pub(super) fn came_from_lab<T: Tables>(tables: &T, settings: &Settings, ingress: u32) -> bool {
    if settings.own_namespace != 0 {
        !is_uplink(settings, ingress)
    } else {
        tables.link_role(ingress) == Some(LinkRole::Lab)
    }
}

/// Whether what comes by a link is the lab's, so that it leaves by an uplink translated by the lab:
/// a cable, a bridge or the link to the reassembler. Links of other NATs on the machine are not, nor
/// are uplinks: what comes by one and leaves by another is another NAT's.
#[inline(always)]
pub(super) fn is_lab_link<T: Tables>(tables: &T, settings: &Settings, link: u32) -> bool {
    tables.link_role(link) == Some(LinkRole::Lab)
        || tables.bridge_port(link).is_some()
        || link == settings.reassembler
}

/// Whether `link` is one of the lab's uplinks.
#[inline(always)]
pub(super) fn is_uplink(settings: &Settings, link: u32) -> bool {
    position(&settings.uplinks, settings.uplink_count, link).is_some()
}

/// Whether an address is the first of one of the uplinks, with which nearly all translated
/// packets leave.
#[inline(always)]
pub(super) fn is_first_external(settings: &Settings, address: Ip4) -> bool {
    position(&settings.externals, settings.uplink_count, address).is_some()
        && address != Ip4::UNSPECIFIED
}

/// The first address of an uplink; unspecified if it has none.
#[inline(always)]
pub(super) fn first_external(settings: &Settings, link: u32) -> Ip4 {
    position(&settings.uplinks, settings.uplink_count, link)
        .and_then(|place| settings.externals.get(place).copied())
        .unwrap_or(Ip4::UNSPECIFIED)
}

#[inline(always)]
fn position<V: Copy + PartialEq>(
    values: &[V; MAX_UPLINKS],
    count: u32,
    wanted: V,
) -> Option<usize> {
    for (index, value) in values.iter().enumerate() {
        if index >= count as usize {
            return None;
        }
        if *value == wanted {
            return Some(index);
        }
    }
    None
}

/// Lets translated packets bear an address, which the caller has from the kernel's routing table
/// or from a rule. False for one that is inside: an uplink without an address of its own would be
/// given the bridge's.
#[inline(always)]
pub(super) fn allow_external<T: Tables>(tables: &T, settings: &Settings, address: Ip4) -> bool {
    if is_inside(settings, address) {
        return false;
    }
    if !is_first_external(settings, address) && !tables.is_external(address) {
        tables.add_external(address);
    }
    true
}

/// Whether a rule lets what goes between `inside` and `remote` pass this uplink with the addresses
/// that it has, both ways: the `routed` prefixes of the uplink, or what a masquerade excepts.
#[inline(always)]
pub(super) fn may_pass_untranslated<T: Tables>(
    tables: &T,
    settings: &Settings,
    uplink: u32,
    inside: Ip4,
    remote: Ip4,
) -> bool {
    is_routed(tables, settings, uplink, inside)
        || masquerade::is_excluded(tables, uplink, inside, remote)
}

/// Whether `source` is of the `routed` prefixes of an uplink.
#[inline(always)]
pub(super) fn is_routed<T: Tables>(
    tables: &T,
    settings: &Settings,
    uplink: u32,
    source: Ip4,
) -> bool {
    settings.routed != 0 && tables.is_routed(uplink, source)
}
