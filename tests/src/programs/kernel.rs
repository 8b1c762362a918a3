//! Runs the loaded programs over one packet at a time, and reads and changes their maps.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, LpmTrie, MapData, PerCpuArray, PerCpuValues},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
    util::nr_cpus,
};
use netns_common::{
    abi::{
        Bucket, Counter, DropReason, Flow, FlowKey, FlowLayout, Fragment, FragmentBudget,
        InsideKey, Limited, Limits, Mapping, MappingKey, Masquerade, MasqueradeKey, RuleId,
        Settings, Tick, Timeouts, Usage, UsageSlot, maps, programs, tick_of,
    },
    datapath::Packet as _,
    model::{Hook, Places, VecPacket},
};
use netns_user::{
    datapath::{CableSpec, Datapath, DatapathSpec},
    rules::{ForwardProtocol, ForwardRule, MasqueradeRule, MssClamp, Ports},
};
use nix::time::{ClockId, clock_gettime};

use crate::FlowTable;

/// The size of `struct __sk_buff` and the offsets of two of its words (linux/bpf.h).
const CONTEXT: usize = 192;
const INGRESS_IFINDEX: usize = 36;
const IFINDEX: usize = 40;

/// The size of the output buffer: more than any test sends.
const LARGEST: usize = 4096;

/// The name of the lab in the pins; each sandbox has its own bpffs.
const LAB: &str = "programs";

/// The result of one run of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// 0 pass, 2 drop, 7 redirect (linux/pkt_cls.h).
    pub action: u32,
    pub bytes: Vec<u8>,
}

/// The datapath of the lecture's lab, loaded but not attached.
#[expect(missing_debug_implementations, reason = "the maps have no Debug")]
pub struct Kernel {
    object: Ebpf,
    datapath: Datapath,
    flows: FlowTable,
    mappings: BpfHashMap<MapData, MappingKey, Mapping>,
    masquerades: LpmTrie<MapData, MasqueradeKey, Masquerade>,
    fragments: BpfHashMap<MapData, u32, Fragment>,
    fragment_budgets: Array<MapData, FragmentBudget>,
    usage: BpfHashMap<MapData, u32, UsageSlot>,
    rule_counters: PerCpuArray<MapData, Counter>,
    drop_counters: PerCpuArray<MapData, Counter>,
    allowances: PerCpuArray<MapData, Bucket>,
}

impl Kernel {
    /// Loads the datapath in the thread's namespace, which must be the router. It replaces an
    /// earlier one.
    pub fn install(places: &Places, capacity: u32) -> Self {
        Datapath::remove(LAB).expect("no pins left");
        let (datapath, mut object) =
            Datapath::install_unattached(&spec(places, capacity)).expect("the datapath");
        let mut map = |name: &str| object.take_map(name).expect("a map of that name");
        Self {
            datapath,
            flows: FlowTable::take(&mut map),
            mappings: map(maps::MAPPINGS).try_into().expect("a hash map"),
            masquerades: map(maps::MASQUERADES).try_into().expect("a trie"),
            fragments: map(maps::FRAGMENTS).try_into().expect("a hash map"),
            fragment_budgets: map(maps::FRAGMENT_BUDGETS).try_into().expect("an array"),
            usage: map(maps::USAGE).try_into().expect("a hash map"),
            rule_counters: map(maps::RULE_COUNTERS).try_into().expect("counters"),
            drop_counters: map(maps::DROP_COUNTERS).try_into().expect("counters"),
            allowances: map(maps::ICMP_LIMITS).try_into().expect("allowances"),
            object,
        }
    }

    pub fn settings(&self) -> Settings {
        let map = self.object.map(maps::SETTINGS).expect("the settings");
        let map: Array<&MapData, Settings> = map.try_into().expect("an array");
        map.get(&0, 0).expect("the settings")
    }

    pub fn set_settings(&mut self, settings: Settings) {
        let map = self.object.map_mut(maps::SETTINGS).expect("the settings");
        let mut map: Array<&mut MapData, Settings> = map.try_into().expect("an array");
        map.set(0, settings, 0).expect("new settings");
    }

    /// The current time of the flow timers.
    pub fn now() -> Tick {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("a clock");
        tick_of(Duration::from(time).as_nanos().try_into().expect("centuries of uptime"))
    }

