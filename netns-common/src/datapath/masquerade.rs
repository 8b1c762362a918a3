//! Which masquerade rule is for a packet, and whether its destination is left alone.

use super::traits::Tables;
use crate::abi::{Ip4, Masquerade};

/// The rule for what `source` sends out of `uplink`: the longest prefix, and of two as long that
/// of this uplink before that of any.
#[inline(always)]
pub(super) fn find<T: Tables>(tables: &T, uplink: u32, source: Ip4) -> Option<Masquerade> {
    let of_any = tables.masquerade(0, source);
    match (tables.masquerade(uplink, source), of_any) {
        (Some(own), Some(any)) => Some(if any.length > own.length { any } else { own }),
        (Some(own), None) => Some(own),
        (None, any) => any,
    }
}

/// Whether a rule leaves alone what goes between `inside` and `remote` by this uplink: it is
/// routed with the addresses that it has, both ways.
#[inline(always)]
pub(super) fn is_excluded<T: Tables>(tables: &T, uplink: u32, inside: Ip4, remote: Ip4) -> bool {
    find(tables, uplink, inside).is_some_and(|rule| excludes(tables, &rule, remote))
}

/// Whether a rule leaves a destination alone.
#[inline(always)]
pub(super) fn excludes<T: Tables>(tables: &T, rule: &Masquerade, remote: Ip4) -> bool {
    rule.excludes != 0 && tables.rule_has(rule.rule, remote)
}

/// The address that packets leave with: that of the rule, or where it has none the kernel's choice.
#[inline(always)]
pub(super) const fn address(of_rule: Ip4, chosen: Ip4) -> Ip4 {
    if of_rule.to_network() == Ip4::UNSPECIFIED.to_network() { chosen } else { of_rule }
}
