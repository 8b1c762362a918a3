//! Which masquerade rule is for a packet, and whether its destination is left alone.

use crate::{
    abi::{Ip4, LinkRole, Masquerade, NO_RULE, Settings},
    datapath::tables::{kernel::Tables, route::Route},
};

/// The rule for what `source` sends out of `uplink`: the longest prefix, and of two as long that
/// of this uplink before that of any. Without one, that of [`NO_RULE`](crate::abi::NO_RULE), each
/// of whose bytes is written: the verifier refuses what an `Option` leaves out.
#[inline(always)]
pub(crate) fn find<T: Tables>(tables: &T, uplink: u32, source: Ip4) -> Masquerade {
    let any = tables.masquerade(0, source).unwrap_or_default();
    let own = tables.masquerade(uplink, source).unwrap_or_default();
    if own.rule != NO_RULE && own.length >= any.length { own } else { any }
}

/// Whether a rule leaves alone what goes between `inside` and `remote` by this uplink: it is
/// routed with the addresses that it has, both ways.
#[inline(always)]
pub(crate) fn is_excluded<T: Tables>(tables: &T, uplink: u32, inside: Ip4, remote: Ip4) -> bool {
    excludes(tables, &find(tables, uplink, inside), remote)
}

/// Whether a rule leaves a destination alone.
#[inline(always)]
pub(crate) fn excludes<T: Tables>(tables: &T, rule: &Masquerade, remote: Ip4) -> bool {
    rule.excludes != 0 && tables.rule_has(rule.rule, remote)
}

/// The address that packets leave with, if their sender is published on none: that of the rule, or
/// where it has none the kernel's choice.
#[inline(always)]
pub(crate) fn usual_address(of_rule: Ip4, route: &Route) -> Ip4 {
    if of_rule == Ip4::UNSPECIFIED { route.source } else { of_rule }
}

/// The address that packets leave with: the one that their sender is published on, if it may leave
/// by this way, or the usual one.
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

/// Whether packets with an address of the router may leave by an uplink: not if it belongs to
/// another one, beyond which they would be dropped (RFC 3704), nor if it is an inside address or
/// no link has it.
#[inline(always)]
fn may_leave_by<T: Tables>(tables: &T, settings: &Settings, address: Ip4, uplink: u32) -> bool {
    let link = tables.link_of_address(address);
    let is_of_others = link != uplink && settings.is_uplink(link);
    let is_of_lab = settings.is_inside(address) || tables.link_role(link) == Some(LinkRole::Lab);
    link != 0 && !is_of_others && !is_of_lab
}
