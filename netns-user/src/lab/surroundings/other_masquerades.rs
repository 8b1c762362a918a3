//! Rules of another NAT at a router that translate the sources of a lab, such as the MASQUERADE of
//! a network that was made by hand.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    other_nats::{may_be_one_of, translations},
    place_of,
};
use crate::{
    lab::error::LabError,
    net::{
        Netns,
        firewall::{self, Chain, Condition, NatHook},
    },
    topology::{Topology, overlap},
};

/// A rule of another NAT for sources of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OtherMasquerade {
    /// The namespace of the router; `None`: this machine.
    pub(crate) router: Option<String>,
    /// The tool, the table and the chain of the rule.
    pub(crate) place: String,
    /// The rule, as `nft` writes it.
    pub(crate) rule: String,
    /// Whether the rule sees the packets of the lab.
    pub(crate) is_used: bool,
    /// The command that deletes the rule.
    pub(crate) command: String,
}

impl OtherMasquerade {
    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let Self { router, place, rule, is_used, .. } = self;
        let netns = place_of(router.as_deref());
        let effect = match is_used {
            true => "it translates packets of the lab before the lab does",
            false => "packets of the lab bypass it, since the lab translates them before",
        };
        format!("{place} {netns} has the rule \"{rule}\": {effect}")
    }
}

/// The rules of other NATs for sources of a lab, at all its routers.
///
/// # Errors
/// When a namespace cannot be entered, or the kernel does not list its rules.
pub(crate) fn other_masquerades(topology: &Topology) -> Result<Vec<OtherMasquerade>, LabError> {
    let mut all = Vec::new();
    for router in &topology.routers {
        let netns = Netns::of(router.namespace.as_deref());
        let chains = netns.run(firewall::chains)??;
        all.extend(judge(&chains, &netns, topology));
    }
    Ok(all)
}

fn judge(chains: &[Chain], netns: &Netns, topology: &Topology) -> Vec<OtherMasquerade> {
    let uplinks: Vec<&str> =
        topology.uplinks_of(netns.name()).map(|uplink| uplink.name.as_str()).collect();
    let may_hold = |condition: &Condition| match condition {
        Condition::Out(interface) => may_be_one_of(interface, &uplinks),
        Condition::Source(net) => {
            let mut bridges = topology.bridges_of(netns.name());
            bridges.any(|bridge| overlap(bridge.address.trunc(), *net))
        }
        _ => true,
    };
    let of_lab = translations(chains, NatHook::Postrouting)
        .into_iter()
        .filter(|found| found.conditions.iter().all(may_hold));
    let mut others: Vec<OtherMasquerade> = of_lab
        .map(|found| OtherMasquerade {
            router: netns.name().map(str::to_owned),
            place: found.place(),
            rule: found.in_words(),
            is_used: topology.nat.via_stack,
            command: found.deletion(netns),
        })
        .collect();
    others.dedup();
    others
}
