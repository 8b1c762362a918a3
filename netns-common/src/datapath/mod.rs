//! The NAT as pure logic: the kernel programs and the host model run the same code.
//!
//! Each hook decides first and applies last: a packet is passed untouched, or rewritten and
//! redirected, or dropped with a reason; a packet that goes through the stack is rewritten and goes
//! onward. Helpers of the kernel invalidate packet pointers, and a half rewritten packet must never
//! reach the stack.
//!
//! The folders follow the path of a packet. Each uses only those before it: `packet`, `tables`,
//! `conntrack`, `rules`, `context`, `icmp`, `fragments`, `new_flow`, `hooks`, `dispatch`.
//! `siphash` and `verifier` are below all of them.

mod conntrack;
mod context;
pub mod dispatch;
mod fragments;
mod hooks;
mod icmp;
mod new_flow;
mod packet;
mod rules;
mod siphash;
mod tables;
mod verifier;

pub use self::{
    conntrack::{
        flow_buckets::{Buckets, Put, put_entry},
        flow_index::{BucketPair, in_use, translated_record},
        free_record::{FreeScan, WORDS_TRIED, first_record, lowest_free_from},
        idle::{idle_if_evictable, is_expired, reclaimable, timeout_of},
        quota::{QuotaCharge, settle},
        record::forget,
        update_flow::update_flow,
    },
    context::{
        scratch::Scratch,
        verdict::{Exit, Outcome, Verdict},
    },
    fragments::reassembler::{REASSEMBLER_MEMORY, RESPITE_SECONDS, from_reassembler},
    hooks::{
        from_namespace::{from_namespace, from_namespace_slow},
        from_uplink::{from_uplink, from_uplink_slow},
        host_sockets::{Caller, HostSockets, connect as host_connect},
        to_uplink::egress_guard::to_uplink,
    },
    new_flow::{
        eim::{is_over as is_mapping_over, keep as keep_mapping, sweep as sweep_mapping},
        port_search::is_port_free,
    },
    packet::{
        access::{ENVELOPE, LEAST_QUOTED, MOST_QUOTED, Packet, Plain},
        checksum::{Diff, fold},
        headers::{Headers, Kind, NoHeaders, is_tcp_opening},
    },
    rules::lab_border::has_inside_source,
    tables::{
        flow_table::{
            Evictable, FlowRef, FlowTable, InsertError, Naming, Newcomer, Touch, UsageTable,
            Version,
        },
        forward_table::{ForwardTable, Target},
        fragment_table::FragmentTable,
        kernel::{HostSocket, PortQuery, PortState, Tables, has_sockets},
        mapping_table::MappingTable,
        observation::Observation,
        route::{Route, RouteOutcome, RouteQuery},
    },
};
