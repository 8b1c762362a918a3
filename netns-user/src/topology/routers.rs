//! Which router has what to do with a rule.

use std::net::Ipv4Addr;

use super::Topology;
use crate::rules::MasqueradeRule;

impl Topology {
    /// The routers that a masquerade rule is for, by their namespaces (`None`: the machine):
    /// that of its uplink, else every one with a bridge that it covers.
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<Option<&str>> {
        if let Some(name) = &rule.uplink {
            let uplinks = self.uplinks.iter().filter(|uplink| uplink.name == *name);
            return uplinks.map(|uplink| uplink.router.as_deref()).collect();
        }
        let covered = self.bridges.iter().filter(|bridge| {
            let net = bridge.address.trunc();
            rule.source.contains(&net) || net.contains(&rule.source)
        });
        let mut routers: Vec<Option<&str>> =
            covered.map(|bridge| bridge.router.as_deref()).collect();
        routers.dedup();
        routers
    }

    /// The router in whose bridges' subnets an address is, by its namespace.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<Option<&str>> {
        let bridge = self.bridges.iter().find(|bridge| bridge.address.contains(&target))?;
        Some(bridge.router.as_deref())
    }
}
