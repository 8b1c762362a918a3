//! The maps and the kernel's own tables, in memory.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    rc::Rc,
    vec::Vec,
};

use super::{packet::Mtus, routes::Routes};
use crate::{
    abi::{
        BridgePort, Bucket, Counter, DropReason, Endpoint, Flow, FlowKey, Forward, Fragment,
        FragmentBudget, HostCallKey, InsideKey, Ip4, Limited, LinkRole, MAPPINGS_OF_FLOW, Mapping,
        MappingKey, Masquerade, NO_RULE, OF_ADDRESS, Port, Prefix, RuleId, Settings, Tick, Usage,
    },
    datapath::{
        ForwardTable, FragmentTable, HostSocket as HostAnswer, InsertError, MappingTable,
        PortQuery, PortState, Route, RouteQuery, Tables, is_port_free,
    },
};

/// A socket of the host that waits for packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostSocket {
    pub protocol: u8,
    /// Unspecified: any address of the host.
    pub address: Ip4,
    pub port: Port,
    /// The remote that it is connected to; `None`: any.
    pub remote: Option<(Ip4, Port)>,
}

/// The maps, filled by the test, and stand-ins for the kernel's routes and sockets.
#[derive(Debug, Default)]
pub struct MemoryTables {
    pub settings: Settings,
    /// Each with its source and its uplink, 0 being any.
    pub masquerades: Vec<(Prefix, u32, Masquerade)>,
    pub forwards: HashMap<RuleId, Forward>,
    /// CIDRs of rules: sources of forwards, destinations that masquerades leave alone.
    pub rule_prefixes: Vec<(RuleId, Prefix)>,
    pub endpoints: HashMap<Ip4, Endpoint>,
    pub bridge_ports: HashMap<u32, BridgePort>,
    /// The bridge ports that are not open.
    pub port_states: HashMap<u32, PortState>,
    pub host_addresses: HashSet<Ip4>,
    pub broadcast_addresses: HashSet<Ip4>,
    /// The link that has an address of the router, where that matters.
    pub address_links: HashMap<Ip4, u32>,
    pub link_roles: HashMap<u32, LinkRole>,
    /// The sources that may leave untranslated, each with its uplink.
    pub routed: Vec<(Prefix, u32)>,
    pub routes: Routes,
    pub mtus: Mtus,
    pub host_sockets: HashSet<HostSocket>,
    /// The datagrams that sockets of the host have sent, by the key of an answer.
    pub host_calls: HashMap<HostCallKey, Tick>,
    /// How many records the flow table and the table of translated ports each hold; mappings have
    /// room for as many flows.
    pub capacity: usize,
    /// By [`Limited`].
    pub allowances: [Cell<Bucket>; Limited::COUNT as usize],
    /// A record that another CPU makes just before the next one is inserted.
    pub rival: Cell<Option<(FlowKey, Flow)>>,
    /// One that it makes in the place of the record that is removed next, just before.
    pub successor: Cell<Option<(FlowKey, Flow)>>,
    /// Whether other CPUs take every record that is found for other connections.
    pub loses: Cell<bool>,
    pub(super) flows: RefCell<HashMap<FlowKey, Rc<Cell<Flow>>>>,
    /// The flows with the same ports inside and outside.
    pub(super) kept: RefCell<HashMap<InsideKey, FlowKey>>,
    /// The flows with a translated port, each with the number of its record.
    pub(super) translated: RefCell<HashMap<InsideKey, (FlowKey, u64)>>,
    mappings: RefCell<HashMap<MappingKey, Mapping>>,
    externals: RefCell<HashSet<Ip4>>,
    noted_links: RefCell<HashSet<u32>>,
    fragments: RefCell<HashMap<u32, Rc<Fragment>>>,
    fragment_budgets: RefCell<HashMap<u32, FragmentBudget>>,
    rule_counters: RefCell<HashMap<RuleId, Counter>>,
    drop_counters: RefCell<HashMap<DropReason, Counter>>,
    taken_ids: RefCell<HashMap<u32, u32>>,
    pub(super) usage: RefCell<HashMap<u32, Usage>>,
    /// How often the flow table was asked: a measure of the work for one packet.
    pub(super) lookups: Cell<u32>,
}

impl MemoryTables {
    /// Begins to count the questions about a packet.
    pub(super) fn begin_packet(&self) {
        self.lookups.set(0);
    }

    /// How often the flow table was asked for the last packet.
    pub fn lookups(&self) -> u32 {
        self.lookups.get()
    }

    /// Every record of the flow table, in no order.
    pub fn flows(&self) -> HashMap<FlowKey, Flow> {
        self.flows.borrow().iter().map(|(key, flow)| (*key, flow.get())).collect()
    }

    /// How many records the flow table has.
    pub fn flow_count(&self) -> usize {
        self.flows.borrow().len()
    }

    /// The inside keys of the connections with a translated port, in no order.
    pub fn translated_flows(&self) -> HashMap<InsideKey, FlowKey> {
        self.translated.borrow().iter().map(|(key, (flow, _))| (*key, *flow)).collect()
    }

