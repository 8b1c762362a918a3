//! The flow table, in memory.

use std::{cell::Cell, rc::Rc};

use super::{
    flow::{MemoryFlow, number, version_of},
    tables::MemoryTables,
};
use crate::{
    abi::{Flow, FlowKey, FlowRecord, InsideKey, Settings, Tick},
    datapath::{
        self, Evictable, FlowRef, FlowTable, InsertError, Naming, Newcomer, Observation, Version,
        idle_if_evictable,
    },
};

impl FlowTable for MemoryTables {
    type FlowRef<'a> = MemoryFlow;

    fn flow(&self, key: &FlowKey) -> Option<MemoryFlow> {
        self.lookups.set(self.lookups.get() + 1);
        self.record(key)
    }

    fn flow_with_kept_port(&self, key: &InsideKey) -> Option<MemoryFlow> {
        self.lookups.set(self.lookups.get() + 1);
        self.record(self.kept.borrow().get(key)?)
    }

    fn flow_with_translated_port(&self, key: &InsideKey) -> Option<MemoryFlow> {
        let (flow, _) = *self.translated.borrow().get(key)?;
        self.record(&flow)
    }

    /// The records lie in the order of the map, which is none.
    fn sampled_flow(&self, place: u32) -> Option<MemoryFlow> {
        let flows = self.flows.borrow();
        let number = (u64::from(place) * flows.len() as u64) >> 32;
        let key = flows.keys().nth(usize::try_from(number).ok()?)?;
        self.record(key)
    }

    fn evictable(&self, settings: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick {
        self.sampled_flow(place).map_or(0, |flow| idle_if_evictable(&flow, settings, wanted, now))
    }

    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation) {
        datapath::update_flow(self, flow, packet);
    }

    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick {
        datapath::reclaimable(self, key, newcomer)
    }

    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError> {
        if let Some((key, flow)) = self.rival.take() {
            self.put(key, flow);
        }
        let flows = self.flows.borrow();
        if flows.contains_key(key) {
            return Err(InsertError::Exists);
        }
        if flows.len() >= self.capacity {
            return Err(InsertError::Full);
        }
        drop(flows);
        self.put(*key, *flow);
        Ok(())
    }

    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool {
        let mut flows = self.flows.borrow_mut();
        if let Some((key, flow)) = self.successor.take() {
            // In the very same place, as in a table that is full otherwise.
            flows[&key].set(flow);
        }
        let is_it = flows.get(key).is_some_and(|place| version_of(place) == version);
        if is_it && let Some(place) = flows.remove(key) {
            let inside = FlowRecord::new(key, place.get().head).inside_key();
            let mut kept = self.kept.borrow_mut();
            if kept.get(&inside) == Some(key) {
                kept.remove(&inside);
            }
        }
        is_it
    }

    fn index_translated(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError> {
        let mut translated = self.translated.borrow_mut();
        match translated.get(key) {
            Some((other, _)) if naming == Naming::Keep && other != flow => {
                return Err(InsertError::Exists);
            }
            None if translated.len() >= self.capacity => return Err(InsertError::Full),
            _ => {}
        }
        let Some(number) = self.flows.borrow().get(flow).map(number) else {
            return Err(InsertError::Full);
        };
        translated.insert(*key, (*flow, number));
        Ok(())
    }

    fn remove_translated(&self, key: &InsideKey, version: Version) {
        let mut translated = self.translated.borrow_mut();
        let flows = self.flows.borrow();
        let is_it = translated.get(key).is_some_and(|(flow, number)| {
            *number == version.number
                && flows.get(flow).is_some_and(|place| version_of(place) == version)
        });
        if is_it {
            translated.remove(key);
        }
    }
}

impl MemoryTables {
    fn record(&self, key: &FlowKey) -> Option<MemoryFlow> {
        let place = self.flows.borrow().get(key)?.clone();
        let Flow { head, .. } = place.get();
        let found = FlowRecord::new(key, head);
        let is_lost = self.loses.get();
        Some(MemoryFlow { found, place, is_lost })
    }

    fn put(&self, key: FlowKey, flow: Flow) {
        let record = FlowRecord::new(&key, flow.head);
        if !record.is_port_translated() {
            self.kept.borrow_mut().insert(record.inside_key(), key);
        }
        self.flows.borrow_mut().insert(key, Rc::new(Cell::new(flow)));
    }
}
