//! The kernel side: entry points only. The NAT is `netns_common::datapath`; `packet` and `tables`
//! implement its traits with the kernel.
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
mod kernel_memory;
mod log;
mod maps;
mod packet;
mod port_state;
mod program;
mod racy;
mod redirect;
mod reshape;
mod route;
mod sweeper;
mod tables;
mod usage;

use aya_ebpf::{macros::classifier, programs::TcContext};
use netns_common::{datapath, for_each_stage};
use program::{end, run};

/// tcx ingress of a cable's host side: packets that a namespace sends.
#[classifier]
pub(crate) fn from_namespace(ctx: TcContext) -> i32 {
    end(&ctx, run!(&ctx, datapath::from_namespace))
}

/// tcx ingress of an uplink: packets from outside.
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

/// A program for each stage, by the name that the table gives it.
macro_rules! define_programs {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident,
        from [$($from:ident),+ $(,)?], runs $runs:literal, budget $budget:literal;)+) => {
        $(
            $(#[doc = $doc])+
            #[classifier]
            pub(crate) fn $name(ctx: TcContext) -> i32 {
                log::end(&ctx, run!(&ctx, datapath::dispatch::$name))
            }
        )+
    };
}

for_each_stage!(define_programs);

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program that can get here.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
