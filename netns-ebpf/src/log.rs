//! The packet log: programs that do what the others do and write a line for each packet.
//!
//! `netns log` puts them in the place of the others while it listens, so a packet pays
//! nothing for a log that nobody reads. What they add is in functions of its own, because
//! the verdict's path needs nearly all of the 512 bytes of stack.

use aya_ebpf::{macros::classifier, programs::TcContext};
use aya_log_ebpf::info;
use netns_common::{
    abi::DropReason,
    datapath::{Exit, Head, Verdict},
};

use crate::{conclude, maps, packet::TcPacket};

/// tcx ingress of a cable's host side, with the packet log.
#[classifier]
pub(crate) fn from_namespace_l(ctx: TcContext) -> i32 {
    let noted = note(&ctx);
    let verdict = crate::decide_from_namespace(&ctx);
    report(&ctx, Hook::FromNamespace, Outcome::of(verdict), conclude(&ctx, verdict), noted)
}

/// tcx ingress of an uplink, with the packet log.
#[classifier]
pub(crate) fn from_uplink_l(ctx: TcContext) -> i32 {
    let noted = note(&ctx);
    let verdict = crate::decide_from_uplink(&ctx);
    report(&ctx, Hook::FromUplink, Outcome::of(verdict), conclude(&ctx, verdict), noted)
}

/// tcx egress of an uplink, with the packet log: of what passes only drops are of interest.
#[classifier]
pub(crate) fn to_uplink_l(ctx: TcContext) -> i32 {
    let noted = note(&ctx);
    let verdict = crate::decide_to_uplink(&ctx);
    let action = conclude(&ctx, verdict);
    if let Verdict::Drop(_) = verdict {
        report(&ctx, Hook::ToUplink, Outcome::of(verdict), action, noted)
    } else {
        action
    }
}

#[repr(u32)]
#[derive(Clone, Copy)]
enum Hook {
    FromNamespace,
    FromUplink,
    ToUplink,
}

impl Hook {
    #[inline(always)]
    const fn name(self) -> &'static str {
        match self {
            Self::FromNamespace => "from_namespace",
            Self::FromUplink => "from_uplink",
            Self::ToUplink => "to_uplink",
        }
    }
}

/// A verdict as one number: the kind above, the link or reason below.
#[derive(Clone, Copy)]
struct Outcome(u64);

impl Outcome {
    const PASS: u64 = 0;
    const DROP: u64 = 1;
    const REDIRECT: u64 = 2;

    #[inline(always)]
    const fn of(verdict: Verdict) -> Self {
        Self(match verdict {
            Verdict::Pass => Self::PASS << 32,
            Verdict::Drop(reason) => Self::DROP << 32 | reason as u64,
            Verdict::Redirect(Exit::Neighbour { link, .. } | Exit::Peer { cable: link }) => {
                Self::REDIRECT << 32 | link as u64
            }
        })
    }
}

/// Keeps the packet's headers as they came; 1 if it has any.
#[inline(never)]
fn note(ctx: &TcContext) -> u32 {
    let Some(slot) = maps::NOTED.get_ptr_mut(0) else { return 0 };
    match Head::read(&TcPacket::new(ctx)) {
        Ok(head) => {
            // SAFETY: the slot is this CPU's own, and the program is done with it before
            // another begins.
            unsafe { slot.write(head) };
            1
        }
        Err(_) => 0,
    }
}

/// Writes the line, and returns `action` for the program to end with.
#[inline(never)]
fn report(ctx: &TcContext, hook: Hook, outcome: Outcome, action: i32, noted: u32) -> i32 {
    let Some(slot) = maps::NOTED.get_ptr_mut(0) else { return action };
    if noted == 0 {
        return action;
    }
    // SAFETY: as in `note`, which has filled it.
    let old = unsafe { &*slot };
    let low = outcome.0 as u32;
    match outcome.0 >> 32 {
        Outcome::PASS => info!(
            ctx,
            "{} proto {} {:i}:{} > {:i}:{} passed to the stack",
            hook.name(),
            old.protocol,
            old.source.octets(),
            old.source_port.number(),
            old.destination.octets(),
            old.destination_port.number()
        ),
        Outcome::DROP => info!(
            ctx,
            "{} proto {} {:i}:{} > {:i}:{} dropped: {}",
            hook.name(),
            old.protocol,
            old.source.octets(),
            old.source_port.number(),
            old.destination.octets(),
            old.destination_port.number(),
            DropReason::from_number(low).name()
        ),
        _ => {
            if let Ok(new) = Head::read(&TcPacket::new(ctx)) {
                info!(
                    ctx,
                    "{} proto {} {:i}:{} > {:i}:{} became {:i}:{} > {:i}:{} to link {}",
                    hook.name(),
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
    action
}
