//! The masquerade rule for a packet, and whether the rule excludes its destination.

use crate::{
    abi::{Ip4, LinkRole, Masquerade, NO_RULE, Settings},
    datapath::tables::{kernel::Tables, route::Route},
};

/// The rule for packets from `source` out of `uplink`: the longest prefix, and for equal lengths
/// the rule of this uplink before one of any uplink. Without a rule it is an empty one with
/// [`NO_RULE`](crate::abi::NO_RULE). It is no `Option`, whose unwritten bytes the verifier would
/// refuse.
#[inline(always)]
pub(crate) fn find<T: Tables>(tables: &T, uplink: u32, source: Ip4) -> Masquerade {
    let any = tables.masquerade(0, source).unwrap_or_default();
    let own = tables.masquerade(uplink, source).unwrap_or_default();
    if own.rule != NO_RULE && own.length >= any.length { own } else { any }
}

/// Whether the masquerade excludes packets between `inside` and `remote` by this uplink, so that
/// they are routed untranslated in both directions.
#[inline(always)]
pub(crate) fn is_excluded<T: Tables>(tables: &T, uplink: u32, inside: Ip4, remote: Ip4) -> bool {
    excludes(tables, &find(tables, uplink, inside), remote)
}

/// Whether a rule excludes a destination.
#[inline(always)]
pub(crate) fn excludes<T: Tables>(tables: &T, rule: &Masquerade, remote: Ip4) -> bool {
    rule.excludes != 0 && tables.rule_has(rule.rule, remote)
}

/// The source address of packets whose sender is not published on an address: that of the rule, or
/// the kernel's choice if the rule has none.
#[inline(always)]
pub(crate) fn usual_address(of_rule: Ip4, route: &Route) -> Ip4 {
    if of_rule == Ip4::UNSPECIFIED { route.source } else { of_rule }
}

/// The source address of packets: the one on which their sender is published, if packets with it
/// may leave by this uplink, or the usual one.
#[inline(always)]
pub(crate) fn address<T: Tables>(
    tables: &T,
    settings: &Settings,
    of_rule: Ip4,
    published_on: Ip4,
    route: &Route,
) -> Ip4 {
    let is_published = published_on != Ip4::UNSPECIFIED;
    if is_published && may_leave_by(tables, settings, published_on, route.egress) {
        return published_on;
    }
    usual_address(of_rule, route)
}

/// Whether packets with an address of the router may leave by an uplink. They may not if it belongs
/// to another uplink, since the provider would drop them (RFC 3704), if it is an inside address, or
/// if no link has it.
#[inline(always)]
fn may_leave_by<T: Tables>(tables: &T, settings: &Settings, address: Ip4, uplink: u32) -> bool {
    let link = tables.link_of_address(address);
    let is_of_others = link != uplink && settings.is_uplink(link);
    let is_of_lab = settings.is_inside(address) || tables.link_role(link) == Some(LinkRole::Lab);
    link != 0 && !is_of_others && !is_of_lab
}
