//! The NAT as pure logic: the kernel programs and the host model run this very code.
//!
//! Each hook decides first and applies last: a packet is passed untouched, or rewritten and
//! redirected, or dropped with a reason; what takes the way through the stack is rewritten and
//! goes on. Helpers of the kernel invalidate packet pointers, and a packet that was half
//! rewritten must never reach the stack.

mod calls;
mod checksum;
mod clamp;
mod crc32c;
mod departure;
mod detour;
mod egress;
mod evict;
mod external_port;
mod flow_buckets;
mod flow_index;
mod flow_search;
mod forwards;
mod fragments;
mod guard;
mod hairpin;
mod head;
mod hop;
mod host;
mod icmp;
mod identification;
mod inbound;
mod inside;
mod mapping;
mod masquerade;
mod neighbour;
mod notes;
mod options;
mod other_nat;
mod outbound;
mod oversize;
mod parked;
mod passage;
mod portless;
mod quote;
mod reclaim;
mod record;
mod refusal;
mod requote;
mod reroute;
mod rewrite;
mod seen_port;
mod source;
mod stages;
mod state;
mod tcp;
mod traits;
mod update_flow;
mod usage;
mod words;

pub use calls::enter;
pub use checksum::{Diff, fold};
pub use clamp::mss_clamp;
pub use departure::{claim, map};
pub use detour::{REASSEMBLER_MEMORY, RESPITE_SECONDS, from_reassembler};
pub use egress::{egress_begin, egress_error, egress_moved, own_error};
pub use evict::{Evictable, evict, idle_if_evictable};
pub use external_port::is_port_free;
pub use flow_buckets::{Buckets, Put, put_entry};
pub use flow_index::{Spot, in_use, moved_record};
pub use flow_search::{WORDS_TRIED, Walk, first_record, lowest_free_from};
pub use forwards::{ForwardTable, Target};
pub use fragments::first_fragment;
pub use guard::{egress_guard, host_query, to_uplink};
pub use hairpin::{hairpin, meet};
pub use head::{Head, Kind, NoHead, is_tcp_opening};
pub use hop::{Route, RouteOutcome, RouteQuery};
pub use host::{Caller, HostSockets, connect as host_connect, has_sockets};
pub use inbound::{
    admit, from_uplink, inbound_begin, inbound_error, inbound_fragment, inbound_rare,
};
pub use inside::has_inside_source;
pub use mapping::{is_over as is_mapping_over, keep as keep_mapping, sweep as sweep_mapping};
pub use neighbour::neighbour;
pub use notes::Scratch;
pub use other_nat::{other_nat_in, other_nat_out};
pub use outbound::{
    from_namespace, other_frame, outbound_begin, outbound_error, outbound_fragment, outbound_moved,
    outbound_rare,
};
pub use oversize::held;
pub use reclaim::{Newcomer, reclaim, reclaimable};
pub use record::forget;
pub use refusal::refuse;
pub use requote::requote;
pub use stages::{run as run_stage, translate};
pub use state::{Direction, State, is_expired, timeout_of};
pub use traits::{
    ENVELOPE, FlowRef, FlowTable, FragmentTable, HostSocket, InsertError, LEAST_QUOTED,
    MOST_QUOTED, MappingTable, Naming, Packet, Plain, PortQuery, PortState, Tables, Touch,
    UsageTable, Version,
};
pub use update_flow::{Observation, update_flow};
pub use usage::{Charge, settle};

use crate::abi::{DropReason, Ip4, Stage};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on to the kernel's stack, untouched.
    Pass,
    /// Rewritten.
    Redirect(Exit),
    /// Dropped and counted.
    Drop(DropReason),
    /// Dropped and counted, and an ICMP error that says so leaves in its place.
    Answer(DropReason, Exit),
}

/// Where a part of the work on a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Decided(Verdict),
    /// Goes on with a stage; the headers are in [`Scratch`].
    Continue(Stage),
}

/// How a rewritten packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Out of `link` to the neighbour `next_hop`; the kernel resolves it and writes the
    /// Ethernet addresses. Unspecified: to the next hop of the kernel's own route.
    Neighbour { link: u32, next_hop: Ip4 },
    /// Into the namespace at the far end of a cable.
    Peer { cable: u32 },
    /// In by `link` once more.
    Ingress { link: u32 },
    /// Where it was going: into the kernel's stack, or out of the link that it is leaving by.
    Onward,
}

impl Exit {
    /// Whether the packet skips the kernel's stack, which would have counted the time to live
    /// down.
    #[inline(always)]
    const fn skips_stack(self) -> bool {
        !matches!(self, Self::Onward)
    }
}
