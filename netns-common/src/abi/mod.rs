//! What user space and the programs share: the types in BPF maps (`repr(C)`, no implicit padding,
//! sizes asserted), their numbers and names, and the table of stages.
//!
//! Multi-byte fields of packets ([`Ip4`], [`Port`]) keep network byte order in memory;
//! everything else is native.

mod drop_reason;
mod flow;
mod flow_state;
mod flow_table;
mod fragment;
mod host;
mod kernel;
mod lab;
mod limit;
mod mapping;
mod net;
#[cfg(feature = "aya")]
mod pod;
mod rule_id;
mod rules;
mod stage;
mod usage;

pub use drop_reason::DropReason;
pub use flow::{
    Flow, FlowHead, FlowKey, FlowKind, FlowTail, InsideKey, Sequences, TcpEnd, Tick, seconds,
    tick_of, ticks,
};
pub use flow_state::{Direction, FlowState};
pub use flow_table::{
    BUCKET_ENTRIES, ETHERNET_HEADER, FORGOTTEN_AT_ONCE, FlowBucket, FlowCopy, FlowLayout,
    FlowRecord, FlowSummary, FlowWord, MAX_FLOWS, RECORDS_OF_WORD, RESTORED_AT_ONCE,
    WORDS_OF_SUMMARY, buckets_of, summaries_of, words_of,
};
pub use fragment::{
    FRAGMENT_GROUPS, FRAGMENTS_OF_GROUP, Fragment, FragmentBudget, FragmentPlace, FragmentState,
    MAX_FRAGMENTS,
};
pub use host::{HostCallKey, HostPeerKey, Peer};
pub use kernel::{
    CAST_TO_KERNEL, CAST_TO_TYPE, KernelField, KernelNumber, KernelNumberOf, field, number,
};
pub use lab::{
    BridgePort, Endpoint, HostAddress, IP_ID_COUNTERS, KEEP_CLASS, KEEP_PARITY, LINKS_NOTED,
    LinkAddress, LinkRole, MAX_INSIDE_PREFIXES, MAX_UPLINKS, PORT_DEVICES_KNOWN, PortDevice,
    Settings, SourceCheck, Timeouts,
};
pub use limit::{Bucket, ICMP_BURST, ICMP_PER_TICK, Limited};
pub use mapping::{Filtering, MAPPING_REST, MAPPINGS_OF_FLOW, Mapping, MappingKey};
pub use net::{Ip4, Mac, Port, Prefix, Protocol};
pub use rule_id::{NO_RULE, RuleId};
pub use rules::{
    AddressPage, Counter, Forward, MAX_RULE_PREFIXES, MAX_RULES, Masquerade, MasqueradeKey,
    OF_ADDRESS, PAGE, PAGES, PortPage, RulePrefix, page_of,
};
pub use stage::{REPORT, STAGE_SLOTS, Stage};
pub use usage::{
    Addition, Census, HALF_OPEN_PART, Limits, Load, OTHER_NATS, OTHER_NATS_PART, SAMPLE,
    SPARED_PART, Usage, UsageSlot, WHOLE_TABLE,
};

/// The version of all layouts in this module. It is part of the path where maps are pinned, so that
/// a program never reuses a map of another layout.
pub const SCHEMA: u32 = 13;

