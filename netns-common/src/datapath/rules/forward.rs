//! The forward for a packet or for a connection of the host.

use crate::{
    abi::{FlowHead, Ip4, NO_RULE, OF_ADDRESS, Port, RuleId},
    datapath::tables::forward_table::{ForwardTable, Published, Target},
};

/// The forward for a packet from `source` to a port of `address`. A forward of this address comes
/// before one of any address. A forward that does not permit the source is skipped, as with
/// iptables. `for_any`: whether forwards of any address count.
#[inline(always)]
pub(crate) fn find<T: ForwardTable>(
    table: &T,
    protocol: u8,
    source: Ip4,
    address: Ip4,
    port: Port,
    for_any: bool,
) -> Option<Target> {
    let rules = table.port_rules(protocol, port);
    if rules == NO_RULE {
        return None;
    }
    if rules & OF_ADDRESS != 0
        && let Some(target) =
            permitted(table, table.address_rule(address, protocol, port), source, port)
    {
        return Some(target);
    }
    if for_any { permitted(table, rules & !OF_ADDRESS, source, port) } else { None }
}

#[inline(always)]
fn permitted<T: ForwardTable>(table: &T, rule: RuleId, source: Ip4, port: Port) -> Option<Target> {
    if rule == NO_RULE {
        return None;
    }
    let forward = table.forward(rule)?;
    if forward.restricted != 0 && !table.rule_has(rule, source) {
        return None;
    }
    Some(Target { address: forward.target, port: forward.target_port(port), rule })
}

/// The port that publishes an inside end: the one with the same number, if a forward of any address
/// leads from it to this end; otherwise the one in
/// [`TARGET_PORTS`](crate::abi::maps::TARGET_PORTS).
#[inline(always)]
pub(crate) fn published<T: ForwardTable>(
    table: &T,
    protocol: u8,
    inside: Ip4,
    port: Port,
) -> Option<Published> {
    let equal = table.port_rules(protocol, port) & !OF_ADDRESS;
    if let Some(published) = leading_to(table, equal, inside, port)
        && published.port == port
    {
        return Some(published);
    }
    leading_to(table, table.target_rule(inside, protocol, port), inside, port)
}

#[inline(always)]
fn leading_to<T: ForwardTable>(
    table: &T,
    rule: RuleId,
    inside: Ip4,
    target_port: Port,
) -> Option<Published> {
    if rule == NO_RULE {
        return None;
    }
    let forward = table.forward(rule)?;
    if forward.target != inside || forward.address.is_loopback() {
        return None;
    }
    let port = forward.published_port(target_port)?;
    Some(Published { address: forward.address, port })
}

/// The address on which a flow's inside end is published; unspecified if that is any address, or if
/// it is not published. A separate function, because its callers have little stack left.
#[inline(never)]
pub(crate) fn published_on<T: ForwardTable>(table: &T, flow: &FlowHead) -> Ip4 {
    published(table, flow.protocol, flow.inside, flow.inside_port)
        .map_or(Ip4::UNSPECIFIED, |published| published.address)
}
