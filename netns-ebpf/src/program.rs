//! Running the datapath in a program, and ending the program by its outcome.

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    programs::TcContext,
};
use netns_common::{
    abi::{DropReason, Stage},
    datapath::{Exit, Outcome, Verdict},
};

use crate::{far_end, maps, redirect, tables::count};

/// Runs a part of the work on a packet. A macro, because a function passed as a value is not
/// inlined, and a call would return its partly undefined result.
macro_rules! run {
    ($ctx:expr, $part:path) => {
        $crate::program::run!($ctx, $part, $crate::tables::now())
    };
    ($ctx:expr, $part:path, $clock:expr) => {
        match $crate::tables::scratch() {
            Some(scratch) => $part(
                &mut $crate::packet::TcPacket::new($ctx),
                &$crate::tables::KernelTables::new($ctx),
                scratch,
                $clock,
            ),
            None => netns_common::datapath::Outcome::Decided(netns_common::datapath::Verdict::Pass),
        }
    };
}
pub(crate) use run;

/// Ends a program without the packet log.
#[inline(always)]
pub(crate) fn end(ctx: &TcContext, outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Decided(verdict) => conclude(ctx, verdict),
        Outcome::Continue(stage) => go_on(ctx, stage),
    }
}

/// Continues with the program of a stage. The tail call returns only if it fails, for example while
/// a lab is being removed. Then the packet is dropped, because no packet may pass without a
/// decision.
#[inline(always)]
pub(crate) fn go_on(ctx: &TcContext, stage: Stage) -> i32 {
    // SAFETY: the programs of the table are those of this object's stages.
    unsafe { maps::STAGES.tail_call(ctx, stage as u32) };
    count(&maps::DROP_COUNTERS, DropReason::TailCallFailed as u32, false, ctx.len());
    TC_ACT_SHOT
}

#[inline(always)]
pub(crate) fn conclude(ctx: &TcContext, verdict: Verdict) -> i32 {
    match verdict {
        // On to the next program on the link, if there is one: another lab's, or another owner's.
        Verdict::Pass | Verdict::Redirect(Exit::Onward) => TC_ACT_UNSPEC,
        Verdict::Drop(_) => TC_ACT_SHOT,
        Verdict::Redirect(exit) | Verdict::Answer(_, exit) => match exit {
            Exit::Neighbour { link, next_hop } => far_end::redirect(ctx, link, next_hop),
            Exit::Peer { cable } => redirect::redirect_in(ctx, cable),
            Exit::Ingress { link } => redirect::redirect_ingress(link),
            Exit::Onward => TC_ACT_UNSPEC,
        },
    }
}
