//! The maps. Their names are those of `netns_common::abi::maps`.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, bpf_fib_lookup},
    btf_maps,
    macros::{btf_map, map},
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray},
};
use netns_common::abi::{
    AddressPage, BridgePort, Bucket as Allowance, Counter, DropReason, Endpoint, FRAGMENT_GROUPS,
    FlowLayout, FlowRecord, FlowTail, Forward, Fragment, FragmentBudget, HostCallKey, HostPeerKey,
    IP_ID_COUNTERS, Ip4, LINKS_NOTED, Limited, LinkAddress, MAX_FRAGMENTS, MAX_RULE_PREFIXES,
    MAX_RULES, Mapping, MappingKey, Masquerade, MasqueradeKey, PAGES, PORT_DEVICES_KNOWN, Peer,
    PortDevice, PortPage, RulePrefix, STAGE_SLOTS, Settings,
};
use netns_common::datapath::{MOST_QUOTED, Scratch};

mod values;

pub(crate) use self::values::{
    Bucket, Hook, IpIds, NEXT_HOPS_KNOWN, NOTHING, NextHop, Noted, Slot, Summary, Sweeper, Told,
    Word,
};

/// A default: the loader sets the size of the lab's flow table.
const FLOW_CAPACITY: u32 = 1 << 17;

// Values of one cache line must begin at a cache line: maps that userspace could mmap begin at a
// page.

/// The loader sets the size.
#[map]
pub(crate) static FLOWS: Array<FlowRecord> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The loader sets the same size.
#[map]
pub(crate) static FLOW_TAILS: Array<FlowTail> = Array::with_max_entries(1, 0);

// The kernel finds the lock in the value by BTF.
#[btf_map]
pub(crate) static FLOW_INDEX: btf_maps::Array<Bucket, 1, { BPF_F_MMAPABLE as usize }> =
    btf_maps::Array::new();

// The kernel finds the lock in the value by BTF.
#[btf_map]
pub(crate) static FLOW_WORDS: btf_maps::Array<Word, 1> = btf_maps::Array::new();

// The kernel finds the lock in the value by BTF.
#[btf_map]
pub(crate) static FLOW_SUMMARIES: btf_maps::Array<Summary, 1> = btf_maps::Array::new();

#[map]
pub(crate) static FLOW_LAYOUT: Array<FlowLayout> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static FLOW_CURSORS: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Whether a port was ever translated. Until then, new flows skip the look-up by translated port,
/// which would miss the cache each time.
#[map]
pub(crate) static HAS_TRANSLATED: Array<u32> = Array::with_max_entries(1, 0);

