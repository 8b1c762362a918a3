//! The values of maps that only programs use: with locks and timers of the kernel, or per CPU.

use aya_ebpf::bindings::{bpf_spin_lock, bpf_timer};
use netns_common::{
    abi::{BUCKET_ENTRIES, FlowBucket, FlowSummary, FlowWord, Ip4, Tick, Usage, UsageSlot},
    datapath::{Exit, Headers, Verdict},
};

/// A bucket of the flow index, with its lock.
#[repr(C, align(8))]
pub(crate) struct Bucket {
    pub(crate) lock: bpf_spin_lock,
    pub(crate) generation: u16,
    pub(crate) overflow_count: u16,
    pub(crate) entries: [u32; BUCKET_ENTRIES],
}

const _: () = assert!(size_of::<Bucket>() == size_of::<FlowBucket>());

/// A word of records in use, with its lock.
#[repr(C)]
pub(crate) struct Word {
    pub(crate) lock: bpf_spin_lock,
    pub(crate) padding: u32,
    pub(crate) taken: u64,
}

const _: () = assert!(size_of::<Word>() == size_of::<FlowWord>());

/// A summary of words, with its lock.
#[repr(C)]
pub(crate) struct Summary {
    pub(crate) lock: bpf_spin_lock,
    pub(crate) padding: u32,
    pub(crate) full: u64,
}

const _: () = assert!(size_of::<Summary>() == size_of::<FlowSummary>());

/// The value of the map that holds the timer.
#[repr(C)]
pub(crate) struct Sweeper {
    pub(crate) timer: bpf_timer,
}

/// The value of the map that counts identifications. It has a lock, because the target has no
/// atomic addition that returns the old value.
#[repr(C)]
pub(crate) struct IpIds {
    pub(crate) lock: bpf_spin_lock,
    pub(crate) taken: u32,
}

/// The counts of a link, with the layout of `abi::UsageSlot`. It has a lock, because the compiler
/// has no atomic addition for the target.
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) lock: bpf_spin_lock,
    pub(crate) padding: u32,
    pub(crate) usage: Usage,
}

const _: () = assert!(size_of::<Slot>() == size_of::<UsageSlot>());

/// How many next hops a CPU remembers. Two in one place replace each other.
pub(crate) const NEXT_HOPS_KNOWN: u32 = 64;

/// A next hop by an uplink, as the kernel told this CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct NextHop {
    pub(crate) uplink: u32,
    pub(crate) address: Ip4,
    pub(crate) asked: Tick,
    /// 1: the far end has this next hop; 0: a host behind the far end has it, or the far end is not
    /// the lab's.
    pub(crate) is_far_end: u32,
    /// Destination and source, in the order of an Ethernet header.
    pub(crate) ethernet: [u8; ETHERNET],
}

/// The bytes of both Ethernet addresses.
pub(crate) const ETHERNET: usize = 12;

const _: () = assert!(NEXT_HOPS_KNOWN.is_power_of_two() && size_of::<NextHop>() == 28);

/// A packet of the packet log, until its line is written.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Noted {
    /// The headers before any rewriting.
    pub(crate) headers: Headers,
    /// A [`Hook`], or [`NOTHING`].
    pub(crate) hook: u32,
    /// The return value of the program.
    pub(crate) action: i32,
    pub(crate) told: Told,
}

/// No packet is noted.
pub(crate) const NOTHING: u32 = 0;

#[repr(u32)]
#[derive(Clone, Copy)]
pub(crate) enum Hook {
    FromNamespace = 1,
    FromUplink = 2,
    ToUplink = 3,
}

impl Hook {
    #[inline(always)]
    pub(crate) const fn name_of(number: u32) -> &'static str {
        match number {
            1 => "from_namespace",
            2 => "from_uplink",
            _ => "to_uplink",
        }
    }
}

/// A verdict as one number: the kind above, the link or reason below.
#[derive(Clone, Copy)]
pub(crate) struct Told(pub(crate) u64);

impl Told {
    pub(crate) const PASS: u64 = 0;
    pub(crate) const DROP: u64 = 1;
    pub(crate) const REDIRECT: u64 = 2;

    /// `onward`: the link of a packet that goes onward; 0: into the stack.
    #[inline(always)]
    pub(crate) const fn of(verdict: Verdict, onward: u32) -> Self {
        Self(match verdict {
            Verdict::Pass => Self::PASS << 32,
            Verdict::Drop(reason) | Verdict::Answer(reason, _) => Self::DROP << 32 | reason as u64,
            Verdict::Redirect(
                Exit::Neighbour { link, .. } | Exit::Peer { cable: link } | Exit::Ingress { link },
            ) => Self::REDIRECT << 32 | link as u64,
            Verdict::Redirect(Exit::Onward) => Self::REDIRECT << 32 | onward as u64,
        })
    }
}
