//! A `struct __sk_buff` as the packet that the datapath works on.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_F_INGRESS, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, TC_ACT_SHOT,
        bpf_check_mtu_flags::BPF_MTU_CHK_SEGS, bpf_redir_neigh, bpf_redir_neigh__bindgen_ty_1,
    },
    helpers::generated::{
        bpf_check_mtu, bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_type,
        bpf_skb_pull_data, bpf_skb_vlan_pop,
    },
    programs::TcContext,
};
use netns_common::{
    abi::{
        BridgePort, CAST_TO_KERNEL, CAST_TO_TYPE, DropReason, ETHERNET_HEADER, Ip4, KernelField,
        KernelNumber, field,
    },
    datapath::{Packet, Plain, PortState},
};

use crate::{length_of, maps, port_state, reshape, tables};

/// Bytes that are read directly: Ethernet, IPv4 and TCP without options.
const DIRECT: u32 = 54;

/// `PACKET_HOST` of linux/if_packet.h: for this host.
const PACKET_HOST: u32 = 0;

/// The VLAN's number in a tag (IEEE 802.1Q); the rest is priority.
const VLAN_ID: u32 = 0x0fff;

/// `AF_INET` of linux/socket.h.
const AF_INET: u32 = 2;

/// An sk_buff at a tc hook.
pub(crate) struct TcPacket<'a> {
    ctx: &'a TcContext,
}

impl<'a> TcPacket<'a> {
    #[inline(always)]
    pub(crate) fn new(ctx: &'a TcContext) -> Self {
        let linear = (ctx.data_end() - ctx.data()) as u32;
        let wanted = if ctx.len() < DIRECT { ctx.len() } else { DIRECT };
        if linear < wanted {
            // SAFETY: the context is the one the kernel passed. A failure leaves the packet
            // as it was, and reads of what is missing then fail.
            let _ = unsafe { bpf_skb_pull_data(ctx.skb.skb, wanted) };
        }
        Self { ctx }
    }

    /// A pointer to `T` at a constant offset, if that is within the linear bytes.
    #[inline(always)]
    fn direct<T>(&self, offset: usize) -> Option<*mut T> {
        let start = self.ctx.data();
        if start + offset + size_of::<T>() > self.ctx.data_end() {
            return None;
        }
        Some((start + offset) as *mut T)
    }
}

impl Packet for TcPacket<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.ctx.len()
    }

    #[inline(always)]
    fn link(&self) -> u32 {
        // SAFETY: the context is the one the kernel passed.
        unsafe { (*self.ctx.skb.skb).ifindex }
    }

    #[inline(always)]
    fn is_tagged(&self) -> bool {
        // SAFETY: as in `link`.
        unsafe {
            let skb = self.ctx.skb.skb;
            (*skb).vlan_present != 0 && (*skb).vlan_tci & VLAN_ID != 0
        }
    }

    #[inline(always)]
    fn mark(&self) -> u32 {
        // SAFETY: as in `link`.
        unsafe { (*self.ctx.skb.skb).mark }
    }

    #[inline(always)]
    fn ingress_link(&self) -> u32 {
        // SAFETY: as in `link`.
        unsafe { (*self.ctx.skb.skb).ingress_ifindex }
    }

    #[inline(always)]
    fn pending_checksum(&self, partial: u8) -> Option<(u32, u32)> {
        if partial == 0 {
            return None;
        }
        // SAFETY: the kernel's own structure of the packet, as the loader has told the verifier,
        // which has checked each of these reads.
        unsafe {
            let buffer = cast_to_kernel(self.ctx);
            if member::<u8>(buffer, field::IP_SUMMED) & partial != partial {
                return None;
            }
            let start = member::<u16>(buffer, field::CHECKSUM_START);
            let offset = member::<u16>(buffer, field::CHECKSUM_OFFSET);
            let network = member::<u16>(buffer, field::NETWORK_HEADER);
            let start = start.wrapping_sub(network);
            Some((u32::from(start) + ETHERNET_HEADER as u32, u32::from(offset)))
        }
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        // SAFETY: as in `link`.
        unsafe { (*self.ctx.skb.skb).gso_segs }
    }

    #[inline(always)]
    fn exceeds_mtu(&self, link: u32) -> bool {
        let mut length = 0;
        // SAFETY: `length` lives for the duration of the call. Of a GSO packet the segments
        // are checked (kernel 5.12).
        unsafe {
            bpf_check_mtu(self.ctx.as_ptr(), link, &mut length, 0, u64::from(BPF_MTU_CHK_SEGS)) > 0
        }
    }

    #[inline(always)]
    fn mtu(&self, link: u32) -> u32 {
        let mut mtu = 0;
        // SAFETY: `mtu` lives for the duration of the call, which writes it whatever it says of
        // the packet; of a link that is gone it stays 0.
        unsafe { bpf_check_mtu(self.ctx.as_ptr(), link, &mut mtu, 0, 0) };
        mtu
    }

    #[inline(always)]
    fn sum(&self, offset: usize, length: usize) -> Option<u16> {
        u16::try_from(reshape::sum(self.ctx, offset, length)).ok()
    }

    #[inline(always)]
    fn enclose(&mut self, length: usize) -> Option<()> {
        (reshape::enclose(self.ctx, length) == 0).then_some(())
    }

    #[inline(always)]
    fn load<T: Plain>(&self, offset: usize) -> Option<T> {
        // SAFETY: `direct` has checked the bounds against this very packet, any bytes are a
        // valid T, and the kernel permits unaligned packet reads on the machines it JITs for.
        self.direct::<T>(offset).map(|pointer| unsafe { *pointer })
    }

    #[inline(always)]
    fn load_at<T: Plain>(&self, offset: usize) -> Option<T> {
        self.ctx.load(offset).ok()
    }

    #[inline(always)]
    fn store<T: Plain>(&mut self, offset: usize, value: T) -> Option<()> {
        // SAFETY: as in `load`; a tc program that writes is given an unshared header.
        self.direct::<T>(offset).map(|pointer| unsafe { *pointer = value })
    }

    #[inline(always)]
    fn store_at<T: Plain>(&mut self, offset: usize, value: T) -> Option<()> {
        self.ctx.store(offset, &value, 0).ok()
    }

    #[inline(always)]
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        diff: u32,
        pseudo_header: bool,
        zero_is_none: bool,
    ) -> Option<()> {
        let mut flags = 0;
        if pseudo_header {
            flags |= u64::from(BPF_F_PSEUDO_HDR);
        }
        if zero_is_none {
            flags |= u64::from(BPF_F_MARK_MANGLED_0);
        }
        self.ctx.l4_csum_replace(offset, 0, u64::from(diff), flags).ok()
    }
}

