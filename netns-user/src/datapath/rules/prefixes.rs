//! The CIDRs of rules: the sources of forwards, and the destinations that masquerades except.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
};

use aya::maps::{
    MapData,
    lpm_trie::{Key, LpmTrie},
};
use ipnet::Ipv4Net;
use netns_common::abi::{Ip4, RuleId, RulePrefix, maps};

use crate::datapath::{
    Datapath,
    error::{DatapathError, map_error},
};

type Prefixes = LpmTrie<MapData, RulePrefix, u32>;

impl Datapath {
    /// The CIDRs of all rules.
    pub(super) fn rule_networks(
        &self,
    ) -> Result<HashMap<RuleId, BTreeSet<Ipv4Net>>, DatapathError> {
        let map: Prefixes = self.map(maps::RULE_PREFIXES)?;
        let mut networks: HashMap<RuleId, BTreeSet<Ipv4Net>> = HashMap::new();
        for key in map.keys() {
            let key = key.map_err(map_error(maps::RULE_PREFIXES))?;
            let RulePrefix { rule, address } = key.data();
            let length = key.prefix_len().saturating_sub(RulePrefix::RULE_BITS);
            let length = u8::try_from(length).unwrap_or(32);
            let network = Ipv4Net::new(Ipv4Addr::from(address), length).unwrap_or_default();
            networks.entry(RuleId::try_from(rule).unwrap_or(0)).or_default().insert(network);
        }
        Ok(networks)
    }

    pub(super) fn add_networks(
        &self,
        rule: RuleId,
        networks: &BTreeSet<Ipv4Net>,
    ) -> Result<(), DatapathError> {
        if networks.is_empty() {
            return Ok(());
        }
        let mut map: Prefixes = self.map(maps::RULE_PREFIXES)?;
        for network in networks {
            map.insert(&key(rule, network), 1, 0).map_err(map_error(maps::RULE_PREFIXES))?;
        }
        Ok(())
    }

    /// Removes all CIDRs of these rules.
    pub(super) fn remove_networks(&self, rules: &[RuleId]) -> Result<(), DatapathError> {
        if rules.is_empty() {
            return Ok(());
        }
        let networks = self.rule_networks()?;
        let mut map: Prefixes = self.map(maps::RULE_PREFIXES)?;
        for rule in rules {
            for network in networks.get(rule).into_iter().flatten() {
                map.remove(&key(*rule, network)).map_err(map_error(maps::RULE_PREFIXES))?;
            }
        }
        Ok(())
    }
}

fn key(rule: RuleId, network: &Ipv4Net) -> Key<RulePrefix> {
    let length = RulePrefix::RULE_BITS + u32::from(network.prefix_len());
    Key::new(length, RulePrefix { rule: rule.into(), address: Ip4::from(network.network()) })
}
