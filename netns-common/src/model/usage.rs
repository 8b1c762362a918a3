//! The counts of flow records by link, in memory, and the sweep that corrects them.

use std::collections::HashMap;

use super::MemoryTables;
use crate::{
    abi::{Addition, FlowKey, FlowState, Load, Tick, Usage, WHOLE_TABLE},
    datapath::{
        self, FlowRef, FlowTable as _, QuotaCharge, UsageTable, forget, is_expired, keep_mapping,
        sweep_mapping,
    },
};

impl UsageTable for MemoryTables {
    fn load(&self, link: u32) -> Load {
        self.usage.borrow().get(&link).map_or(Load::default(), Usage::load)
    }

    fn add_usage(&self, link: u32, addition: Addition) {
        self.usage.borrow_mut().entry(link).or_default().add(addition);
    }

    fn settle<F: FlowRef>(&self, flow: &F, state: FlowState, from_initiator: bool) {
        datapath::settle(self, flow, state, from_initiator);
    }
}

impl MemoryTables {
    /// The counts by link.
    pub fn usage(&self) -> HashMap<u32, Usage> {
        self.usage.borrow().clone()
    }

    /// The expected counts by link, computed from the records of the flow table.
    pub fn loads(&self) -> HashMap<u32, Load> {
        let mut loads = HashMap::new();
        for flow in self.flows().values() {
            let charge = QuotaCharge::of(flow);
            for link in [charge.link, WHOLE_TABLE] {
                if charge.records > 0 {
                    let load: &mut Load = loads.entry(link).or_default();
                    load.flows += u64::from(charge.records);
                    let counts = charge.is_unreplied && !(charge.is_call && link == WHOLE_TABLE);
                    load.unreplied += u64::from(charge.records) * u64::from(counts);
                }
            }
        }
        loads
    }

    /// Removes a record without counting it, as userspace may.
    pub fn remove_uncounted(&self, key: &FlowKey) {
        if let Some(flow) = self.flow(key) {
            self.remove_flow(key, flow.version());
        }
    }

    /// Does the work of the sweeper: removes expired flows, refreshes the mappings of current ones,
    /// and corrects the counts.
    pub fn sweep(&self, now: Tick) {
        for usage in self.usage.borrow_mut().values_mut() {
            usage.census = usage.new_census();
        }
        for key in self.flows().into_keys() {
            let Some(flow) = self.flow(&key) else { continue };
            let version = flow.version();
            if is_expired(&flow, &self.settings, now) {
                forget(self, &key, &flow, version);
            } else {
                keep_mapping(self, &key, &flow, now);
            }
        }
        for (key, entry) in self.mappings() {
            sweep_mapping(self, &key, &entry, now);
        }
        let loads = self.loads();
        let mut usage = self.usage.borrow_mut();
        for link in loads.keys() {
            usage.entry(*link).or_default();
        }
        for (link, usage) in usage.iter_mut() {
            let load = loads.get(link).copied().unwrap_or_default();
            (usage.census.flows, usage.census.unreplied) = (load.flows, load.unreplied);
            usage.end_census();
        }
        usage.retain(|link, usage| *link == WHOLE_TABLE || !usage.is_idle());
    }
}