/// The names of the maps. The kernel keeps 15 bytes of a name.
pub mod maps {
    /// [`FlowRecord`](super::FlowRecord)s: one for each connection.
    pub const FLOWS: &str = "FLOWS";
    /// [`FlowTail`](super::FlowTail)s: the rest of each.
    pub const FLOW_TAILS: &str = "FLOW_TAILS";
    /// [`FlowBucket`](super::FlowBucket)s: the index of the records, by the outside key, and for
    /// translated ports by the inside key too.
    pub const FLOW_INDEX: &str = "FLOW_INDEX";
    /// [`FlowWord`](super::FlowWord)s: which records are in use.
    pub const FLOW_WORDS: &str = "FLOW_WORDS";
    /// [`FlowSummary`](super::FlowSummary)s: which words have no free record.
    pub const FLOW_SUMMARIES: &str = "FLOW_SUMMARIES";
    /// One [`FlowLayout`](super::FlowLayout).
    pub const FLOW_LAYOUT: &str = "FLOW_LAYOUT";
    /// 0 to one more than the number of the record that was allocated last, per CPU; 0: none yet.
    pub const FLOW_CURSORS: &str = "FLOW_CURSORS";
    /// 0 to a `u32`: whether a connection ever had its port translated.
    pub const HAS_TRANSLATED: &str = "HAS_TRANSLATED";
    /// [`MappingKey`](super::MappingKey) to [`Mapping`](super::Mapping): the external ports of
    /// endpoint-independent masquerades.
    pub const MAPPINGS: &str = "MAPPINGS";
    /// [`MasqueradeKey`](super::MasqueradeKey) (longest match) to
    /// [`Masquerade`](super::Masquerade).
    pub const MASQUERADES: &str = "MASQUERADES";
    /// [`RuleId`](super::RuleId), as a word, to [`Forward`](super::Forward).
    pub const FORWARDS: &str = "FORWARDS";
    /// Inside address to [`Endpoint`](super::Endpoint).
    pub const ENDPOINTS: &str = "ENDPOINTS";
    /// Index of a cable's host side to [`BridgePort`](super::BridgePort).
    pub const BRIDGE_PORTS: &str = "BRIDGE_PORTS";
    /// Index of a cable's host side, modulo [`PORT_DEVICES_KNOWN`](super::PORT_DEVICES_KNOWN), to
    /// its [`PortDevice`](super::PortDevice). Links that share a place replace each other.
    pub const PORT_DEVICES: &str = "PORT_DEVICES";
    /// Addresses of the router's links, each to a [`LinkAddress`](super::LinkAddress).
    pub const HOST_ADDRESSES: &str = "HOST_ADDRESSES";
    /// Index of a link of the router to its [`LinkRole`](super::LinkRole), as a 32-bit word. Other
    /// links have no entry.
    pub const LINK_ROLES: &str = "LINK_ROLES";
    /// A bit for each link below [`LINKS_NOTED`](super::LINKS_NOTED), 64 per word. A program sets
    /// it when it has found that the link belongs to the lab, so that later look-ups skip
    /// [`LINK_ROLES`] and [`BRIDGE_PORTS`].
    pub const LAB_LINKS: &str = "LAB_LINKS";
    /// The source addresses of translated packets besides
    /// [`Settings::externals`](super::Settings::externals), each to 1. Programs add addresses that
    /// the uplinks get later.
    pub const EXTERNALS: &str = "EXTERNALS";
    /// [`MasqueradeKey`](super::MasqueradeKey) (longest match) to 1: the sources that may leave by
    /// an uplink untranslated.
    pub const ROUTED: &str = "ROUTED";
    /// Sockets of the host whose peer was rewritten to a forward's target.
    pub const HOST_PEERS: &str = "HOST_PEERS";
    /// The datagrams that sockets of the host have sent: [`HostCallKey`](super::HostCallKey) to the
    /// [`Tick`](super::Tick) of the last one.
    pub const HOST_CALLS: &str = "HOST_CALLS";
    /// One [`Settings`](super::Settings).
    pub const SETTINGS: &str = "SETTINGS";
    /// [`RuleId`](super::RuleId) to [`Counter`](super::Counter), per CPU.
    pub const RULE_COUNTERS: &str = "RULE_COUNTERS";
    /// [`DropReason`](super::DropReason) to [`Counter`](super::Counter), per CPU.
    pub const DROP_COUNTERS: &str = "DROP_COUNTERS";
    /// [`Limited`](super::Limited) to [`Bucket`](super::Bucket), per CPU.
    pub const ICMP_LIMITS: &str = "ICMP_LIMITS";
    /// The [`IP_ID_COUNTERS`](super::IP_ID_COUNTERS) counters of allocated identifications.
    pub const IP_IDS: &str = "IP_IDS";
    /// The timer that sweeps expired flows.
    pub const SWEEPER: &str = "SWEEPER";
    /// [`Stage`](super::Stage) to its program.
    pub const STAGES: &str = "STAGES";
    /// The hand-off from one program to the next: room for one packet, per CPU.
    pub const SCRATCH: &str = "SCRATCH";
    /// The line of the packet log for the current packet, per CPU.
    pub const NOTED: &str = "NOTED";

    /// The ports that are forwarded: [`PortPage`](super::PortPage)s, by
    /// [`page_of`](super::page_of).
    pub const FORWARD_PORTS: &str = "FORWARD_PORTS";
    /// [`AddressPage`](super::AddressPage) to [`PortPage`](super::PortPage): only ports that
    /// are forwarded for single addresses.
    pub const ADDRESS_PORTS: &str = "ADDRESS_PORTS";
    /// [`AddressPage`](super::AddressPage) of a target to [`PortPage`](super::PortPage): the rules
    /// that publish its ports, if [`FORWARD_PORTS`] does not have them. Among several, the rule
    /// with the same port number, or otherwise the lowest.
    pub const TARGET_PORTS: &str = "TARGET_PORTS";
    /// 0 to a `u32`: whether [`TARGET_PORTS`] ever had a page.
    pub const HAS_PUBLISHED: &str = "HAS_PUBLISHED";
    /// The CIDRs of rules: [`RulePrefix`](super::RulePrefix) (longest match) to 1.
    pub const RULE_PREFIXES: &str = "RULE_PREFIXES";

