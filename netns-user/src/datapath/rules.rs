//! The NAT rules of a living lab: what stands in the maps is what holds.

use std::{collections::BTreeSet, net::Ipv4Addr, net::SocketAddrV4};

use aya::maps::{HashMap, MapData, PerCpuArray, PerCpuValues, lpm_trie::LpmTrie};
use aya::{maps::lpm_trie::Key, util::nr_cpus};
use ipnet::Ipv4Net;
use netns_common::abi::{
    Counter, Endpoint, Forward, ForwardKey, Ip4, MAX_RULES, Masquerade, Port, Protocol, RuleId,
    maps,
};
use serde::Serialize;

use super::{
    Datapath, DatapathError,
    configure::{Interfaces, write_host_addresses},
    lock::FolderLock,
};
use crate::rules::{ForwardProtocol, ForwardRule, MasqueradeRule};

/// A rule and what it has translated.
#[derive(Clone, Debug, Serialize)]
pub struct RuleStatus<R> {
    #[serde(skip)]
    pub id: RuleId,
    #[serde(flatten)]
    pub rule: R,
    /// Connections begun.
    pub flows: u64,
    /// Packets translated, both directions.
    pub packets: u64,
    /// Bytes of IP, both directions.
    pub bytes: u64,
}

type Masquerades = LpmTrie<MapData, Ip4, Masquerade>;
type Forwards = HashMap<MapData, ForwardKey, Forward>;

/// `BPF_NOEXIST`: an entry that is there is an error and stays.
const NEW_ONLY: u64 = 1;

fn not_inserted(
    map: &'static str,
    rule: &impl ToString,
    cause: aya::maps::MapError,
) -> DatapathError {
    match cause {
        aya::maps::MapError::SyscallError(failed)
            if failed.io_error.kind() == std::io::ErrorKind::AlreadyExists =>
        {
            DatapathError::RuleExists { existing: rule.to_string() }
        }
        cause => DatapathError::Map { map, cause },
    }
}

fn map_error(map: &'static str) -> impl Fn(aya::maps::MapError) -> DatapathError + Copy {
    move |cause| DatapathError::Map { map, cause }
}

impl Datapath {
    /// The masquerade rules. Must run on a thread inside the router's namespace, where
    /// interface names are known.
    pub fn masquerades(&self) -> Result<Vec<RuleStatus<MasqueradeRule>>, DatapathError> {
        let interfaces = Interfaces::read()?;
        let error = map_error(maps::MASQUERADES);
        let map: Masquerades = self.map(maps::MASQUERADES)?;
        let counters = self.rule_counters()?;
        let mut rules = Vec::new();
        for entry in map.iter() {
            let (key, value) = entry.map_err(error)?;
            let uplink = (value.uplink != 0).then(|| {
                let gone = || format!("(deleted interface {})", value.uplink);
                interfaces.name(value.uplink).map_or_else(gone, str::to_owned)
            });
            let length = u8::try_from(key.prefix_len()).unwrap_or(32);
            let source = Ipv4Net::new(Ipv4Addr::from(key.data()), length).unwrap_or_default();
            rules.push(status(&counters, value.rule, MasqueradeRule { source, uplink })?);
        }
        rules.sort_by_key(|rule| rule.id);
        Ok(rules)
    }

    /// The forward rules.
    pub fn forwards(&self) -> Result<Vec<RuleStatus<ForwardRule>>, DatapathError> {
        let error = map_error(maps::FORWARDS);
        let map: Forwards = self.map(maps::FORWARDS)?;
        let counters = self.rule_counters()?;
        let mut rules = Vec::new();
        for entry in map.iter() {
            let (key, value) = entry.map_err(error)?;
            rules.push(status(&counters, value.rule, forward_rule(&key, &value))?);
        }
        rules.sort_by_key(|rule| rule.id);
        Ok(rules)
    }

    /// Adds a masquerade rule to the living lab. Must run inside the router's namespace.
    pub fn add_masquerade(&self, rule: &MasqueradeRule) -> Result<(), DatapathError> {
        self.change_rules(|| self.insert_masquerade(rule))
    }

    /// That nothing is in the way of a new masquerade rule. Must run inside the router's
    /// namespace.
    pub fn require_new_masquerade(&self, rule: &MasqueradeRule) -> Result<(), DatapathError> {
        let existing = self.masquerades()?;
        match existing.iter().find(|other| other.rule.source == rule.source) {
            Some(same) => Err(DatapathError::RuleExists { existing: same.rule.to_string() }),
            None => Ok(()),
        }
    }

    fn insert_masquerade(&self, rule: &MasqueradeRule) -> Result<(), DatapathError> {
        self.require_new_masquerade(rule)?;
        let uplink = match &rule.uplink {
            Some(name) => Interfaces::read()?.index(name)?,
            None => 0,
        };
        let id = self.new_rule()?;
        let mut map: Masquerades = self.map(maps::MASQUERADES)?;
        let value = Masquerade { uplink, rule: id, padding: [0; 2] };
        map.insert(&masquerade_key(rule), value, NEW_ONLY)
            .map_err(|cause| not_inserted(maps::MASQUERADES, rule, cause))
    }