    /// Every entry of the table of mappings, in no order.
    pub fn mappings(&self) -> HashMap<MappingKey, Mapping> {
        self.mappings.borrow().clone()
    }

    /// Every datagram in the table of fragments, by its place.
    pub fn fragments(&self) -> HashMap<u32, Fragment> {
        self.fragments.borrow().iter().map(|(place, fragment)| (*place, **fragment)).collect()
    }

    /// Changes the record of every datagram.
    pub fn edit_fragments(&self, edit: impl Fn(&mut Fragment)) {
        for place in self.fragments.borrow_mut().values_mut() {
            let mut fragment = **place;
            edit(&mut fragment);
            *place = Rc::new(fragment);
        }
    }

    /// The reassembler memory of each group of sources that has used any.
    pub fn fragment_budgets(&self) -> HashMap<u32, FragmentBudget> {
        self.fragment_budgets.borrow().clone()
    }

    /// Removes every flow and fragment, and their counts.
    pub fn flush(&self) {
        self.usage.borrow_mut().clear();
        self.fragments.borrow_mut().clear();
        self.fragment_budgets.borrow_mut().clear();
        self.flows.borrow_mut().clear();
        self.kept.borrow_mut().clear();
        self.translated.borrow_mut().clear();
        self.mappings.borrow_mut().clear();
    }

    /// Changes every record in place.
    pub fn edit_flows(&self, edit: impl Fn(&mut Flow)) {
        for place in self.flows.borrow().values() {
            let mut flow = place.get();
            edit(&mut flow);
            place.set(flow);
        }
    }

    /// Changes every entry of the mappings.
    pub fn edit_mappings(&self, edit: impl Fn(&mut Mapping)) {
        self.mappings.borrow_mut().values_mut().for_each(edit);
    }

    /// The counter of a rule.
    pub fn rule_counter(&self, rule: RuleId) -> Counter {
        self.rule_counters.borrow().get(&rule).copied().unwrap_or_default()
    }

    /// The counter of a drop reason.
    pub fn drop_counter(&self, reason: DropReason) -> Counter {
        self.drop_counters.borrow().get(&reason).copied().unwrap_or_default()
    }
}

impl MappingTable for MemoryTables {
    fn mapping(&self, key: &MappingKey) -> Option<Mapping> {
        self.mappings.borrow().get(key).copied()
    }

    fn insert_mapping(&self, key: &MappingKey, mapping: &Mapping) -> Result<(), InsertError> {
        let mut mappings = self.mappings.borrow_mut();
        if !mappings.contains_key(key) && mappings.len() >= MAPPINGS_OF_FLOW * self.capacity {
            return Err(InsertError::Full);
        }
        mappings.insert(*key, *mapping);
        Ok(())
    }

    fn keep_mapping(&self, key: &MappingKey, now: Tick) {
        if let Some(mapping) = self.mappings.borrow_mut().get_mut(key) {
            mapping.last_seen = now;
        }
    }

    fn remove_mapping(&self, key: &MappingKey) {
        self.mappings.borrow_mut().remove(key);
    }
}

impl FragmentTable for MemoryTables {
    type FragmentRef<'a> = Rc<Fragment>;

    fn fragment(&self, place: u32) -> Option<Rc<Fragment>> {
        self.fragments.borrow().get(&place).cloned()
    }

    fn set_fragment(&self, place: u32, fragment: &Fragment) {
        self.fragments.borrow_mut().insert(place, Rc::new(*fragment));
    }

    fn fragment_budget(&self, group: u32) -> FragmentBudget {
        self.fragment_budgets.borrow().get(&group).copied().unwrap_or_default()
    }

    fn set_fragment_budget(&self, group: u32, budget: &FragmentBudget) {
        self.fragment_budgets.borrow_mut().insert(group, *budget);
    }
}

/// Computed directly from the rules, to compare the kernel's pages with.
impl ForwardTable for MemoryTables {
    fn port_rules(&self, protocol: u8, port: Port) -> RuleId {
        let rules = self.forwards.iter().filter(|(_, rule)| has_port(rule, protocol, port));
        rules.fold(NO_RULE, |found, (id, rule)| {
            found | if rule.address == Ip4::UNSPECIFIED { *id } else { OF_ADDRESS }
        })
    }

    fn address_rule(&self, address: Ip4, protocol: u8, port: Port) -> RuleId {
        let mut rules = self.forwards.iter();
        let found =
            rules.find(|(_, rule)| rule.address == address && has_port(rule, protocol, port));
        found.map_or(NO_RULE, |(id, _)| *id)
    }

    fn target_rule(&self, target: Ip4, protocol: u8, port: Port) -> RuleId {
        let rules = self.forwards.iter().filter(|(_, rule)| {
            rule.target == target
                && rule.protocol == protocol
                && rule.needs_target_page(&self.settings)
        });
        let published = rules.filter_map(|(id, rule)| {
            let published = rule.published_port(port)?;
            Some((published != port, published.number(), Ipv4Addr::from(rule.address), *id))
        });
        published.min().map_or(NO_RULE, |(.., id)| id)
    }

