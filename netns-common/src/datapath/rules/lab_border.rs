//! The border of the lab: which addresses and links are inside, and which source addresses packets
//! of the lab may have outside.

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
            // Most labs have one prefix: it is compared first, without a loop over sixteen for
            // every packet.
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

    /// Whether an address is the first address of an uplink, with which nearly all translated
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

/// Whether the source of a packet belongs to an inside prefix.
#[inline(always)]
pub fn has_inside_source<P: Packet>(packet: &P, settings: &Settings) -> bool {
    let source = packet.load(IP_SOURCE).map(Ip4::from_network);
    source.is_some_and(|source| settings.is_inside(source))
}

/// Whether the kernel would route a packet for `address`, which came in by `link`, into the lab.
#[inline(always)]
pub(crate) fn leads_inside<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    let route = tables.route(&RouteQuery::to(address), link);
    route.outcome == RouteOutcome::Forward && tables.link_role(route.egress) == Some(LinkRole::Lab)
}

/// Whether a packet that the stack forwards came from the lab, judged by its ingress link.
#[inline(always)]
pub(crate) fn came_from_lab<T: Tables>(tables: &T, settings: &Settings, ingress: u32) -> bool {
    if settings.own_namespace != 0 {
        !settings.is_uplink(ingress)
    } else {
        tables.link_role(ingress) == Some(LinkRole::Lab)
    }
}

/// Whether packets from a link belong to the lab, so that the lab translates them at an uplink: a
/// cable, a bridge or the link to the reassembler. Links of other NATs on the machine do not count,
/// nor do uplinks: packets from one uplink to another belong to another NAT.
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

/// Permits an address, from the kernel's routing table or a rule, as the source of translated
/// packets. False for an inside address: the kernel chooses the bridge's for an uplink without an
/// address of its own.
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

/// Whether a rule permits packets between `inside` and `remote` to pass this uplink untranslated,
/// in both directions: a `routed` prefix of the uplink, or an exception of a masquerade.
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

/// Whether `source` belongs to a `routed` prefix of an uplink.
#[inline(always)]
pub(crate) fn is_routed<T: Tables>(
    tables: &T,
    settings: &Settings,
    uplink: u32,
    source: Ip4,
) -> bool {
    settings.routed != 0 && tables.is_routed(uplink, source)
}

/// Whether an address that the kernel does not forward to is one of the host's own. The kernel
/// answers "local" and "no route" alike, so this also checks the recorded addresses of the router.
/// For an address added since, it checks that a default route exists, so that "no route" is
/// impossible. Broadcast addresses do not count.
#[inline(always)]
pub(crate) fn is_own_address<T: Tables>(tables: &T, address: Ip4, link: u32) -> bool {
    /// Reserved (RFC 1112 section 4): only a default route leads there.
    const NOBODY: Ip4 = Ip4::new(240, 0, 0, 1);
    tables.is_host_address(address)
        || !tables.is_broadcast_address(address)
            && tables.route(&RouteQuery::to(NOBODY), link).outcome == RouteOutcome::Forward
}
