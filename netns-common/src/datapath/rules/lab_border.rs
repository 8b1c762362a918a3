//! The border of the lab: which addresses and links are inside, and which addresses packets of
//! the lab may bear outside.

use crate::{
    abi::{Ip4, LinkRole, MAX_INSIDE_PREFIXES, MAX_UPLINKS, Settings},
    datapath::{
        packet::{access::Packet, wire::IP_SOURCE},
        rules::masquerade,
        tables::{
            kernel::Tables,
            route::{RouteOutcome, RouteQuery},
        },
    },
};

impl Settings {
    /// Whether an address belongs to one of the lab's inside prefixes. The lab may have more inside
    /// addresses than these prefixes: [`leads_inside`] knows them all.
    #[inline(always)]
    pub(crate) fn is_inside(&self, address: Ip4) -> bool {
        let count = self.inside_count as usize;
        for (index, prefix) in self.inside.iter().take(MAX_INSIDE_PREFIXES).enumerate() {
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

    /// Whether `link` is one of the lab's uplinks.
    #[inline(always)]
    pub(crate) fn is_uplink(&self, link: u32) -> bool {
        position(&self.uplinks, self.uplink_count, link).is_some()
    }

    /// Whether an address is the first of one of the uplinks, with which nearly all translated
    /// packets leave.
    #[inline(always)]
    pub(crate) fn is_first_external(&self, address: Ip4) -> bool {
        position(&self.externals, self.uplink_count, address).is_some()
            && address != Ip4::UNSPECIFIED
    }

    /// The first address of an uplink; unspecified if it has none.
    #[inline(always)]
    pub(crate) fn first_external(&self, link: u32) -> Ip4 {
        position(&self.uplinks, self.uplink_count, link)
            .and_then(|place| self.externals.get(place).copied())
            .unwrap_or(Ip4::UNSPECIFIED)
    }
}

/// Whether a packet bears the address of one of the inside prefixes.
#[inline(always)]
pub fn has_inside_source<P: Packet>(packet: &P, settings: &Settings) -> bool {
    let source = packet.load(IP_SOURCE).map(Ip4::from_network);
    source.is_some_and(|source| settings.is_inside(source))
}

/// Whether the kernel would send a packet for `address`, which came in by `link`, into the lab.
#[inline(always)]
pub(crate) fn leads_inside<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    let route = tables.route(&RouteQuery::to(address), link);
    route.outcome == RouteOutcome::Forward && tables.link_role(route.egress) == Some(LinkRole::Lab)
}

/// Whether a packet that the stack forwards has come from the lab, by the link that it came in
/// by.
#[inline(always)]
pub(crate) fn came_from_lab<T: Tables>(tables: &T, settings: &Settings, ingress: u32) -> bool {
    if settings.own_namespace != 0 {
        !settings.is_uplink(ingress)
    } else {
        tables.link_role(ingress) == Some(LinkRole::Lab)
    }
}

/// Whether what comes by a link is the lab's, so that it leaves by an uplink translated by the lab:
/// a cable, a bridge or the link to the reassembler. Links of other NATs on the machine are not,
/// nor are uplinks: what comes by one and leaves by another is another NAT's.
#[inline(always)]
pub(crate) fn is_lab_link<T: Tables>(tables: &T, settings: &Settings, link: u32) -> bool {
    tables.link_role(link) == Some(LinkRole::Lab)
        || tables.bridge_port(link).is_some()
        || link == settings.reassembler
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
pub(crate) fn allow_external<T: Tables>(tables: &T, settings: &Settings, address: Ip4) -> bool {
    if settings.is_inside(address) {
        return false;
    }
    if !settings.is_first_external(address) && !tables.is_external(address) {
        tables.add_external(address);
    }
    true
}

/// Whether a rule lets what goes between `inside` and `remote` pass this uplink with the addresses
/// that it has, both ways: the `routed` prefixes of the uplink, or what a masquerade excepts.
#[inline(always)]
pub(crate) fn may_pass_untranslated<T: Tables>(
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
pub(crate) fn is_routed<T: Tables>(
    tables: &T,
    settings: &Settings,
    uplink: u32,
    source: Ip4,
) -> bool {
    settings.routed != 0 && tables.is_routed(uplink, source)
}

/// Whether an address that the kernel does not forward to is one of the host's own. Its answer is
/// one for "local" and for "no route", so more must say so: the addresses that the router is
/// known to have, or, for one that it has been given since, that there is a route for whatever
/// else there is. Broadcast addresses are nobody's.
#[inline(always)]
pub(crate) fn is_own_address<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    /// Reserved (RFC 1112 section 4): only a default route leads there.
    const NOBODY: Ip4 = Ip4::new(240, 0, 0, 1);
    tables.is_host_address(address)
        || !tables.is_broadcast_address(address)
            && tables.route(&RouteQuery::to(NOBODY), link).outcome == RouteOutcome::Forward
}
