//! The NAT rules of an installed datapath; the maps hold them.
//!
//! A change writes a new rule before the entries that lead to it, and removes the entries that lead
//! to an old rule before the rule: a packet meets the old rule or the new one.

mod forwards;
mod masquerades;
mod pages;
mod prefixes;

use std::collections::BTreeSet;

use aya::{
    maps::{MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use netns_common::abi::{Counter, MAX_RULES, NO_RULE, RuleId, maps};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Datapath,
    error::{DatapathError, map_error},
    lock::FolderLock,
};

/// A rule and its counters.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RuleStatus<R> {
    #[serde(skip)]
    pub id: RuleId,
    #[serde(flatten)]
    pub rule: R,
    /// Connections that it has begun.
    pub flows: u64,
    /// Translated packets, in both directions.
    pub packets: u64,
    /// Bytes of IP, in both directions.
    pub bytes: u64,
}

impl Datapath {
    /// Allows one change at a time: two would choose the same rule number, or both give out the
    /// same port.
    fn change_rules<T>(
        &self,
        change: impl FnOnce() -> Result<T, DatapathError>,
    ) -> Result<T, DatapathError> {
        let lock = FolderLock::wait(&self.lab, &self.pins.maps())?;
        let changed = change()?;
        // An open map can be written even after the lab was taken down.
        if lock.is_in_place() { Ok(changed) } else { Err(DatapathError::NotUp(self.lab.clone())) }
    }

    /// Whether all rules are completely written, with the settings that they need: a process may
    /// have been killed while it changed them.
    pub fn rules_hold(&self) -> Result<bool, DatapathError> {
        self.change_rules(|| {
            let settings = self.settings()?;
            Ok(self.as_rules_want(&settings)? == settings
                && self.are_pages_written(&self.forward_records()?)?)
        })
    }

    /// Completes a change of rules that was killed, and ends the flows of rules that are gone. Must
    /// run inside the router's namespace.
    pub fn recover_rules(&self) -> Result<(), DatapathError> {
        self.change_rules(|| {
            self.write_missing_pages()?;
            self.write_what_rules_want(&[])?;
            let rules = self.rule_ids()?;
            let is_of_none = |rule: RuleId| rule != NO_RULE && !rules.contains(&rule);
            self.flush(|flow| is_of_none(flow.rule))?;
            self.flush_mappings(|mapping| is_of_none(mapping.rule))
        })
    }

    /// The ids of all rules.
    fn rule_ids(&self) -> Result<BTreeSet<RuleId>, DatapathError> {
        let mut ids: BTreeSet<RuleId> = self.forward_records()?.into_keys().collect();
        ids.extend(self.masquerade_records()?.into_iter().map(|(_, value)| value.rule));
        Ok(ids)
    }

    fn rule_counters(&self) -> Result<PerCpuArray<MapData, Counter>, DatapathError> {
        self.map(maps::RULE_COUNTERS)
    }

    /// Free rule ids, with their counters at zero and without CIDRs, which a killed change may have
    /// left.
    fn new_rules(&self, count: usize) -> Result<Vec<RuleId>, DatapathError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let taken = self.rule_ids()?;
        let last = RuleId::try_from(MAX_RULES - 1).unwrap_or(RuleId::MAX);
        // New ids follow the newest one, so that rules are listed in the order of their creation.
        let next = taken.last().map_or(1, |id| id + 1);
        let ids = (next..=last).chain((1..next).filter(|id| !taken.contains(id)));
        let ids: Vec<RuleId> = ids.take(count).collect();
        if ids.len() < count {
            return Err(DatapathError::Limit(format!(
                "a lab can have at most {last} rules: delete some first, or forward a range of \
                 ports with one rule"
            )));
        }
        let cpus = nr_cpus()
            .map_err(|(_, cause)| DatapathError::System { what: "count the CPUs", cause })?;
        let mut counters = self.rule_counters()?;
        let left: BTreeSet<RuleId> = self.rule_networks()?.into_keys().collect();
        for id in &ids {
            let zeros = PerCpuValues::try_from(vec![Counter::default(); cpus])
                .map_err(|cause| DatapathError::System { what: "make per-CPU values", cause })?;
            counters.set(u32::from(*id), zeros, 0).map_err(map_error(maps::RULE_COUNTERS))?;
        }
        let left: Vec<RuleId> = ids.iter().copied().filter(|id| left.contains(id)).collect();
        self.remove_networks(&left)?;
        Ok(ids)
    }
}

fn status<R>(
    counters: &PerCpuArray<MapData, Counter>,
    id: RuleId,
    rule: R,
) -> Result<RuleStatus<R>, DatapathError> {
    let values = counters.get(&u32::from(id), 0).map_err(map_error(maps::RULE_COUNTERS))?;
    let Counter { flows, packets, bytes } = sum(&values);
    Ok(RuleStatus { id, rule, flows, packets, bytes })
}

/// The sum over all CPUs.
pub(super) fn sum(values: &PerCpuValues<Counter>) -> Counter {
    values.iter().fold(Counter::default(), |sum, value| Counter {
        flows: sum.flows + value.flows,
        packets: sum.packets + value.packets,
        bytes: sum.bytes + value.bytes,
    })
}