// Not preallocated: most labs have no mappings, and no packet of a known flow needs one.
#[map]
pub(crate) static MAPPINGS: HashMap<MappingKey, Mapping> =
    HashMap::with_max_entries(FLOW_CAPACITY, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static MASQUERADES: LpmTrie<MasqueradeKey, Masquerade> =
    LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

// Room for all possible pages, allocated when used: most labs have few.
#[map]
pub(crate) static FORWARDS: HashMap<u32, Forward> =
    HashMap::with_max_entries(MAX_RULES, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static FORWARD_PORTS: Array<PortPage> = Array::with_max_entries(PAGES, 0);

// Allocated when used, half a kilobyte each.
#[map]
pub(crate) static ADDRESS_PORTS: HashMap<AddressPage, PortPage> =
    HashMap::with_max_entries(1 << 14, BPF_F_NO_PREALLOC);

// As above.
#[map]
pub(crate) static TARGET_PORTS: HashMap<AddressPage, PortPage> =
    HashMap::with_max_entries(1 << 14, BPF_F_NO_PREALLOC);

/// Whether there ever was such a page: until then, new flows skip the look-up.
#[map]
pub(crate) static HAS_PUBLISHED: Array<u32> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static RULE_PREFIXES: LpmTrie<RulePrefix, u32> =
    LpmTrie::with_max_entries(MAX_RULE_PREFIXES, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static ENDPOINTS: HashMap<Ip4, Endpoint> = HashMap::with_max_entries(1 << 14, 0);

#[map]
pub(crate) static BRIDGE_PORTS: HashMap<u32, BridgePort> = HashMap::with_max_entries(1 << 14, 0);

#[map]
pub(crate) static PORT_DEVICES: Array<PortDevice> = Array::with_max_entries(PORT_DEVICES_KNOWN, 0);

#[map]
pub(crate) static HOST_ADDRESSES: HashMap<Ip4, LinkAddress> = HashMap::with_max_entries(1024, 0);

#[map]
pub(crate) static LINK_ROLES: HashMap<u32, u32> = HashMap::with_max_entries(1024, 0);

#[map]
pub(crate) static LAB_LINKS: Array<u64> = Array::with_max_entries(LINKS_NOTED / u64::BITS, 0);

#[map]
pub(crate) static EXTERNALS: HashMap<Ip4, u32> = HashMap::with_max_entries(1024, 0);

#[map]
pub(crate) static ROUTED: LpmTrie<MasqueradeKey, u32> =
    LpmTrie::with_max_entries(1024, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static HOST_PEERS: LruHashMap<HostPeerKey, Peer> =
    LruHashMap::with_max_entries(1 << 14, 0);

/// Room for the remotes that a busy resolver asks within some seconds.
#[map]
pub(crate) static HOST_CALLS: LruHashMap<HostCallKey, u32> =
    LruHashMap::with_max_entries(1 << 14, 0);

#[map]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static RULE_COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(MAX_RULES, 0);

#[map]
pub(crate) static DROP_COUNTERS: PerCpuArray<Counter> =
    PerCpuArray::with_max_entries(DropReason::SLOTS, 0);

#[map]
pub(crate) static ICMP_LIMITS: PerCpuArray<Allowance> =
    PerCpuArray::with_max_entries(Limited::COUNT, 0);

/// Room for a part of the packet that is being handled.
#[map]
pub(crate) static CHUNK: PerCpuArray<[u8; CHUNK_SIZE]> = PerCpuArray::with_max_entries(1, 0);

/// A power of two with room for the longest quotation of an ICMP error, and a few bytes for
/// rounding up.
pub(crate) const CHUNK_SIZE: usize = 1024;

const _: () = assert!(CHUNK_SIZE.is_power_of_two() && MOST_QUOTED + 4 <= CHUNK_SIZE);

/// Room for the packet that is being handled.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Room for a query to the routing table, which would take an eighth of the stack.
#[map]
pub(crate) static FIB_LOOKUP: PerCpuArray<bpf_fib_lookup> = PerCpuArray::with_max_entries(1, 0);

/// The next hops that this CPU has sent to.
#[map]
pub(crate) static NEXT_HOPS: PerCpuArray<NextHop> =
    PerCpuArray::with_max_entries(NEXT_HOPS_KNOWN, 0);

/// The line of the packet log for the packet that is being handled.
#[map]
pub(crate) static NOTED: PerCpuArray<Noted> = PerCpuArray::with_max_entries(1, 0);

/// The program of each stage.
#[map]
pub(crate) static STAGES: ProgramArray = ProgramArray::with_max_entries(STAGE_SLOTS, 0);

// Not preallocated: most labs never see a fragment. A hash map, because it replaces an element as a
// whole, which an array does not.
#[map]
pub(crate) static FRAGMENTS: HashMap<u32, Fragment> =
    HashMap::with_max_entries(MAX_FRAGMENTS, aya_ebpf::bindings::BPF_F_NO_PREALLOC);

#[map]
pub(crate) static FRAGMENT_BUDGETS: Array<FragmentBudget> =
    Array::with_max_entries(2 * FRAGMENT_GROUPS, 0);

/// Room for all bridge ports and uplinks.
const LINKS: usize = (1 << 14) + 64;

// A link has an entry while it has flows: few in most labs, so entries are not preallocated. The
// kernel finds the lock in the value by BTF.
#[btf_map]
pub(crate) static USAGE: btf_maps::HashMap<u32, Slot, LINKS, { BPF_F_NO_PREALLOC as usize }> =
    btf_maps::HashMap::new();

// The kernel finds the lock in the value by BTF.
#[btf_map]
pub(crate) static IP_IDS: btf_maps::Array<IpIds, { IP_ID_COUNTERS as usize }> =
    btf_maps::Array::new();

// The kernel finds the timer in the value by BTF.
#[btf_map]
pub(crate) static SWEEPER: btf_maps::Array<Sweeper, 1> = btf_maps::Array::new();
