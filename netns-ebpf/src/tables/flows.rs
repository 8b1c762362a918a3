//! The flow table, behind the trait of the datapath.

use netns_common::{
    abi::{Flow, FlowKey, InsideKey, Settings, Tick},
    datapath::{
        Evictable, FlowRef, FlowTable, InsertError, Naming, Newcomer, Observation, Version,
    },
};

use super::KernelTables;
use crate::{
    flow_table::{self, FlowPointer, flow_of},
    global, maps,
    racy::racy,
};

impl<C> FlowTable for KernelTables<C> {
    type FlowRef<'a>
        = FlowPointer<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::find_flow(key))
    }

    #[inline(always)]
    fn flow_with_kept_port(&self, key: &InsideKey) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::find_kept(key))
    }

    #[inline(always)]
    fn flow_with_translated_port(&self, key: &InsideKey) -> Option<FlowPointer<'_>> {
        if maps::HAS_TRANSLATED.get(0).is_none_or(|has| *has == 0) {
            return None;
        }
        flow_of(flow_table::find_translated(key))
    }

    #[inline(always)]
    fn sampled_flow(&self, place: u32) -> Option<FlowPointer<'_>> {
        flow_of(flow_table::taken_at(place))
    }

    #[inline(always)]
    fn evictable(&self, _: &Settings, place: u32, wanted: Evictable, now: Tick) -> Tick {
        global::evictable_at(place, wanted.link, u32::from(wanted.is_unreplied), now)
    }

    #[inline(always)]
    fn update_flow<F: FlowRef>(&self, flow: &F, packet: &Observation) {
        global::update_record(
            flow.version().number as u32,
            packet.to_word(),
            packet.now,
            packet.bytes,
        );
    }

    #[inline(always)]
    fn reclaimable(&self, key: &FlowKey, newcomer: Newcomer) -> Tick {
        let sequence = newcomer.sequence.map_or(global::NO_SEQUENCE, u32::from);
        global::reclaimable_after(key, newcomer.now, sequence)
    }

    #[inline(always)]
    fn insert_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), InsertError> {
        match flow_table::insert_flow(key, flow) {
            flow_table::DONE => Ok(()),
            flow_table::EXISTS => Err(InsertError::Exists),
            _ => Err(InsertError::Full),
        }
    }

    #[inline(always)]
    fn remove_flow(&self, key: &FlowKey, version: Version) -> bool {
        flow_table::remove_flow(key, version)
    }

    #[inline(always)]
    fn index_translated(
        &self,
        key: &InsideKey,
        flow: &FlowKey,
        naming: Naming,
    ) -> Result<(), InsertError> {
        if let Some(has) = maps::HAS_TRANSLATED.get_ptr_mut(0) {
            // It is never cleared, so the order of writes does not matter.
            racy!(*has).set(1);
        }
        match flow_table::index_translated(key, flow, u32::from(naming == Naming::Replace)) {
            flow_table::DONE => Ok(()),
            flow_table::EXISTS => Err(InsertError::Exists),
            _ => Err(InsertError::Full),
        }
    }

    #[inline(always)]
    fn remove_translated(&self, key: &InsideKey, version: Version) {
        flow_table::remove_translated(key, version);
    }
}