/// The kernel's `struct sk_buff` of a packet: the verifier makes no instruction of it but a move.
///
/// # Safety
/// The loader must have replaced the mark by the kernel function.
#[inline(always)]
pub(crate) unsafe fn cast_to_kernel(ctx: &TcContext) -> *const u8 {
    // SAFETY: a function that is called by its number has no code that the compiler could know; the
    // caller promises that the number is that of the kernel function by then.
    let cast: unsafe extern "C" fn(*mut c_void) -> *const u8 =
        unsafe { core::mem::transmute(CAST_TO_KERNEL as usize) };
    // SAFETY: as the caller promises.
    unsafe { cast(ctx.as_ptr()) }
}

/// What is at an address, as a structure of the kernel: the verifier makes no instruction of it but a
/// move.
///
/// # Safety
/// The loader must have replaced the marks by the kernel function and by the number of the type.
#[inline(always)]
pub(crate) unsafe fn cast_to_type(address: u64, of: KernelNumber) -> *const u8 {
    // SAFETY: as in `cast_to_kernel`.
    let cast: unsafe extern "C" fn(u64, u64) -> *const u8 =
        unsafe { core::mem::transmute(CAST_TO_TYPE as usize) };
    // SAFETY: as the caller promises.
    unsafe { cast(address, u64::from(of.mark)) }
}

/// A member of a kernel structure.
///
/// # Safety
/// The structure must be the member's, and the loader must have replaced the member's mark.
#[inline(always)]
pub(crate) unsafe fn member<T: Copy>(structure: *const u8, field: KernelField) -> T {
    // SAFETY: as the caller promises. Volatile, so that each read is an instruction of its own with
    // the mark in it.
    unsafe { structure.add(field.mark as usize).cast::<T>().read_volatile() }
}

/// Takes a priority tag off, which is for the link that the packet came by: it would leave with
/// the packet by the next. Whether there is none now.
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

/// Lets the packet come in by `link`.
#[inline(always)]
pub(crate) fn redirect_ingress(link: u32) -> i32 {
    // SAFETY: takes no pointer.
    unsafe { bpf_redirect(link, u64::from(BPF_F_INGRESS)) as i32 }
}

/// Moves the packet into the namespace at the far end of `cable` where the cable's port is open. Where the
/// bridge decides frame by frame, it is handed the packet. The link to the reassembler, which is no port of
/// the lab, is always entered.
#[inline(always)]
pub(crate) fn redirect_in(ctx: &TcContext, cable: u32) -> i32 {
    match port_state::of_receiver(cable) {
        PortState::Open | PortState::Isolated => redirect_peer(ctx, cable),
        PortState::Closed | PortState::Elsewhere => {
            let reason = DropReason::PortClosed as u32;
            tables::count(&maps::DROP_COUNTERS, reason, false, ctx.len());
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

/// Moves the packet into the namespace at the far end of `cable`. Kernel 5.10.
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
