//! What links have in the flow table: counting, and the census by which the sweeper sets the
//! counts right.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_NOEXIST, bpf_spin_lock},
    helpers::generated::{bpf_for_each_map_elem, bpf_spin_lock as lock, bpf_spin_unlock as unlock},
};
use netns_common::{
    abi::{Addition, Census, FlowState, Load, Usage, WHOLE_TABLE},
    datapath::{self, FlowRef, QuotaCharge, UsageTable},
};

use crate::{
    flow_table::flow_of,
    maps::{self, Slot},
    racy::racy,
    tables::KernelTables,
};

impl<C> UsageTable for KernelTables<C> {
    #[inline(always)]
    fn load(&self, link: u32) -> Load {
        let Some(slot) = maps::USAGE.get_ptr(link) else { return Load::default() };
        // Words of two moments are as good for a limit.
        Load::new(
            racy!(slot, usage.begun).get(),
            racy!(slot, usage.settled).get(),
            racy!(slot, usage.ended).get(),
        )
    }

    #[inline(always)]
    fn add_usage(&self, link: u32, addition: Addition) {
        add(link, addition.begun, addition.settled, addition.ended);
    }

    #[inline(always)]
    fn settle<F: FlowRef>(&self, flow: &F, state: FlowState, from_initiator: bool) {
        settle_record(flow.version().number as u32, state as u32, u32::from(from_initiator));
    }
}

/// A function that the verifier looks at once, whatever calls it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn settle_record(number: u32, state: u32, from_initiator: u32) -> i32 {
    if let Some(flow) = flow_of(number) {
        let state = FlowState::from_number(state as u8);
        CountHere.settle(&flow, state, from_initiator != 0);
    }
    0
}

/// Counts in the frame of the caller. [`settle_record`] ends the deepest chain of calls, and
/// kernels before 6.8 round each frame up to 32 bytes of the 512 that a chain may have.
struct CountHere;

impl UsageTable for CountHere {
    #[inline(always)]
    fn load(&self, link: u32) -> Load {
        KernelTables::new(()).load(link)
    }

    #[inline(always)]
    fn add_usage(&self, link: u32, addition: Addition) {
        add_here(link, addition);
    }

    #[inline(always)]
    fn settle<F: FlowRef>(&self, flow: &F, state: FlowState, from_initiator: bool) {
        datapath::settle(self, flow, state, from_initiator);
    }
}

/// A function of its own, which is called from ways that have little of the stack left.
#[inline(never)]
fn add(link: u32, begun: u32, settled: u32, ended: u32) {
    add_here(link, Addition { begun, settled, ended });
}

#[inline(always)]
fn add_here(link: u32, addition: Addition) {
    if let Some(slot) = slot_of(link) {
        with(slot, |usage| usage.add(addition));
    }
}

/// What is counted of a link that began nothing so far. Not made when it is needed, since it
/// would be made on the stack.
static NOTHING: Slot = Slot {
    lock: bpf_spin_lock { val: 0 },
    padding: 0,
    usage: Usage {
        begun: 0,
        settled: 0,
        ended: 0,
        census: Census { begun: 0, settled: 0, ended: 0, flows: 0, unreplied: 0 },
    },
};

/// The counts of a link, made when there are none. A link that is removed meanwhile as idle may
/// take a count along, which the next census finds.
#[inline(always)]
fn slot_of(link: u32) -> Option<*mut Slot> {
    if let Some(slot) = maps::USAGE.get_ptr_mut(link) {
        return Some(slot);
    }
    // Another CPU may be faster: either way there is one then.
    let _ = maps::USAGE.insert(link, &NOTHING, u64::from(BPF_NOEXIST));
    maps::USAGE.get_ptr_mut(link)
}

/// Works on counts while nobody else does.
#[inline(always)]
fn with<R>(slot: *mut Slot, work: impl FnOnce(&mut Usage) -> R) -> R {
    // SAFETY: the pointer is the kernel's, the lock lies where the kernel knows it to be, and
    // nothing is called while it is held, because the work is inlined.
    unsafe {
        lock(&raw mut (*slot).lock);
        let result = work(&mut (*slot).usage);
        unlock(&raw mut (*slot).lock);
        result
    }
}

/// What all links were found to have.
#[derive(Default)]
struct Sums {
    flows: u64,
}

/// Before the flow table is walked.
#[inline(always)]
pub(crate) fn begin_census() {
    for_each_link(begin as *mut c_void, core::ptr::null_mut());
}

/// A record that the walk met.
#[inline(always)]
pub(crate) fn meet(charge: QuotaCharge) {
    if charge.records == 0 {
        return;
    }
    let Some(slot) = slot_of(charge.link) else { return };
    let records = u64::from(charge.records);
    // SAFETY: a look-up gave the pointer; the census is the sweeper's alone.
    unsafe {
        (*slot).usage.census.flows += records;
        if !charge.is_unreplied {
            return;
        }
        (*slot).usage.census.unreplied += records;
    }
    if !charge.is_call
        && let Some(all) = slot_of(WHOLE_TABLE)
    {
        // SAFETY: as above.
        unsafe { (*all).usage.census.unreplied += records };
    }
}

/// After the flow table was walked.
#[inline(always)]
pub(crate) fn end_census() {
    let mut sums = Sums::default();
    for_each_link(end as *mut c_void, (&raw mut sums).cast());
    if let Some(all) = maps::USAGE.get_ptr_mut(WHOLE_TABLE) {
        // SAFETY: as in `meet`.
        unsafe { (*all).usage.census.flows = sums.flows };
        with(all, Usage::end_census);
    }
}

#[inline(always)]
fn for_each_link(visit: *mut c_void, context: *mut c_void) {
    // SAFETY: map, callback and context are what the helper expects; the context outlives the
    // call, which runs the callback on this CPU.
    unsafe {
        let links = (&raw const maps::USAGE).cast_mut().cast();
        bpf_for_each_map_elem(links, visit, context, 0);
    }
}

/// Notes what is counted for a link so far; 0 goes on to the next.
extern "C" fn begin(_map: *mut c_void, link: *const u32, _: *mut Slot, _: *mut c_void) -> i64 {
    // Looked up, since Linux 6.1 knows no lock in the value that a callback is handed.
    // SAFETY: the kernel passes a key of the map.
    let Some(slot) = maps::USAGE.get_ptr_mut(unsafe { *link }) else { return 0 };
    let census = with(slot, |usage| usage.new_census());
    // Behind the lock, since the compiler has zeroes written by a call.
    // SAFETY: a look-up gave the pointer; the census is the sweeper's alone.
    unsafe { (*slot).usage.census = census };
    0
}

/// Sets the counts of a link right, and removes those that say nothing.
extern "C" fn end(_map: *mut c_void, link: *const u32, _: *mut Slot, sums: *mut Sums) -> i64 {
    // SAFETY: the kernel passes a key of the map.
    let link = unsafe { *link };
    if link == WHOLE_TABLE {
        return 0;
    }
    // As in `begin`.
    let Some(slot) = maps::USAGE.get_ptr_mut(link) else { return 0 };
    // SAFETY: a look-up gave the one pointer, the other is to the context given above.
    unsafe { (*sums).flows += (*slot).usage.census.flows };
    let is_idle = with(slot, |usage| {
        usage.end_census();
        usage.is_idle()
    });
    if is_idle {
        let _ = maps::USAGE.remove(link);
    }
    0
}
