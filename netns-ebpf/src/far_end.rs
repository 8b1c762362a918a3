//! Uplinks whose far end is entered directly (`redirect_peer`). A packet gets the Ethernet
//! addresses of its next hop here and continues at the far end of the cable, without the queue of
//! the cable and a second interrupt.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LOOKUP_OUTPUT, TC_ACT_SHOT, bpf_fib_lookup as FibLookup,
    },
    helpers::generated::bpf_fib_lookup,
    programs::TcContext,
};
use netns_common::{
    abi::{DropReason, Ip4, Settings, Tick},
    datapath::{Packet as _, has_inside_source, is_tcp_opening},
};

use crate::{
    maps,
    maps::{NEXT_HOPS_KNOWN, NextHop},
    packet::TcPacket,
    redirect::{redirect_neighbour, redirect_peer},
    tables::{self, AF_INET, count, length_of},
};

/// How long the kernel's answer about a next hop is cached, in ticks: about a second.
const FRESH: Tick = 8;

/// Sends a translated packet to `next_hop` by `uplink`: into the far end if that may be entered and
/// the kernel knows the next hop's Ethernet address, otherwise through the kernel.
#[inline(always)]
pub(crate) fn redirect(ctx: &TcContext, uplink: u32, next_hop: Ip4) -> i32 {
    match maps::SETTINGS.get(0) {
        Some(settings) if settings.far_ends != 0 => enter(ctx, settings, uplink, next_hop),
        _ => redirect_neighbour(ctx, uplink, next_hop),
    }
}

#[inline(always)]
fn enter(ctx: &TcContext, settings: &Settings, uplink: u32, next_hop: Ip4) -> i32 {
    let mut packet = TcPacket::new(ctx);
    let mixed = next_hop.to_network() ^ (next_hop.to_network() >> 16);
    let place = (mixed ^ (mixed >> 8) ^ uplink) % NEXT_HOPS_KNOWN;
    let Some(slot) = maps::NEXT_HOPS.get_ptr_mut(place) else {
        return redirect_neighbour(ctx, uplink, next_hop);
    };
    // SAFETY: the slot is this CPU's own, and a program at these hooks is done with it before
    // another begins.
    let known = unsafe { &mut *slot };
    let now = tables::now();
    let is_fresh = known.uplink == uplink
        && known.address == next_hop
        && now.wrapping_sub(known.asked) < FRESH;
    // The kernel refreshes a neighbour only when it sends to it itself. A SYN may take this slower
    // path, because no earlier packet of its connection is under way.
    let has_answer = is_fresh || known.ask(ctx, settings, uplink, next_hop, now);
    let is_kernels = !has_answer || known.is_far_end == 0 || is_tcp_opening(&packet);
    // The egress guard at the cable handles that packet.
    if is_kernels || has_inside_source(&packet, settings) {
        return redirect_neighbour(ctx, uplink, next_hop);
    }
    if packet.store(0, known.ethernet).is_none() {
        count(&maps::DROP_COUNTERS, DropReason::RewriteFailed as u32, false, ctx.len());
        return TC_ACT_SHOT;
    }
    redirect_peer(ctx, uplink)
}

impl NextHop {
    /// Asks the kernel for the Ethernet address of a next hop. Returns whether it has one. Kernel
    /// 5.18.
    #[inline(always)]
    fn ask(
        &mut self,
        ctx: &TcContext,
        settings: &Settings,
        uplink: u32,
        address: Ip4,
        now: Tick,
    ) -> bool {
        let Some(far_end) = settings.far_end(uplink) else { return false };
        // SAFETY: all zeroes is a valid value of this C structure.
        let mut query: FibLookup = unsafe { core::mem::zeroed() };
        query.family = AF_INET;
        query.ifindex = uplink;
        query.__bindgen_anon_4.ipv4_dst = address.to_network();
        // SAFETY: the structure lives for the duration of the call, which writes IPv4 members of
        // an IPv4 route.
        unsafe {
            let (size, flags) = (length_of::<FibLookup>(), BPF_FIB_LOOKUP_OUTPUT);
            let code = bpf_fib_lookup(ctx.as_ptr(), &mut query, size, flags);
            let is_its = code == i64::from(BPF_FIB_LKUP_RET_SUCCESS)
                && query.family == AF_INET
                && query.ifindex == uplink
                && query.__bindgen_anon_4.ipv4_dst == address.to_network();
            if !is_its {
                return false;
            }
            // Only packets for the far end itself enter it: since kernel 6.15, `bpf_redirect_peer`
            // treats each frame as one for the receiving device.
            self.is_far_end = u32::from(far_end == query.dmac);
            let ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]) = (query.dmac, query.smac);
            self.ethernet = [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5];
        }
        (self.uplink, self.address, self.asked) = (uplink, address, now);
        true
    }
}