    /// Place to [`Fragment`](super::Fragment): datagrams that come in fragments.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Group of sources to [`FragmentBudget`](super::FragmentBudget).
    pub const FRAGMENT_BUDGETS: &str = "FRAGMENT_BUDGETS";

    /// Index of a link, or [`WHOLE_TABLE`](super::WHOLE_TABLE), to
    /// [`UsageSlot`](super::UsageSlot).
    pub const USAGE: &str = "USAGE";

    /// The maps of [`PINNED`] that make up a flow table: a table of another size needs new ones.
    pub const OF_FLOW_TABLE: [&str; 11] = [
        FLOWS,
        FLOW_TAILS,
        FLOW_INDEX,
        FLOW_WORDS,
        FLOW_SUMMARIES,
        FLOW_LAYOUT,
        FLOW_CURSORS,
        HAS_TRANSLATED,
        MAPPINGS,
        SWEEPER,
        STAGES,
    ];

    /// All maps that outlive the loader, pinned by name: programs that are loaded later share
    /// them.
    pub const PINNED: [&str; 37] = [
        FLOWS,
        FLOW_TAILS,
        FLOW_INDEX,
        FLOW_WORDS,
        FLOW_SUMMARIES,
        FLOW_LAYOUT,
        FLOW_CURSORS,
        HAS_TRANSLATED,
        MAPPINGS,
        MASQUERADES,
        FORWARDS,
        ENDPOINTS,
        BRIDGE_PORTS,
        PORT_DEVICES,
        HOST_ADDRESSES,
        LINK_ROLES,
        LAB_LINKS,
        EXTERNALS,
        ROUTED,
        HOST_PEERS,
        HOST_CALLS,
        SETTINGS,
        RULE_COUNTERS,
        DROP_COUNTERS,
        SWEEPER,
        STAGES,
        SCRATCH,
        NOTED,
        IP_IDS,
        FORWARD_PORTS,
        ADDRESS_PORTS,
        TARGET_PORTS,
        HAS_PUBLISHED,
        RULE_PREFIXES,
        FRAGMENTS,
        FRAGMENT_BUDGETS,
        USAGE,
    ];
}

/// The names of the programs.
pub mod programs {
    /// tcx ingress of each cable's host side.
    pub const FROM_NAMESPACE: &str = "from_namespace";
    /// tcx ingress of each uplink.
    pub const FROM_UPLINK: &str = "from_uplink";
    /// tcx egress of each uplink.
    pub const TO_UPLINK: &str = "to_uplink";
    /// tcx ingress of the link to the reassembler.
    pub const FROM_REASSEMBLER: &str = "from_reassembler";
    /// The classifiers, each with the variant that writes the packet log.
    pub const LOGGED: [(&str, &str); 3] = [
        (FROM_NAMESPACE, "from_namespace_l"),
        (FROM_UPLINK, "from_uplink_l"),
        (TO_UPLINK, "to_uplink_l"),
    ];
    /// Writes a line of the packet log; its index is [`REPORT`](super::REPORT).
    pub const REPORT: &str = "report";
    /// Run once by a test run: arms the timer of [`maps::SWEEPER`](super::maps::SWEEPER).
    pub const START_SWEEPER: &str = "start_sweeper";
    /// Run by a test run with a cable's host side as the ingress link: records the address of that
    /// device in [`maps::PORT_DEVICES`](super::maps::PORT_DEVICES).
    pub const NOTE_PORT: &str = "note_port";
    /// Run by test runs: removes the flows whose keys are in the frame.
    pub const FORGET_FLOWS: &str = "forget_flows";
    /// Run by test runs: inserts the [`FlowCopy`](super::FlowCopy)s in the frame.
    pub const RESTORE_FLOWS: &str = "restore_flows";
    /// cgroup hooks of the host's own connections to a forwarded port.
    pub const SOCKET_HOOKS: [&str; 7] = [
        "host_connect",
        "host_sendmsg",
        "host_recvmsg",
        "host_peername",
        "host_connect6",
        "host_recvmsg6",
        "host_peername6",
    ];
}
