//! The kernel side: entry points only. The NAT is `netns_common::datapath`; what it needs of
//! the kernel is in `packet` and `tables`.
#![no_std]
#![no_main]
#![expect(
    clippy::needless_pass_by_value,
    reason = "entry points are handed their context by value"
)]

mod forwards;
mod host;
mod log;
mod maps;
mod packet;
mod sweeper;
mod tables;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use netns_common::datapath::{self, Exit, Verdict};
use packet::TcPacket;
use tables::KernelTables;

/// tcx ingress of a cable's host side: what a namespace sends.
#[classifier]
pub(crate) fn from_namespace(ctx: TcContext) -> i32 {
    conclude(&ctx, decide_from_namespace(&ctx))
}

/// tcx ingress of an uplink: what the outside sends.
#[classifier]
pub(crate) fn from_uplink(ctx: TcContext) -> i32 {
    conclude(&ctx, decide_from_uplink(&ctx))
}

/// tcx egress of an uplink: the guard.
#[classifier]
pub(crate) fn to_uplink(ctx: TcContext) -> i32 {
    conclude(&ctx, decide_to_uplink(&ctx))
}

#[inline(always)]
fn decide_from_namespace(ctx: &TcContext) -> Verdict {
    let Some(scratch) = tables::scratch() else { return Verdict::Pass };
    let tables = KernelTables::new(ctx);
    datapath::from_namespace(&mut TcPacket::new(ctx), &tables, scratch, tables::now())
}

#[inline(always)]
fn decide_from_uplink(ctx: &TcContext) -> Verdict {
    let Some(scratch) = tables::scratch() else { return Verdict::Pass };
    let tables = KernelTables::new(ctx);
    datapath::from_uplink(&mut TcPacket::new(ctx), &tables, scratch, tables::now())
}

#[inline(always)]
fn decide_to_uplink(ctx: &TcContext) -> Verdict {
    datapath::to_uplink(&TcPacket::new(ctx), &KernelTables::new(ctx), tables::now())
}

#[inline(always)]
fn conclude(ctx: &TcContext, verdict: Verdict) -> i32 {
    match verdict {
        // On to the next program on the link, if there is one: another lab's, or another owner's.
        Verdict::Pass => TC_ACT_UNSPEC,
        Verdict::Drop(_) => TC_ACT_SHOT,
        Verdict::Redirect(Exit::Neighbour { link, next_hop }) => {
            packet::redirect_neighbour(link, next_hop)
        }
        Verdict::Redirect(Exit::Peer { cable }) => packet::redirect_peer(ctx, cable),
    }
}

/// The size of a structure, as helpers of the kernel take it.
#[expect(clippy::cast_possible_wrap, reason = "structures of the kernel's interface are small")]
const fn length_of<T>() -> i32 {
    size_of::<T>() as i32
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier would refuse a program that can get here.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
