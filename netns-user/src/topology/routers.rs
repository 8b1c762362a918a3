//! Which router a rule is for.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::model::{Bridge, Topology};
use crate::rules::MasqueradeRule;

impl Topology {
    /// The routers that a masquerade is for, by their namespaces (`None`: the machine): that of
    /// its uplink, or without one every router that has a bridge which it covers, at least in
    /// part.
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<Option<&str>> {
        match &rule.uplink {
            Some(name) => {
                let uplink = self.uplinks.iter().find(|uplink| uplink.name == *name);
                uplink.map(|uplink| uplink.router.as_deref()).into_iter().collect()
            }
            None => routers_of_source(self.bridges.iter(), rule.source),
        }
    }

    /// The router in whose bridges' subnets the target of a forward is, by its namespace. The
    /// inner `None` is the machine, the outer one says that there is no such router.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<Option<&str>> {
        let bridge = self.bridges.iter().find(|bridge| bridge.address.contains(&target));
        bridge.map(|bridge| bridge.router.as_deref())
    }
}

/// The routers that have a bridge with addresses of `source`, each once.
pub(super) fn routers_of_source<'a>(
    bridges: impl Iterator<Item = &'a Bridge>,
    source: Ipv4Net,
) -> Vec<Option<&'a str>> {
    let mut routers = Vec::new();
    for bridge in bridges.filter(|bridge| overlap(bridge.address, source)) {
        let router = bridge.router.as_deref();
        if !routers.contains(&router) {
            routers.push(router);
        }
    }
    routers
}

/// Whether two subnets have addresses in common.
pub(super) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
