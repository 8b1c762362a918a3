//! Global functions (`BPF_FUNC_GLOBAL`, kernel 5.6): the verifier checks each once per program, not
//! once per call. They take numbers and pointers to whole values, and return a number.

use netns_common::{
    abi::{FlowKey, Tick},
    datapath::{self, Evictable, Newcomer, Observation, idle_if_evictable},
};

use crate::{
    flow_table::{self, flow_of},
    maps,
    tables::KernelTables,
};

/// How long the record at a place has been idle, in ticks, plus one; 0 if it must not be evicted.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn evictable_at(place: u32, link: u32, is_unreplied: u32, now: Tick) -> Tick {
    let Some(settings) = maps::SETTINGS.get(0) else { return 0 };
    let Some(flow) = flow_of(flow_table::taken_at(place)) else { return 0 };
    let wanted = Evictable { link, is_unreplied: is_unreplied != 0 };
    idle_if_evictable(&flow, settings, wanted, now)
}

/// As [`datapath::update_flow`], for the flow of a record.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn update_record(number: u32, packet: u64, now: Tick, bytes: u32) -> i32 {
    if let Some(flow) = flow_of(number) {
        let packet = Observation::from_word(packet, now, bytes);
        datapath::update_flow(&KernelTables::new(()), &flow, &packet);
    }
    0
}

/// Stands for the sequence number of a connection of another protocol than TCP.
pub(crate) const NO_SEQUENCE: u32 = u32::MAX;

/// As [`datapath::reclaimable`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn reclaimable_after(key: *const FlowKey, now: Tick, sequence: u32) -> Tick {
    // SAFETY: no other than null and one to a key is passed.
    let Some(key) = (unsafe { key.as_ref() }) else { return 0 };
    let sequence = (sequence != NO_SEQUENCE).then_some(sequence as u16);
    datapath::reclaimable(&KernelTables::new(()), key, Newcomer { now, sequence })
}

/// As [`datapath::is_port_free`]; 1 if it is.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn port_is_free(key: *const FlowKey, even_forwarded: u32) -> u32 {
    // SAFETY: as above.
    let Some(key) = (unsafe { key.as_ref() }) else { return 0 };
    u32::from(datapath::is_port_free(&KernelTables::new(()), key, even_forwarded != 0))
}
