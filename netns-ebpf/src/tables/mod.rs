//! The maps and the kernel's own tables, behind the traits of the datapath.

mod flows;
mod kernel;
mod mappings_and_fragments;

use aya_ebpf::{helpers::generated::bpf_ktime_get_coarse_ns, maps::PerCpuArray};
use netns_common::{
    abi::{Counter, HostCallKey, Ip4, Tick, tick_of},
    datapath::Scratch,
};

use crate::maps;

/// `AF_INET` of linux/socket.h.
pub(crate) const AF_INET: u8 = 2;

/// `BPF_F_CURRENT_NETNS`: sockets of the namespace that the packet is in.
pub(crate) const CURRENT_NETNS: u64 = u64::MAX;

/// The clock of flows: coarse, because it is read for every packet. Kernel 5.11.
#[inline(always)]
pub(crate) fn now() -> Tick {
    // SAFETY: takes nothing.
    tick_of(unsafe { bpf_ktime_get_coarse_ns() })
}

/// This CPU's room for the packet that is being handled.
#[inline(always)]
pub(crate) fn scratch<'a>() -> Option<&'a mut Scratch> {
    // SAFETY: the slot is this CPU's own, and a program at these hooks is done with it before
    // another begins.
    maps::SCRATCH.get_ptr_mut(0).map(|slot| unsafe { &mut *slot })
}

/// The kind of an address of the router: a [`HostAddress`](netns_common::abi::HostAddress), or 0
/// for an address that its links do not have.
#[inline(always)]
pub(crate) fn host_address(address: Ip4) -> u32 {
    // SAFETY: copied at once.
    unsafe { maps::HOST_ADDRESSES.get(address) }.map_or(0, |of_link| of_link.kind)
}

/// The time when a socket of the host last sent a datagram whose answer has this key.
#[inline(always)]
pub(crate) fn host_call(key: &HostCallKey) -> Option<Tick> {
    // SAFETY: copied at once. An entry that another CPU reuses gives another time, of a call as
    // well.
    unsafe { maps::HOST_CALLS.get(key) }.copied()
}

/// The tables, seen from one packet (`C` is its context) or from none (`C` is `()`).
pub(crate) struct KernelTables<C> {
    ctx: C,
}

impl<C> KernelTables<C> {
    #[inline(always)]
    pub(crate) const fn new(ctx: C) -> Self {
        Self { ctx }
    }
}

impl<'a, C> KernelTables<&'a C> {
    /// The context of the program.
    #[inline(always)]
    pub(crate) const fn ctx(&self) -> &'a C {
        self.ctx
    }
}

#[inline(always)]
pub(crate) fn count(counters: &PerCpuArray<Counter>, index: u32, new_flow: bool, bytes: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        // SAFETY: a look-up gave the pointer, and the slot is this CPU's own. Programs at tc
        // hooks do not interrupt each other; one at a socket hook may be interrupted by them,
        // which at worst loses a count.
        unsafe {
            (*counter).packets += 1;
            (*counter).bytes += u64::from(bytes);
            (*counter).flows += u64::from(new_flow);
        }
    }
}

/// The size of a structure, as helpers of the kernel take it.
#[expect(clippy::cast_possible_wrap, reason = "structures of the kernel's interface are small")]
pub(crate) const fn length_of<T>() -> i32 {
    size_of::<T>() as i32
}