    /// Removes a masquerade rule and the flows that it made, and returns it. Without an uplink
    /// it is the source that names the rule. Must run inside the router's namespace.
    pub fn remove_masquerade(
        &self,
        rule: &MasqueradeRule,
    ) -> Result<MasqueradeRule, DatapathError> {
        self.change_rules(|| self.take_masquerade(rule))
    }

    /// The masquerade rule that `rule` means: without an uplink it is the source that names it.
    /// Must run inside the router's namespace.
    pub fn find_masquerade(
        &self,
        rule: &MasqueradeRule,
    ) -> Result<RuleStatus<MasqueradeRule>, DatapathError> {
        let same = |other: &RuleStatus<MasqueradeRule>| {
            other.rule.source == rule.source
                && (rule.uplink.is_none() || other.rule.uplink == rule.uplink)
        };
        let found = self.masquerades()?.into_iter().find(same);
        found.ok_or_else(|| DatapathError::NoRule(rule.to_string()))
    }

    fn take_masquerade(&self, rule: &MasqueradeRule) -> Result<MasqueradeRule, DatapathError> {
        let found = self.find_masquerade(rule)?;
        let mut map: Masquerades = self.map(maps::MASQUERADES)?;
        map.remove(&masquerade_key(rule)).map_err(map_error(maps::MASQUERADES))?;
        self.flush(|flow| flow.rule == found.id)?;
        Ok(found.rule)
    }

    /// Whether a forward on this address can ever be met. Must run inside the router's
    /// namespace, whose addresses are asked for.
    pub fn require_host_address(&self, address: Ipv4Addr) -> Result<(), DatapathError> {
        let own = Interfaces::read()?.addresses;
        if address.is_loopback() || own.contains(&address) {
            return Ok(());
        }
        let own: Vec<String> =
            std::iter::once(Ipv4Addr::LOCALHOST).chain(own).map(|own| own.to_string()).collect();
        Err(DatapathError::NoHostAddress { address, own: own.join(", ") })
    }

    /// Adds a forward rule to the living lab. Must run inside the router's namespace.
    pub fn add_forward(&self, rule: &ForwardRule) -> Result<(), DatapathError> {
        self.change_rules(|| self.insert_forward(rule))
    }

    /// That nothing is in the way of a new forward, and that it leads to somebody.
    pub fn require_new_forward(&self, rule: &ForwardRule) -> Result<(), DatapathError> {
        let key = forward_key(rule.protocol, rule.address, rule.port);
        let map: Forwards = self.map(maps::FORWARDS)?;
        if let Ok(existing) = map.get(&key, 0) {
            let existing = forward_rule(&key, &existing).to_string();
            return Err(DatapathError::RuleExists { existing });
        }
        let endpoints: HashMap<MapData, Ip4, Endpoint> = self.map(maps::ENDPOINTS)?;
        if endpoints.get(&Ip4::from(*rule.target.ip()), 0).is_err() {
            return Err(DatapathError::NoTarget(*rule.target.ip()));
        }
        Ok(())
    }

    fn insert_forward(&self, rule: &ForwardRule) -> Result<(), DatapathError> {
        self.require_new_forward(rule)?;
        let key = forward_key(rule.protocol, rule.address, rule.port);
        let mut map: Forwards = self.map(maps::FORWARDS)?;
        // The host's addresses may have changed since the lab came up.
        write_host_addresses(self, &Interfaces::read()?)?;
        let value = Forward {
            target: Ip4::from(*rule.target.ip()),
            target_port: Port::new(rule.target.port()),
            rule: self.new_rule()?,
        };
        map.insert(key, value, NEW_ONLY).map_err(|cause| not_inserted(maps::FORWARDS, rule, cause))
    }

    /// Removes a forward rule and the flows that it made, and returns it.
    pub fn remove_forward(
        &self,
        protocol: ForwardProtocol,
        address: Option<Ipv4Addr>,
        port: u16,
    ) -> Result<ForwardRule, DatapathError> {
        let key = forward_key(protocol, address, port);
        self.change_rules(|| self.take_forward(&key))
    }

    /// The forward rule of a port.
    pub fn find_forward(
        &self,
        protocol: ForwardProtocol,
        address: Option<Ipv4Addr>,
        port: u16,
    ) -> Result<ForwardRule, DatapathError> {
        let key = forward_key(protocol, address, port);
        Ok(forward_rule(&key, &self.forward(&key)?))
    }

    fn forward(&self, key: &ForwardKey) -> Result<Forward, DatapathError> {
        let map: Forwards = self.map(maps::FORWARDS)?;
        map.get(key, 0).map_err(|_| {
            let nobody = Forward::default();
            let ForwardRule { protocol, address, port, .. } = forward_rule(key, &nobody);
            let address = address.map_or_else(String::new, |address| format!("{address}:"));
            DatapathError::NoRule(format!("forward {protocol} {address}{port}"))
        })
    }

