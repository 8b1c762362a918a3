//! The packet log: entry programs that do the work of the others and record the packet, and a
//! program that writes its line when the verdict is known.
//!
//! `netns log` replaces the others by them while it listens, so a log that nobody reads costs only
//! one look-up at the end of each stage. Those of ingress leave each packet to the slow path, which
//! keeps them small: see [`datapath::from_namespace_slow`].

use aya_ebpf::{bindings::TC_ACT_SHOT, macros::classifier, programs::TcContext};
use aya_log_ebpf::info;
use netns_common::{
    abi::REPORT,
    datapath::{self, Headers, Outcome, Verdict},
};

use crate::{
    maps::{self, Hook, NOTHING, Told},
    packet::TcPacket,
    program::{conclude, go_on, run},
    tables,
};

/// tcx ingress of a cable's host side, with the packet log.
#[classifier]
pub(crate) fn from_namespace_l(ctx: TcContext) -> i32 {
    note(&ctx, Hook::FromNamespace);
    end(&ctx, run!(&ctx, datapath::from_namespace_slow))
}

/// tcx ingress of an uplink, with the packet log.
#[classifier]
pub(crate) fn from_uplink_l(ctx: TcContext) -> i32 {
    note(&ctx, Hook::FromUplink);
    end(&ctx, run!(&ctx, datapath::from_uplink_slow))
}

/// tcx egress of an uplink, with the packet log. Packets that pass were logged at their ingress.
#[classifier]
pub(crate) fn to_uplink_l(ctx: TcContext) -> i32 {
    note(&ctx, Hook::ToUplink);
    end(&ctx, run!(&ctx, datapath::to_uplink, tables::now))
}

/// Records the packet's headers before any rewriting.
#[inline(always)]
fn note(ctx: &TcContext, hook: Hook) {
    let Some(slot) = maps::NOTED.get_ptr_mut(0) else { return };
    if let Ok(headers) = Headers::read(&TcPacket::new(ctx)) {
        // SAFETY: the slot is this CPU's own, and the program is done with it before another
        // begins.
        unsafe {
            (*slot).headers = headers;
            (*slot).hook = hook as u32;
        }
    }
}

/// Ends a program, with a line in the log if the packet was recorded.
#[inline(always)]
pub(crate) fn end(ctx: &TcContext, outcome: Outcome) -> i32 {
    let verdict = match outcome {
        Outcome::Decided(verdict) => verdict,
        Outcome::Continue(stage) => return go_on(ctx, stage),
    };
    let action = conclude(ctx, verdict);
    let Some(slot) = maps::NOTED.get_ptr_mut(0) else { return action };
    // SAFETY: as in `note`.
    unsafe {
        if (*slot).hook == NOTHING {
            return action;
        }
        let leaves = (*slot).hook == Hook::ToUplink as u32;
        if leaves && matches!(verdict, Verdict::Pass) {
            (*slot).hook = NOTHING;
            return action;
        }
        (*slot).action = action;
        let onward = if leaves { (*ctx.skb.skb).ifindex } else { 0 };
        (*slot).told = Told::of(verdict, onward);
        // The call returns if nobody reads the log any more.
        maps::STAGES.tail_call(ctx, REPORT);
        (*slot).hook = NOTHING;
    }
    action
}

/// Writes the line, and returns the verdict on the packet.
#[classifier]
pub(crate) fn report(ctx: TcContext) -> i32 {
    let Some(slot) = maps::NOTED.get_ptr_mut(0) else { return TC_ACT_SHOT };
    // SAFETY: as in `note`, which has filled it.
    let noted = unsafe { &mut *slot };
    let hook = Hook::name_of(noted.hook);
    noted.hook = NOTHING;
    let old = &noted.headers;
    let told = noted.told;
    let low = told.0 as u32;
    match told.0 >> 32 {
        Told::PASS => info!(
            &ctx,
            "{} proto {} {:i}:{} > {:i}:{} passed to the stack",
            hook,
            old.protocol,
            old.source.octets(),
            old.source_port.number(),
            old.destination.octets(),
            old.destination_port.number()
        ),
        // By number: the verifier would follow the code once for each length of a name.
        Told::DROP => info!(
            &ctx,
            "{} proto {} {:i}:{} > {:i}:{} dropped: {}",
            hook,
            old.protocol,
            old.source.octets(),
            old.source_port.number(),
            old.destination.octets(),
            old.destination_port.number(),
            low
        ),
        _ => {
            if let Ok(new) = Headers::read(&TcPacket::new(&ctx)) {
                info!(
                    &ctx,
                    "{} proto {} {:i}:{} > {:i}:{} became {:i}:{} > {:i}:{} to link {}",
                    hook,
                    old.protocol,
                    old.source.octets(),
                    old.source_port.number(),
                    old.destination.octets(),
                    old.destination_port.number(),
                    new.source.octets(),
                    new.source_port.number(),
                    new.destination.octets(),
                    new.destination_port.number(),
                    low
                );
            }
        }
    }
    noted.action
}