    fn forward(&self, rule: RuleId) -> Option<Forward> {
        self.forwards.get(&rule).copied()
    }

    fn rule_has(&self, rule: RuleId, address: Ip4) -> bool {
        self.rule_prefixes.iter().any(|(of, prefix)| *of == rule && prefix.contains(address))
    }
}

fn has_port(rule: &Forward, protocol: u8, port: Port) -> bool {
    rule.protocol == protocol && (rule.first..=rule.last).contains(&port.number())
}

impl Tables for MemoryTables {
    fn is_port_free(&self, key: &FlowKey, even_forwarded: bool) -> bool {
        is_port_free(self, key, even_forwarded)
    }

    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn masquerade(&self, uplink: u32, source: Ip4) -> Option<Masquerade> {
        let rules = self.masquerades.iter();
        let covering = rules.filter(|(prefix, of, _)| *of == uplink && prefix.contains(source));
        let longest = covering.max_by_key(|(prefix, ..)| prefix.mask.to_network().count_ones());
        longest.map(|(.., rule)| *rule)
    }

    fn endpoint(&self, address: Ip4) -> Option<Endpoint> {
        self.endpoints.get(&address).copied()
    }

    fn bridge_port(&self, link: u32) -> Option<BridgePort> {
        self.bridge_ports.get(&link).copied()
    }

    fn sender_state(&self, link: u32) -> PortState {
        self.port_states.get(&link).copied().unwrap_or_default()
    }

    fn receiver_state(&self, link: u32) -> PortState {
        self.sender_state(link)
    }

    fn is_host_address(&self, address: Ip4) -> bool {
        self.host_addresses.contains(&address)
    }

    fn link_of_address(&self, address: Ip4) -> u32 {
        self.address_links.get(&address).copied().unwrap_or(0)
    }

    fn is_broadcast_address(&self, address: Ip4) -> bool {
        self.broadcast_addresses.contains(&address)
    }

    fn link_role(&self, link: u32) -> Option<LinkRole> {
        self.link_roles.get(&link).copied()
    }

    fn is_noted_link(&self, link: u32) -> bool {
        self.noted_links.borrow().contains(&link)
    }

    fn note_link(&self, link: u32) {
        self.noted_links.borrow_mut().insert(link);
    }

    fn is_external(&self, address: Ip4) -> bool {
        self.externals.borrow().contains(&address)
    }

    fn add_external(&self, address: Ip4) {
        self.externals.borrow_mut().insert(address);
    }

    fn is_routed(&self, uplink: u32, source: Ip4) -> bool {
        self.routed.iter().any(|(prefix, of)| *of == uplink && prefix.contains(source))
    }

    fn route(&self, query: &RouteQuery, link: u32) -> Route {
        self.routes.look_up(query, link)
    }

    fn route_by(&self, query: &RouteQuery, egress: u32) -> Route {
        self.routes.look_up_by(query, egress)
    }

    fn host_call(&self, key: &HostCallKey) -> Option<Tick> {
        self.host_calls.get(key).copied()
    }

    fn host_socket(&self, port: &PortQuery) -> HostAnswer {
        let owner = |address, remote| HostSocket {
            protocol: port.protocol,
            address,
            port: port.external_port,
            remote,
        };
        let remote = Some((port.remote, port.remote_port));
        if self.host_sockets.contains(&owner(port.external, remote)) {
            HostAnswer::Connected
        } else if self.host_sockets.contains(&owner(port.external, None))
            || self.host_sockets.contains(&owner(Ip4::UNSPECIFIED, None))
        {
            HostAnswer::Listening
        } else {
            HostAnswer::None
        }
    }

    fn take_allowance(&self, kind: Limited, now: Tick) -> bool {
        let bucket = &self.allowances[kind as usize];
        let mut new = bucket.get();
        let has_one = new.take(now);
        bucket.set(new);
        has_one
    }

    fn take_ids(&self, counter: u32, count: u32) -> u32 {
        let mut taken_ids = self.taken_ids.borrow_mut();
        let taken = taken_ids.entry(counter).or_default();
        let before = *taken;
        *taken = before.wrapping_add(count);
        before
    }

    fn count_rule(&self, rule: RuleId, new_flow: bool, bytes: u32) {
        if rule != NO_RULE {
            count(self.rule_counters.borrow_mut().entry(rule).or_default(), new_flow, bytes);
        }
    }

    fn count_drop(&self, reason: DropReason, bytes: u32) {
        count(self.drop_counters.borrow_mut().entry(reason).or_default(), false, bytes);
    }
}

fn count(counter: &mut Counter, new_flow: bool, bytes: u32) {
    counter.flows += u64::from(new_flow);
    counter.packets += 1;
    counter.bytes += u64::from(bytes);
}
