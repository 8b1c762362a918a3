//! Removes expired flows and mappings, and corrects the counts of flows, by one timer and without a
//! daemon.
//!
//! A timer for each flow is impossible: `bpf_timer_init` fails with -ENOMEM for most of them when
//! they are made in the packet path.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::__sk_buff,
    helpers::generated::{
        bpf_for_each_map_elem, bpf_loop, bpf_timer_init, bpf_timer_set_callback, bpf_timer_start,
    },
    macros::classifier,
    programs::TcContext,
};
use netns_common::{
    abi::{
        ETHERNET_HEADER, FORGOTTEN_AT_ONCE, Flow, FlowCopy, FlowKey, Mapping, MappingKey,
        RECORDS_OF_WORD, RESTORED_AT_ONCE, Tick,
    },
    datapath::{
        FlowRef as _, FlowTable as _, Naming, QuotaCharge, forget, is_expired, keep_mapping,
        sweep_mapping,
    },
};

use crate::{
    flow_table::{FlowPointer, record},
    maps::{self, Sweeper, Word},
    racy::racy,
    tables::{KernelTables, now},
    usage,
};

/// How often the table is swept, in nanoseconds. Expired flows count as free in between.
const PERIOD: u64 = 5_000_000_000;

/// `CLOCK_MONOTONIC`.
const CLOCK_MONOTONIC: u64 = 1;

/// `-EBUSY`: the timer is there already, as after an upgrade.
const BUSY: i64 = -16;

/// The state of a sweep.
struct Sweep {
    now: Tick,
    /// The number of the first record of the current word.
    first: u32,
    /// The records of that word in use.
    taken: u64,
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
            return code as i32;
        }
        let code = bpf_timer_set_callback(timer, sweep as *mut c_void);
        if code != 0 {
            return code as i32;
        }
        bpf_timer_start(timer, PERIOD, 0) as i32
    }
}

/// The timer's callback: makes one pass over the table, and arms the timer again.
extern "C" fn sweep(_map: *mut c_void, _index: *mut u32, sweeper: *mut Sweeper) -> i32 {
    let mut state = Sweep { now: now(), first: 0, taken: 0 };
    usage::begin_census();
    // SAFETY: map, callback and context are what the helper expects; the context outlives
    // the call, which runs the callback on this CPU.
    unsafe {
        let words = (&raw const maps::FLOW_WORDS).cast_mut().cast();
        let context = (&raw mut state).cast();
        bpf_for_each_map_elem(words, visit_word as *mut c_void, context, 0);
        // After the flows, which refresh their mappings.
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

/// Visits the records of a word, if any is in use; 0 continues with the next.
extern "C" fn visit_word(
    _map: *mut c_void,
    number: *const u32,
    word: *const Word,
    state: *mut Sweep,
) -> i64 {
    let taken = racy!(word, taken).get();
    // SAFETY: the kernel passes a key of the map, and the context given above, which outlives the
    // call.
    unsafe {
        if taken != 0 {
            (*state).first = (*number).wrapping_mul(RECORDS_OF_WORD);
            (*state).taken = taken;
            bpf_loop(RECORDS_OF_WORD, visit as *mut c_void, state.cast(), 0);
        }
    }
    0
}

/// Removes one flow if it is expired, or counts it; 0 continues with the next. A flow that another
/// CPU has just inserted or removed may be seen in its former state: the removal goes by the index.
extern "C" fn visit(place: u32, state: *const Sweep) -> i64 {
    // SAFETY: the kernel passes the context given above.
    let (first, taken, now) = unsafe { ((*state).first, (*state).taken, (*state).now) };
    if (taken >> (place % RECORDS_OF_WORD)) & 1 == 0 {
        return 0;
    }
    let number = first.wrapping_add(place);
    let Some(record) = record(number) else { return 0 };
    let flow = FlowPointer::new(record, number);
    let version = flow.version();
    // SAFETY: a look-up gave the pointer.
    let key = unsafe { (*record).key() };
    let Some(settings) = maps::SETTINGS.get(0) else { return 1 };
    if is_expired(&flow, settings, now) {
        forget(&KernelTables::new(()), &key, &flow, version);
    } else {
        usage::meet(QuotaCharge::of(&flow));
        if settings.mappings != 0 {
            keep_mapping(&KernelTables::new(()), &key, &flow, now);
        }
    }
    0
}

/// Removes the flows whose keys follow the frame's Ethernet header. Run by test runs, because only
/// programs can change the flow table while others use it.
#[classifier]
pub(crate) fn forget_flows(ctx: TcContext) -> i32 {
    let mut list = List { frame: ctx.as_ptr().cast() };
    // SAFETY: callback and context are what the helper expects; the context outlives the call.
    unsafe {
        let context = (&raw mut list).cast();
        bpf_loop(FORGOTTEN_AT_ONCE, forget_one as *mut c_void, context, 0);
    }
    0
}

/// How often the removal of a flow is tried.
const FORGETTING_TRIES: u32 = 3;

/// The frame with the keys.
struct List {
    frame: *mut __sk_buff,
}

/// Removes the flow of one key; 0 continues with the next.
extern "C" fn forget_one(place: u32, list: *const List) -> i64 {
    // SAFETY: the kernel passes the context given above.
    let frame = TcContext::new(unsafe { (*list).frame });
    let offset = ETHERNET_HEADER + place as usize * size_of::<FlowKey>();
    let Ok(key) = frame.load::<FlowKey>(offset) else { return 1 };
    let tables = KernelTables::new(());
    // A packet of the flow at the same moment changes its version.
    for _ in 0..FORGETTING_TRIES {
        let Some(flow) = tables.flow(&key) else { return 0 };
        forget(&tables, &key, &flow, flow.version());
    }
    0
}

/// Inserts the flows that follow the frame's Ethernet header, which come from another table.
/// Existing records are replaced. Run by test runs.
#[classifier]
pub(crate) fn restore_flows(ctx: TcContext) -> i32 {
    let mut list = List { frame: ctx.as_ptr().cast() };
    // SAFETY: as in `forget_flows`.
    unsafe {
        let context = (&raw mut list).cast();
        bpf_loop(RESTORED_AT_ONCE, restore_one as *mut c_void, context, 0);
    }
    0
}

/// Inserts one flow; 0 continues with the next. The counts of links do not change.
extern "C" fn restore_one(place: u32, list: *const List) -> i64 {
    // SAFETY: the kernel passes the context given above.
    let frame = TcContext::new(unsafe { (*list).frame });
    let offset = ETHERNET_HEADER + place as usize * size_of::<FlowCopy>();
    let Ok(FlowCopy { record, tail }) = frame.load::<FlowCopy>(offset) else { return 1 };
    let tables = KernelTables::new(());
    let (key, flow) = (record.key(), Flow { head: record.head, tail });
    let name = record.inside_key();
    if let Some(old) = tables.flow(&key) {
        let version = old.version();
        if old.is_port_translated() {
            tables.remove_translated(&old.inside_key(), version);
        }
        tables.remove_flow(&key, version);
    }
    if tables.insert_flow(&key, &flow).is_ok() && record.is_port_translated() {
        // The flows that were seen last come first, and keep their inside keys.
        let _ = tables.index_translated(&name, &key, Naming::Keep);
    }
    0
}

/// Removes an entry of the mappings if it is over; 0 continues with the next.
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
