//! The surroundings of a lab: what else on the machine changes the way of its packets.
//!
//! Everything here only reads, for `doctor` and for the warnings of commands.

pub(crate) mod other_masquerades;
pub(crate) mod other_nats;
pub(crate) mod queues;
pub(crate) mod shadowed;
pub(crate) mod uncovered;

use crate::{net::Netns, rules::ForwardRule, topology::Topology};

/// The namespace of a router, with its preposition. `None` is the machine.
fn place_of(router: Option<&str>) -> String {
    let preposition = if router.is_some() { "in" } else { "on" };
    format!("{preposition} {}", Netns::of(router))
}

/// The forwards of a topology file whose targets are behind this router.
fn forwards_of(topology: &Topology, router: Option<&str>) -> Vec<ForwardRule> {
    let networks = topology.networks();
    let is_its = |rule: &&ForwardRule| networks.router_of_target(*rule.target.ip()) == Some(router);
    topology.forwards.iter().filter(is_its).cloned().collect()
}
