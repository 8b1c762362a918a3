//! A `struct __sk_buff` as a packet of the datapath.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, bpf_check_mtu_flags::BPF_MTU_CHK_SEGS},
    helpers::generated::{bpf_check_mtu, bpf_skb_pull_data},
    programs::TcContext,
};
use netns_common::{
    abi::{ETHERNET_HEADER, field},
    datapath::{Packet, Plain},
};

use crate::{
    kernel_memory::{cast_to_kernel, member},
    reshape,
};

/// The bytes that are read directly: Ethernet, IPv4 and TCP without options.
const DIRECT: u32 = 54;

/// The mask of the VLAN number in a tag (IEEE 802.1Q); the other bits are the priority.
const VLAN_ID: u32 = 0x0fff;

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