    /// Runs the program of a hook over a packet.
    pub fn run(&self, hook: Hook, packet: &VecPacket) -> Ran {
        let mut context = [0_u8; CONTEXT];
        let mut tell = |at: usize, link: u32| {
            context[at..at + 4].copy_from_slice(&link.to_ne_bytes());
        };
        tell(IFINDEX, packet.link());
        tell(INGRESS_IFINDEX, packet.ingress_link());
        let mut bytes = vec![0; LARGEST];
        let options = TestRunOptions {
            data_in: Some(packet.bytes()),
            data_out: Some(&mut bytes),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        };
        let name = match hook {
            Hook::FromNamespace => programs::FROM_NAMESPACE,
            Hook::FromUplink => programs::FROM_UPLINK,
            Hook::ToUplink => programs::TO_UPLINK,
            Hook::FromReassembler => programs::FROM_REASSEMBLER,
        };
        let result = self.classifier(name).test_run(options).unwrap_or_else(|error| {
            panic!("the kernel runs no {name} over {:02x?}: {error}", packet.bytes())
        });
        bytes.truncate(result.data_size_out as usize);
        Ran { action: result.return_value, bytes }
    }

    fn classifier(&self, name: &str) -> &SchedClassifier {
        let program = self.object.program(name).expect("a program of that name");
        program.try_into().expect("a classifier")
    }

    pub fn flows(&self) -> HashMap<FlowKey, Flow> {
        self.flows.flows()
    }

    /// The same as a list, in which a key may occur twice.
    pub fn records(&self) -> Vec<(FlowKey, Flow)> {
        self.flows.records()
    }

    pub fn flow_layout(&self) -> FlowLayout {
        self.flows.layout()
    }

    /// How many entries of the flow table's index are in the second bucket of their key.
    pub fn overflow_count(&self) -> usize {
        self.flows.overflow_count()
    }

    /// Removes all flows while packets may begin new ones.
    pub fn forget_all(&self) {
        self.datapath.flush_flows().expect("fewer flows");
    }

    pub fn moved_flows(&self) -> HashMap<InsideKey, FlowKey> {
        self.flows.moved_flows()
    }

    pub fn mappings(&self) -> HashMap<MappingKey, Mapping> {
        self.mappings.iter().map(|entry| entry.expect("an entry")).collect()
    }

    /// Changes every entry of the mappings.
    pub fn edit_mappings(&mut self, edit: impl Fn(&mut Mapping)) {
        for (key, mut mapping) in self.mappings() {
            edit(&mut mapping);
            self.mappings.insert(key, mapping, 0).expect("an entry that was there");
        }
    }

    /// Changes every masquerade.
    pub fn edit_masquerades(&mut self, edit: impl Fn(&mut Masquerade)) {
        let entries: Vec<_> = self.masquerades.iter().map(|entry| entry.expect("a rule")).collect();
        for (key, mut rule) in entries {
            edit(&mut rule);
            self.masquerades.insert(&key, rule, 0).expect("a rule that was there");
        }
    }

    pub fn fragments(&self) -> HashMap<u32, Fragment> {
        self.fragments.iter().map(|entry| entry.expect("a fragment")).collect()
    }

    pub fn usage(&self) -> HashMap<u32, Usage> {
        let slots = self.usage.iter().map(|entry| entry.expect("counts of a link"));
        slots.map(|(link, slot)| (link, slot.usage)).collect()
    }

    /// Changes every entry of the fragment table.
    pub fn edit_fragments(&mut self, edit: impl Fn(&mut Fragment)) {
        for (place, mut fragment) in self.fragments() {
            edit(&mut fragment);
            self.fragments.insert(place, fragment, 0).expect("an entry that was there");
        }
    }

    /// Changes every record.
    pub fn edit_flows(&mut self, edit: impl Fn(&mut Flow)) {
        self.flows.edit(|_, flow| edit(flow));
    }

    pub fn assert_summed_up(&self) {
        self.flows.assert_summed_up();
    }

    pub fn flush(&mut self) {
        self.datapath.flush_flows().expect("no flows");
        self.flows.assert_empty();
        for key in self.mappings().keys() {
            self.mappings.remove(key).expect("an entry that was there");
        }
        for place in self.fragments().keys() {
            self.fragments.remove(place).expect("an entry that was there");
        }
        for link in self.usage().keys() {
            self.usage.remove(link).expect("an entry that was there");
        }
        for group in 0..self.fragment_budgets.len() {
            self.fragment_budgets.set(group, FragmentBudget::default(), 0).expect("a group");
        }
    }

