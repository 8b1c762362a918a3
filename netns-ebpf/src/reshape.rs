//! Whole packets: their sums, and their change into ICMP errors. This rare work is in global
//! functions, which can return only a number.

use core::ptr;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_RECOMPUTE_CSUM, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC},
    helpers::generated::{
        bpf_csum_diff, bpf_skb_adjust_room, bpf_skb_change_tail, bpf_skb_load_bytes,
        bpf_skb_store_bytes,
    },
    programs::TcContext,
};
use netns_common::datapath::{ENVELOPE, LEAST_QUOTED, MOST_QUOTED};

use crate::maps::{self, CHUNK_SIZE};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// How many bytes are summed at a time: `bpf_csum_diff` takes no more before kernel 6.13.
const PART: usize = 512;

/// The number of parts of the largest packet.
const PARTS: usize = 65_536 / PART;

/// More bytes than lie before the beginning of a transport header: an Ethernet header, the
/// longest IPv4 header, and two.
const BEHIND_IPV4: u16 = ETHERNET as u16 + 60 + 2;

const FAILED: i32 = -1;

/// Returns `size` unchanged, bounded so that every verifier sees the bound: 1 to `MOST`, a power of
/// two. A comparison may use another register than the code after it.
#[inline(always)]
fn bounded<const MOST: usize>(size: usize) -> usize {
    let before = size.wrapping_sub(1);
    // SAFETY: a reference is valid to read. The compiler knows nothing of what it reads, so it
    // keeps the mask.
    let before = unsafe { ptr::read_volatile(&before) };
    (before & (MOST - 1)) + 1
}

/// The ones' complement sum of bytes from an even offset on, folded; negative if the packet is
/// shorter.
#[inline(never)]
#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "the sums are checked not to be negative, and the folded one has 16 bits"
)]
pub(crate) fn sum(ctx: &TcContext, offset: usize, length: usize) -> i32 {
    let Some(chunk) = maps::CHUNK.get_ptr_mut(0) else { return FAILED };
    let chunk: *mut u8 = chunk.cast();
    let mut sum: u32 = 0;
    // The odd part at the end comes first: so the loop is of parts of one size, and the
    // verifier need not tell its rounds apart.
    let parts = length / PART;
    let rest = length % PART;
    if rest > 0 {
        let rest = bounded::<PART>(rest);
        let at = (offset + parts * PART) as u32;
        // SAFETY: the slot is this CPU's own and `rest` bytes and three more fit it; the
        // helpers are told their bounds, which the verifier checks.
        let added = unsafe {
            if bpf_skb_load_bytes(ctx.as_ptr(), at, chunk.cast(), rest as u32) != 0 {
                return FAILED;
            }
            // The helper takes whole words: the last one is filled up.
            chunk.add(rest).write(0);
            chunk.add(rest + 1).write(0);
            chunk.add(rest + 2).write(0);
            let whole = (rest + 3) & !3;
            bpf_csum_diff(ptr::null_mut(), 0, chunk.cast(), whole as u32, sum)
        };
        if added < 0 {
            return FAILED;
        }
        sum = added as u32;
    }
    for part in 0..PARTS {
        if part >= parts {
            break;
        }
        let at = (offset + part * PART) as u32;
        // SAFETY: as above; the slot is larger than a part.
        let added = unsafe {
            if bpf_skb_load_bytes(ctx.as_ptr(), at, chunk.cast(), PART as u32) != 0 {
                return FAILED;
            }
            bpf_csum_diff(ptr::null_mut(), 0, chunk.cast(), PART as u32, sum)
        };
        if added < 0 {
            return FAILED;
        }
        sum = added as u32;
    }
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as i32
}

/// Inserts [`ENVELOPE`] bytes between the Ethernet header and the packet, and cuts the packet after
/// `length` bytes; 0 on success.
///
/// A frame that came by a veth is usually one whose transport checksum hardware would
/// complete later (`CHECKSUM_PARTIAL`), and then over the quotation, behind the back of the
/// error's own checksum; and it may stand for many segments. Cutting the tail ends the
/// latter; the kernel forgets the former when the place where the checksum begins is taken
/// away, so the packet is kept here, its beginning is removed, and it is written anew.
#[inline(never)]
pub(crate) fn enclose(ctx: &TcContext, length: usize) -> i32 {
    let Some(chunk) = maps::CHUNK.get_ptr_mut(0) else { return FAILED };
    let chunk: *mut [u8; CHUNK_SIZE] = chunk;
    if !(LEAST_QUOTED..=MOST_QUOTED).contains(&length) {
        return FAILED;
    }
    let length = bounded::<CHUNK_SIZE>(length);
    let skb = ctx.skb.skb;
    let frame = ETHERNET + ENVELOPE + length;
    // SAFETY: the slot is this CPU's own and larger than `length`; the context is the one that
    // the kernel passed.
    unsafe {
        if bpf_skb_load_bytes(ctx.as_ptr(), ETHERNET as u32, chunk.cast(), length as u32) != 0
            || bpf_skb_change_tail(skb, (frame + usize::from(BEHIND_IPV4)) as u32, 0) != 0
            || bpf_skb_adjust_room(skb, -i32::from(BEHIND_IPV4), BPF_ADJ_ROOM_MAC, 0) != 0
            || bpf_skb_store_bytes(
                skb.cast(),
                (ETHERNET + ENVELOPE) as u32,
                chunk.cast(),
                length as u32,
                u64::from(BPF_F_RECOMPUTE_CSUM),
            ) != 0
        {
            return FAILED;
        }
    }
    0
}