    fn take_forward(&self, key: &ForwardKey) -> Result<ForwardRule, DatapathError> {
        let value = self.forward(key)?;
        let mut map: Forwards = self.map(maps::FORWARDS)?;
        map.remove(key).map_err(map_error(maps::FORWARDS))?;
        self.flush(|flow| flow.rule == value.rule)?;
        Ok(forward_rule(key, &value))
    }

    /// One change at a time: two at once would find the same rule number free, or both find
    /// that nobody has the port.
    fn change_rules<T>(
        &self,
        change: impl FnOnce() -> Result<T, DatapathError>,
    ) -> Result<T, DatapathError> {
        let lock = FolderLock::wait(&self.lab, &self.pins.maps())?;
        let changed = change()?;
        // A map that was open already is written to even when the lab goes meanwhile.
        if lock.is_in_place() { Ok(changed) } else { Err(DatapathError::NotUp(self.lab.clone())) }
    }

    fn rule_counters(&self) -> Result<PerCpuArray<MapData, Counter>, DatapathError> {
        self.map(maps::RULE_COUNTERS)
    }

    /// A rule id that is free, its counter at zero.
    fn new_rule(&self) -> Result<RuleId, DatapathError> {
        let masquerades: Masquerades = self.map(maps::MASQUERADES)?;
        let forwards: Forwards = self.map(maps::FORWARDS)?;
        let mut taken = BTreeSet::new();
        for entry in masquerades.iter() {
            taken.insert(entry.map_err(map_error(maps::MASQUERADES))?.1.rule);
        }
        for entry in forwards.iter() {
            taken.insert(entry.map_err(map_error(maps::FORWARDS))?.1.rule);
        }
        let last = RuleId::try_from(MAX_RULES - 1).unwrap_or(RuleId::MAX);
        // After the newest rather than in a gap: rules are listed in the order they came.
        let next = taken.last().map_or(1, |id| id + 1);
        let id = if next <= last {
            next
        } else {
            (1..=last).find(|id| !taken.contains(id)).ok_or_else(|| {
                DatapathError::Limit(format!("a lab takes at most {last} rules: delete one first"))
            })?
        };
        self.zero_counter(maps::RULE_COUNTERS, u32::from(id))?;
        Ok(id)
    }

    fn zero_counter(&self, name: &'static str, index: u32) -> Result<(), DatapathError> {
        let mut counters: PerCpuArray<MapData, Counter> = self.map(name)?;
        let cpus = nr_cpus()
            .map_err(|(_, cause)| DatapathError::System { what: "count the CPUs", cause })?;
        let zeros = PerCpuValues::try_from(vec![Counter::default(); cpus])
            .map_err(|cause| DatapathError::System { what: "per-CPU values", cause })?;
        counters.set(index, zeros, 0).map_err(map_error(name))
    }
}

fn masquerade_key(rule: &MasqueradeRule) -> Key<Ip4> {
    Key::new(u32::from(rule.source.prefix_len()), Ip4::from(rule.source.network()))
}

fn forward_key(protocol: ForwardProtocol, address: Option<Ipv4Addr>, port: u16) -> ForwardKey {
    let protocol = match protocol {
        ForwardProtocol::Tcp => Protocol::Tcp,
        ForwardProtocol::Udp => Protocol::Udp,
        ForwardProtocol::Sctp => Protocol::Sctp,
        ForwardProtocol::UdpLite => Protocol::UdpLite,
    };
    let address = address.map_or(Ip4::UNSPECIFIED, Ip4::from);
    ForwardKey::new(protocol.number(), address, Port::new(port))
}

fn forward_rule(key: &ForwardKey, value: &Forward) -> ForwardRule {
    let protocol = match Protocol::from_number(key.protocol) {
        Some(Protocol::Udp) => ForwardProtocol::Udp,
        Some(Protocol::Sctp) => ForwardProtocol::Sctp,
        Some(Protocol::UdpLite) => ForwardProtocol::UdpLite,
        Some(Protocol::Tcp | Protocol::Icmp) | None => ForwardProtocol::Tcp,
    };
    ForwardRule {
        protocol,
        address: (key.address != Ip4::UNSPECIFIED).then(|| key.address.into()),
        port: key.port.number(),
        target: SocketAddrV4::new(value.target.into(), value.target_port.number()),
    }
}

fn status<R>(
    counters: &PerCpuArray<MapData, Counter>,
    id: RuleId,
    rule: R,
) -> Result<RuleStatus<R>, DatapathError> {
    let values = counters.get(&u32::from(id), 0).map_err(map_error(maps::RULE_COUNTERS))?;
    let Counter { flows, packets, bytes } = sum(&values);
    Ok(RuleStatus { id, rule, flows, packets, bytes })
}

/// The counts of all CPUs together.
pub(super) fn sum(values: &PerCpuValues<Counter>) -> Counter {
    values.iter().fold(Counter::default(), |sum, value| Counter {
        flows: sum.flows + value.flows,
        packets: sum.packets + value.packets,
        bytes: sum.bytes + value.bytes,
    })
}
