//! The redirects: to a neighbour, into a namespace, into the ingress of a link again.

use aya_ebpf::{
    bindings::{BPF_F_INGRESS, TC_ACT_SHOT, bpf_redir_neigh, bpf_redir_neigh__bindgen_ty_1},
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_type, bpf_skb_vlan_pop,
    },
    programs::TcContext,
};
use netns_common::{
    abi::{BridgePort, DropReason, Ip4},
    datapath::PortState,
};

use crate::{
    maps, port_state,
    tables::{count, length_of},
};

/// `PACKET_HOST` of linux/if_packet.h: for this host.
const PACKET_HOST: u32 = 0;

/// `AF_INET` of linux/socket.h.
const AF_INET: u32 = 2;

/// Removes a priority tag, which is only for the packet's ingress link and would leave with the
/// packet by the next. Returns whether there is none now.
#[inline(always)]
fn drop_tag(ctx: &TcContext) -> bool {
    // SAFETY: the context is the one the kernel passed.
    unsafe { (*ctx.skb.skb).vlan_present == 0 || bpf_skb_vlan_pop(ctx.skb.skb) == 0 }
}

/// Hands the packet to `link`; the kernel resolves `next_hop` and writes both Ethernet
/// addresses. Kernel 5.10.
#[inline(always)]
pub(crate) fn redirect_neighbour(ctx: &TcContext, link: u32, next_hop: Ip4) -> i32 {
    if !drop_tag(ctx) {
        return TC_ACT_SHOT;
    }
    if next_hop == Ip4::UNSPECIFIED {
        // SAFETY: without an address of a neighbour the kernel asks its routing table.
        return unsafe { bpf_redirect_neigh(link, core::ptr::null_mut(), 0, 0) as i32 };
    }
    let mut neighbour = bpf_redir_neigh {
        nh_family: AF_INET,
        __bindgen_anon_1: bpf_redir_neigh__bindgen_ty_1 { ipv6_nh: [0; 4] },
    };
    neighbour.__bindgen_anon_1.ipv4_nh = next_hop.to_network();
    let size = length_of::<bpf_redir_neigh>();
    // SAFETY: the structure lives on the stack for the duration of the call.
    unsafe { bpf_redirect_neigh(link, &mut neighbour, size, 0) as i32 }
}

/// Redirects the packet into the ingress of `link`.
#[inline(always)]
pub(crate) fn redirect_ingress(link: u32) -> i32 {
    // SAFETY: takes no pointer.
    unsafe { bpf_redirect(link, u64::from(BPF_F_INGRESS)) as i32 }
}

/// Redirects the packet into the namespace at the far end of `cable` if the cable's port is open.
/// If the bridge decides about each frame, the packet goes out of the host side instead. The link
/// to the reassembler is no port of the lab and is always entered.
#[inline(always)]
pub(crate) fn redirect_in(ctx: &TcContext, cable: u32) -> i32 {
    match port_state::of_receiver(cable) {
        PortState::Open | PortState::Isolated => redirect_peer(ctx, cable),
        PortState::Closed | PortState::Elsewhere => {
            let reason = DropReason::PortClosed as u32;
            count(&maps::DROP_COUNTERS, reason, false, ctx.len());
            TC_ACT_SHOT
        }
        // SAFETY: copied at once.
        PortState::Unknown => match unsafe { maps::BRIDGE_PORTS.get(cable) }.copied() {
            None => redirect_peer(ctx, cable),
            // SAFETY: takes no pointer.
            Some(BridgePort { bridge, .. }) if drop_tag(ctx) => unsafe {
                bpf_redirect(bridge, 0) as i32
            },
            Some(_) => TC_ACT_SHOT,
        },
    }
}

/// Redirects the packet into the namespace at the far end of `cable`. Kernel 5.10.
#[inline(always)]
pub(crate) fn redirect_peer(ctx: &TcContext, cable: u32) -> i32 {
    if !drop_tag(ctx) {
        return TC_ACT_SHOT;
    }
    // SAFETY: the context is the one the kernel passed.
    let kind = unsafe { (*ctx.skb.skb).pkt_type };
    // The far end takes the packet as the device here classified it; a frame for the
    // bridge's address counted as somebody else's.
    // SAFETY: as above.
    if kind != PACKET_HOST && unsafe { bpf_skb_change_type(ctx.skb.skb, PACKET_HOST) } != 0 {
        return TC_ACT_SHOT;
    }
    // SAFETY: takes no pointer.
    unsafe { bpf_redirect_peer(cable, 0) as i32 }
}
