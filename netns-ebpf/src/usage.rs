//! The records of each link in the flow table: the counts, and the census that corrects them.

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
        // Words of two different moments are good enough for a limit.
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

/// A global function, which the verifier checks once.
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

/// A separate function, whose callers have little stack left.
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

/// The counts of a link that has begun no flow. A static, because a value made when needed would be
/// on the stack.
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

/// The counts of a link, made if there are none. If they are removed as idle at the same moment, an
/// addition may be lost, which the next census corrects.
#[inline(always)]
fn slot_of(link: u32) -> Option<*mut Slot> {
    if let Some(slot) = maps::USAGE.get_ptr_mut(link) {
        return Some(slot);
    }
    // Another CPU may be faster: either way the entry exists then.
    let _ = maps::USAGE.insert(link, &NOTHING, u64::from(BPF_NOEXIST));
    maps::USAGE.get_ptr_mut(link)
}

/// Changes counts while their lock is held.
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

/// The totals of all links in the census.
#[derive(Default)]
struct Sums {
    flows: u64,
}

/// Starts a census, before the pass over the flow table.
#[inline(always)]
pub(crate) fn begin_census() {
    for_each_link(begin as *mut c_void, core::ptr::null_mut());
}

/// Counts a record that the pass has visited.
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

/// Ends a census, after the pass over the flow table.
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

/// Starts the census of a link with its current counts; 0 continues with the next.
extern "C" fn begin(_map: *mut c_void, link: *const u32, _: *mut Slot, _: *mut c_void) -> i64 {
    // Looked up, because Linux 6.1 accepts no lock in the value that a callback gets. SAFETY: the
    // kernel passes a key of the map.
    let Some(slot) = maps::USAGE.get_ptr_mut(unsafe { *link }) else { return 0 };
    let census = with(slot, |usage| usage.new_census());
    // After the lock is released, because the compiler writes zeroes by a call. SAFETY: a look-up
    // gave the pointer; the census is the sweeper's alone.
    unsafe { (*slot).usage.census = census };
    0
}

/// Corrects the counts of a link, and removes them if they are idle.
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
