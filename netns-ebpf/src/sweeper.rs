//! Removes expired flows and mappings, and sets right what is counted of flows: one timer for the
//! tables, and no daemon.
//!
//! A timer for each flow is not to be had: `bpf_timer_init` fails with -ENOMEM for most of
//! them when they are made in the packet path.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::generated::{
        bpf_for_each_map_elem, bpf_timer_init, bpf_timer_set_callback, bpf_timer_start,
    },
    macros::classifier,
    programs::TcContext,
};
use netns_common::{
    abi::{Flow, FlowKey, Mapping, MappingKey, Tick},
    datapath::{Charge, forget, is_expired, keep_mapping, sweep_mapping},
};

use crate::{
    maps::{self, Sweeper},
    tables::{FlowPointer, KernelTables, now},
    usage,
};

/// How often the table is swept, in nanoseconds. Expired flows count as free in between.
const PERIOD: u64 = 5_000_000_000;

/// `CLOCK_MONOTONIC`.
const CLOCK_MONOTONIC: u64 = 1;

/// `-EBUSY`: the timer is there already, as after an upgrade.
const BUSY: i64 = -16;

/// What a sweep carries from flow to flow.
struct Sweep {
    now: Tick,
}

/// Arms the timer. Run once by a test run after loading; returns 0, or -1 if the kernel
/// refused.
#[classifier]
pub(crate) fn start_sweeper(_ctx: TcContext) -> i32 {
    let Some(sweeper) = maps::SWEEPER.get_ptr_mut(0) else { return -1 };
    // SAFETY: the timer lies in the map's value, where alone the kernel accepts it, and the
    // callback is a function of this object.
    unsafe {
        let timer = &raw mut (*sweeper).timer;
        let map = (&raw const maps::SWEEPER).cast_mut().cast();
        let code = bpf_timer_init(timer, map, CLOCK_MONOTONIC);
        if code != 0 && code != BUSY {
            return -1;
        }
        if bpf_timer_set_callback(timer, sweep as *mut c_void) != 0 {
            return -1;
        }
        if bpf_timer_start(timer, PERIOD, 0) != 0 {
            return -1;
        }
    }
    0
}

/// The timer's callback: one pass over the table, then the timer again.
extern "C" fn sweep(_map: *mut c_void, _index: *mut u32, sweeper: *mut Sweeper) -> i32 {
    let mut state = Sweep { now: now() };
    usage::begin_census();
    // SAFETY: map, callback and context are what the helper expects; the context outlives
    // the call, which runs the callback on this CPU.
    unsafe {
        let flows = (&raw const maps::FLOWS).cast_mut().cast();
        let context = (&raw mut state).cast();
        bpf_for_each_map_elem(flows, visit as *mut c_void, context, 0);
        // After the flows, which keep theirs.
        let mappings = (&raw const maps::MAPPINGS).cast_mut().cast();
        bpf_for_each_map_elem(mappings, visit_mapping as *mut c_void, context, 0);
    }
    usage::end_census();
    // SAFETY: the kernel passes the value that it has the timer in.
    unsafe {
        bpf_timer_start(&raw mut (*sweeper).timer, PERIOD, 0);
    }
    0
}

/// Removes one flow if it is expired, or counts it; 0 goes on to the next.
extern "C" fn visit(
    _map: *mut c_void,
    key: *const FlowKey,
    flow: *mut Flow,
    state: *const Sweep,
) -> i64 {
    // SAFETY: the kernel passes a key and a value of the map, and the context given above.
    let (key, now) = unsafe { (*key, (*state).now) };
    let flow = FlowPointer::new(flow);
    let Some(settings) = maps::SETTINGS.get(0) else { return 1 };
    if is_expired(&flow, key.protocol, &settings.timeouts, now) {
        forget(&KernelTables::new(()), &key, &flow);
    } else {
        usage::meet(Charge::of(&flow));
        if settings.mappings != 0 {
            keep_mapping(&KernelTables::new(()), &key, &flow, now);
        }
    }
    0
}

/// Removes an entry of the mappings if it has no use any more; 0 goes on to the next.
extern "C" fn visit_mapping(
    _map: *mut c_void,
    key: *const MappingKey,
    entry: *const Mapping,
    state: *const Sweep,
) -> i64 {
    // SAFETY: as in `visit`.
    let (key, entry, now) = unsafe { (*key, *entry, (*state).now) };
    sweep_mapping(&KernelTables::new(()), &key, &entry, now);
    0
}