    pub fn rule_counter(&self, rule: RuleId) -> Counter {
        sum(&self.rule_counters, rule.into())
    }

    pub fn drop_counter(&self, reason: DropReason) -> Counter {
        sum(&self.drop_counters, reason as u32)
    }

    /// Sets the rate limit of every kind of ICMP error on each CPU.
    pub fn set_allowances(&mut self, bucket: Bucket) {
        let cpus = nr_cpus().expect("the number of CPUs");
        for kind in 0..Limited::COUNT {
            let buckets = PerCpuValues::try_from(vec![bucket; cpus]).expect("one for each CPU");
            self.allowances.set(kind, buckets, 0).expect("an allowance");
        }
    }

    /// How often a program has run, and for how long, while statistics were on.
    pub fn run_time(&self, name: &str) -> (u64, Duration) {
        let info = self.classifier(name).info().expect("what the kernel knows of a program");
        (info.run_count(), info.run_time())
    }
}

fn sum(counters: &PerCpuArray<MapData, Counter>, index: u32) -> Counter {
    let values = counters.get(&index, 0).expect("a counter");
    values.iter().fold(Counter::default(), |sum, value| Counter {
        flows: sum.flows + value.flows,
        packets: sum.packets + value.packets,
        bytes: sum.bytes + value.bytes,
    })
}

/// The specification of the lab that `netns_common::model::lecture_tables` describes.
fn spec(places: &Places, flow_capacity: u32) -> DatapathSpec {
    let cable = |namespace: &str, address: &str, mac| CableSpec {
        port: format!("veth-{namespace}-br"),
        bridge: "v-net-0".to_owned(),
        addresses: vec![address.parse().expect("an address")],
        mac,
        source_check: None,
        quota: None,
    };
    let forward = |protocol, port, target: &str| {
        ForwardRule::new(protocol, port, target.parse().expect("an address and port"))
    };
    let network = |text: &str| text.parse().expect("a network");
    let ports = |text: &str| text.parse().expect("ports");
    let inside = network("192.168.15.0/24");
    DatapathSpec {
        lab: LAB.to_owned(),
        flow_capacity,
        limits: Limits::default(),
        uplinks: vec!["ens3".to_owned()],
        primary_addresses: Vec::new(),
        far_ends: Vec::new(),
        cables: vec![
            cable("red", "192.168.15.1", places.red_mac),
            cable("blue", "192.168.15.2", places.blue_mac),
        ],
        lab_links: vec!["v-net-0".to_owned()],
        own_namespace: true,
        inside: vec![inside],
        routed: Vec::new(),
        masquerades: vec![MasqueradeRule {
            except: [network("203.0.113.0/24")].into(),
            mss_clamp: Some(MssClamp::Bytes(1400)),
            ..MasqueradeRule::new(inside, Some("ens3".to_owned()))
        }],
        forwards: vec![
            forward(ForwardProtocol::Tcp, 80, "192.168.15.2:80"),
            forward(ForwardProtocol::Tcp, 8080, "192.168.15.2:80"),
            forward(ForwardProtocol::Udp, 5353, "192.168.15.2:53"),
            forward(ForwardProtocol::Sctp, 5060, "192.168.15.2:5061"),
            ForwardRule {
                ports: ports("20000-29999"),
                ..forward(ForwardProtocol::Tcp, 1, "192.168.15.2:10000")
            },
            ForwardRule {
                ports: ports("400-499"),
                ..forward(ForwardProtocol::Udp, 1, "192.168.15.2:400")
            },
            ForwardRule {
                address: Some(Ipv4Addr::new(192, 168, 1, 10)),
                ..forward(ForwardProtocol::Udp, 443, "192.168.15.1:443")
            },
            ForwardRule {
                from: [network("192.168.1.1/32"), network("192.168.15.1/32")].into(),
                ..forward(ForwardProtocol::Tcp, 443, "192.168.15.2:443")
            },
        ],
        timeouts: Timeouts::default(),
        ports: Ports::UNPRIVILEGED,
        keep_parity: false,
        keep_class: false,
        source_check: true,
        via_stack: false,
    }
}
