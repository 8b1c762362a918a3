//! Which router a rule is for.

use std::net::Ipv4Addr;

use super::model::Topology;
use crate::rules::MasqueradeRule;

impl Topology {
    /// The routers that a masquerade is for, by their namespaces (`None`: the machine): that of
    /// its uplink, or without one every router that has an uplink and leads to its source; where
    /// the file names no such router, every router that has an uplink.
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<Option<&str>> {
        self.networks().routers_of_masquerade(rule)
    }

    /// The router that has the target of a forward in the subnet of a bridge or at the other end
    /// of a cable, by its namespace. The inner `None` is the machine, the outer one says that
    /// there is no such router.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<Option<&str>> {
        self.networks().router_of_target(target)
    }
}
