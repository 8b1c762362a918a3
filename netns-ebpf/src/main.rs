//! The kernel side: entry points only. The NAT is `netns_common::datapath`; what it needs of
//! the kernel is in `packet` and `tables`.
#![no_std]
#![no_main]
#![expect(
    clippy::needless_pass_by_value,
    reason = "entry points are handed their context by value"
)]

mod far_end;
mod flow_table;
mod forwards;
mod global;
mod host;
mod log;
mod maps;
mod packet;
mod port_state;
mod reshape;
mod route;
mod sweeper;
mod tables;
mod usage;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use netns_common::{
    abi::Stage,
    datapath::{self, Exit, Outcome, Verdict},
};
use packet::TcPacket;
use tables::KernelTables;

/// Runs a part of the work on a packet. A macro, because a function that is handed over as a
/// value is not inlined, and its result then crosses a call, half of it undefined.
macro_rules! run {
    ($ctx:expr, $part:path) => {
        run!($ctx, $part, tables::now())
    };
    ($ctx:expr, $part:path, $clock:expr) => {
        match tables::scratch() {
            Some(scratch) => {
                $part(&mut TcPacket::new($ctx), &KernelTables::new($ctx), scratch, $clock)
            }
            None => Outcome::Decided(Verdict::Pass),
        }
    };
}
pub(crate) use run;

/// tcx ingress of a cable's host side: what a namespace sends.
#[classifier]
pub(crate) fn from_namespace(ctx: TcContext) -> i32 {
    end(&ctx, run!(&ctx, datapath::from_namespace))
}

/// tcx ingress of an uplink: what the outside sends.
#[classifier]
pub(crate) fn from_uplink(ctx: TcContext) -> i32 {
    end(&ctx, run!(&ctx, datapath::from_uplink))
}

/// tcx egress of an uplink: the guard.
#[classifier]
pub(crate) fn to_uplink(ctx: TcContext) -> i32 {
    end(&ctx, run!(&ctx, datapath::to_uplink, tables::now))
}

/// tcx ingress of the link to the reassembler.
#[classifier]
pub(crate) fn from_reassembler(ctx: TcContext) -> i32 {
    end(&ctx, run!(&ctx, datapath::from_reassembler))
}

/// A program for each [`Stage`], by the name that the stage gives it.
macro_rules! stages {
    ($($name:ident)+) => {
        $(
            #[classifier]
            pub(crate) fn $name(ctx: TcContext) -> i32 {
                log::end(&ctx, run!(&ctx, datapath::$name))
            }
        )+
    };
}

stages! {
    outbound_moved
    outbound_begin
    map
    claim
    outbound_error
    other_frame
    neighbour
    outbound_rare
    inbound_rare
    reclaim
    evict
    hairpin
    meet
    inbound_begin
    inbound_error
    enter
    admit
    egress_moved
    egress_begin
    egress_guard
    host_query
    other_nat_out
    other_nat_in
    egress_error
    own_error
    outbound_fragment
    inbound_fragment
    first_fragment
    translate
    requote
    mss_clamp
    held
    refuse
}

/// Ends a program of which nothing is logged.
#[inline(always)]
fn end(ctx: &TcContext, outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Decided(verdict) => conclude(ctx, verdict),
        Outcome::Continue(stage) => go_on(ctx, stage),
    }
}

/// Goes on with the program of a stage. It comes back only if there is none, which is so
/// while a lab is being taken down: nothing may pass undecided.
#[inline(always)]
fn go_on(ctx: &TcContext, stage: Stage) -> i32 {
    // SAFETY: the programs of the table are those of this object's stages.
    unsafe { maps::STAGES.tail_call(ctx, stage as u32) };
    TC_ACT_SHOT
}

#[inline(always)]
fn conclude(ctx: &TcContext, verdict: Verdict) -> i32 {
    match verdict {
        // On to the next program on the link, if there is one: another lab's, or another owner's.
        Verdict::Pass | Verdict::Redirect(Exit::Onward) => TC_ACT_UNSPEC,
        Verdict::Drop(_) => TC_ACT_SHOT,
        Verdict::Redirect(exit) | Verdict::Answer(_, exit) => match exit {
            Exit::Neighbour { link, next_hop } => far_end::redirect(ctx, link, next_hop),
            Exit::Peer { cable } => packet::redirect_in(ctx, cable),
            Exit::Ingress { link } => packet::redirect_ingress(link),
            Exit::Onward => TC_ACT_UNSPEC,
        },
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
