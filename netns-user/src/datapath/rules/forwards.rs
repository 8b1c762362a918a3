//! Forward rules.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::{Ipv4Addr, SocketAddrV4},
};

use aya::maps::{HashMap, MapData};
use ipnet::Ipv4Net;
use netns_common::abi::{Endpoint, Forward, HostPeerKey, Ip4, Peer, Port, Protocol, RuleId, maps};

use super::{RuleStatus, status};
use crate::{
    datapath::{
        Datapath,
        configure::{Interfaces, write_host_addresses},
        error::{DatapathError, map_error},
    },
    net::sockets,
    rules::{ForwardProtocol, ForwardRule, Ports},
};

type Forwards = HashMap<MapData, u32, Forward>;

impl Datapath {
    /// The forward rules.
    pub fn forwards(&self) -> Result<Vec<RuleStatus<ForwardRule>>, DatapathError> {
        let counters = self.rule_counters()?;
        let rules = self.forward_rules()?.into_iter();
        rules.map(|(id, rule)| status(&counters, id, rule)).collect()
    }

    /// Adds forward rules: all of them, or none. Must run inside the router's namespace, whose
    /// addresses are needed.
    pub fn add_forwards(&self, rules: &[ForwardRule]) -> Result<(), DatapathError> {
        self.change_forwards(&[], rules)
    }

    /// Removes forward rules and the flows that they made: all of them, or none. Must run inside
    /// the router's namespace.
    pub fn remove_forwards(&self, rules: &[ForwardRule]) -> Result<(), DatapathError> {
        self.change_forwards(rules, &[])
    }

    /// Replaces the `gone` rules, whose flows end, by the `new` ones. Must run inside the router's
    /// namespace.
    pub fn change_forwards(
        &self,
        gone: &[ForwardRule],
        new: &[ForwardRule],
    ) -> Result<(), DatapathError> {
        self.change_rules(|| {
            self.write_missing_pages()?;
            if !new.is_empty() {
                let interfaces = Interfaces::read()?;
                require_host_addresses(new, &interfaces.addresses())?;
                // The host's addresses may have changed since `up`.
                write_host_addresses(self, &interfaces)?;
            }
            let ids = self.ids_of(gone)?;
            self.require_free(new, &ids)?;
            self.replace_forwards(&ids, new)
        })
    }

    /// Writes all pages of ports again, if one is not as the rules need it: a killed change may
    /// have left some.
    pub(super) fn write_missing_pages(&self) -> Result<(), DatapathError> {
        let rules = self.forward_records()?;
        if self.are_pages_written(&rules)? {
            return Ok(());
        }
        self.write_pages(rules.values(), &rules)
    }

    /// Checks that nothing is in the way of new forwards, and that their targets exist. Must run
    /// inside the router's namespace.
    pub fn require_new_forwards(&self, rules: &[ForwardRule]) -> Result<(), DatapathError> {
        require_host_addresses(rules, &Interfaces::read()?.addresses())?;
        self.require_free(rules, &BTreeSet::new())
    }

    /// The forward rule of exactly these ports.
    pub fn find_forward(
        &self,
        protocol: ForwardProtocol,
        address: Option<Ipv4Addr>,
        ports: Ports,
    ) -> Result<ForwardRule, DatapathError> {
        let rules = self.forward_rules()?.into_values();
        let mut near: Vec<ForwardRule> = rules
            .filter(|rule| {
                rule.protocol == protocol && rule.address == address && rule.ports.overlaps(ports)
            })
            .collect();
        if let Some(at) = near.iter().position(|rule| rule.ports == ports) {
            return Ok(near.swap_remove(at));
        }
        let address = address.map_or_else(String::new, |address| format!("{address}:"));
        let wanted = format!("forward {protocol} {address}{ports}");
        Err(match near.pop() {
            None => DatapathError::NoRule(wanted),
            Some(other) => DatapathError::PartOfRule {
                wanted,
                existing: other.to_string(),
                ports: other.ports,
            },
        })
    }

    /// The records of all forwards.
    pub(super) fn forward_records(&self) -> Result<BTreeMap<RuleId, Forward>, DatapathError> {
        let map: Forwards = self.map(maps::FORWARDS)?;
        let records = map.iter().map(|entry| {
            let (id, record) = entry.map_err(map_error(maps::FORWARDS))?;
            Ok((RuleId::try_from(id).unwrap_or(RuleId::MAX), record))
        });
        records.collect()
    }

    fn forward_rules(&self) -> Result<BTreeMap<RuleId, ForwardRule>, DatapathError> {
        let mut networks = self.rule_networks()?;
        let records = self.forward_records()?.into_iter();
        Ok(records
            .map(|(id, record)| (id, rule(&record, networks.remove(&id).unwrap_or_default())))
            .collect())
    }

    fn ids_of(&self, rules: &[ForwardRule]) -> Result<BTreeSet<RuleId>, DatapathError> {
        if rules.is_empty() {
            return Ok(BTreeSet::new());
        }
        let standing = self.forward_rules()?;
        let ids: std::collections::HashMap<&ForwardRule, RuleId> =
            standing.iter().map(|(id, rule)| (rule, *id)).collect();
        let id = |rule: &ForwardRule| {
            ids.get(rule).copied().ok_or_else(|| DatapathError::NoRule(rule.to_string()))
        };
        rules.iter().map(id).collect()
    }

    /// Checks that no rule has the ports of the new rules, apart from `gone` rules, and that their
    /// targets exist.
    fn require_free(
        &self,
        new: &[ForwardRule],
        gone: &BTreeSet<RuleId>,
    ) -> Result<(), DatapathError> {
        if new.is_empty() {
            return Ok(());
        }
        let mut standing = self.forward_rules()?;
        standing.retain(|id, _| !gone.contains(id));
        if let Some(existing) = first_overlap(standing.values(), new) {
            return Err(DatapathError::RuleExists { existing: existing.to_string() });
        }
        let endpoints: HashMap<MapData, Ip4, Endpoint> = self.map(maps::ENDPOINTS)?;
        let targets: HashSet<Ipv4Addr> = new.iter().map(|rule| *rule.target.ip()).collect();
        let is_nobodys = |target: &Ipv4Addr| endpoints.get(&Ip4::from(*target), 0).is_err();
        targets
            .into_iter()
            .find(is_nobodys)
            .map_or(Ok(()), |target| Err(DatapathError::NoTarget(target)))
    }

    /// Writes the new rules, then the pages that lead to them, then removes the old rules.
    fn replace_forwards(
        &self,
        gone: &BTreeSet<RuleId>,
        new: &[ForwardRule],
    ) -> Result<(), DatapathError> {
        let ids = self.new_rules(new.len())?;
        let mut records = self.forward_records()?;
        let old: Vec<Forward> = gone.iter().filter_map(|id| records.remove(id)).collect();
        let before = records.clone();
        let mut write = || {
            let mut map: Forwards = self.map(maps::FORWARDS)?;
            for (id, rule) in ids.iter().zip(new) {
                self.add_networks(*id, &rule.from)?;
                let record = record(rule);
                map.insert(u32::from(*id), record, 0).map_err(map_error(maps::FORWARDS))?;
                records.insert(*id, record);
            }
            let written = ids.iter().filter_map(|id| records.get(id));
            self.write_pages(written.chain(&old), &records)
        };
        if let Err(error) = write() {
            // Nothing of them stays; the first error is the one to report.
            let _ = self.withdraw(&ids, new, before, gone, &old);
            return Err(error);
        }
        self.erase_forwards(gone)?;
        self.end_host_connections(&old, &records)
    }

    /// Ends the connections of the router's own sockets to a target, if the present rules lead
    /// elsewhere: their peer was rewritten, so they would continue to the old target. The program
    /// gets an error, and can connect again. Connections stay if the kernel does not list or end
    /// them (`CONFIG_INET_DIAG`, `CONFIG_INET_DIAG_DESTROY`).
    fn end_host_connections(
        &self,
        gone: &[Forward],
        standing: &BTreeMap<RuleId, Forward>,
    ) -> Result<(), DatapathError> {
        let peers: HashMap<MapData, HostPeerKey, Peer> = self.map(maps::HOST_PEERS)?;
        for protocol in [ForwardProtocol::Tcp, ForwardProtocol::Udp] {
            let mut of_protocol = gone.iter().filter(|rule| protocol_of(rule) == protocol);
            if of_protocol.next().is_none() {
                continue;
            }
            for socket in sockets::connected(protocol).unwrap_or_default() {
                let target = Ip4::from(socket.remote);
                let target_port = Port::new(socket.remote_port);
                let socket_key =
                    HostPeerKey { socket: socket.cookie, target, target_port, padding: [0; 2] };
                let Ok(called) = peers.get(&socket_key, 0) else { continue };
                let leads_there = |rule: &Forward| {
                    rule.target == target && rule.target_port(called.port) == target_port
                };
                let was_led =
                    gone.iter().any(|rule| is_for(rule, protocol, called) && leads_there(rule));
                let is_led = first_for(standing, protocol, called).is_some_and(leads_there);
                if was_led && !is_led {
                    let _ = socket.end();
                }
            }
        }
        Ok(())
    }

    /// Removes rules that could not be written completely.
    fn withdraw(
        &self,
        ids: &[RuleId],
        new: &[ForwardRule],
        mut before: BTreeMap<RuleId, Forward>,
        gone: &BTreeSet<RuleId>,
        old: &[Forward],
    ) -> Result<(), DatapathError> {
        before.extend(gone.iter().copied().zip(old.iter().copied()));
        let records: Vec<Forward> = new.iter().map(record).collect();
        self.write_pages(records.iter().chain(old), &before)?;
        self.erase_forwards(&ids.iter().copied().collect())
    }

    /// Removes records that no page leads to, and their flows.
    fn erase_forwards(&self, ids: &BTreeSet<RuleId>) -> Result<(), DatapathError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut map: Forwards = self.map(maps::FORWARDS)?;
        for id in ids {
            if map.get(&u32::from(*id), 0).is_ok() {
                map.remove(&u32::from(*id)).map_err(map_error(maps::FORWARDS))?;
            }
        }
        self.remove_networks(&ids.iter().copied().collect::<Vec<_>>())?;
        self.flush(|flow| ids.contains(&flow.rule)).map(drop)
    }
}

/// Checks that the router has the addresses on which forwards listen.
fn require_host_addresses(rules: &[ForwardRule], own: &[Ipv4Addr]) -> Result<(), DatapathError> {
    let mut addresses = rules.iter().filter_map(|rule| rule.address);
    let Some(address) = addresses.find(|address| !address.is_loopback() && !own.contains(address))
    else {
        return Ok(());
    };
    let own: Vec<String> =
        std::iter::once(&Ipv4Addr::LOCALHOST).chain(own).map(ToString::to_string).collect();
    Err(DatapathError::NoHostAddress { address, own: own.join(", ") })
}

/// The first rule, existing or new, that has a port of a later new one.
fn first_overlap<'a>(
    standing: impl Iterator<Item = &'a ForwardRule>,
    new: &'a [ForwardRule],
) -> Option<&'a ForwardRule> {
    // Disjoint ranges are sorted by their first ports.
    let mut taken: BTreeMap<_, &ForwardRule> = BTreeMap::new();
    let slot = |rule: &ForwardRule, port: u16| (rule.protocol as u8, rule.address, port);
    taken.extend(standing.map(|rule| (slot(rule, rule.ports.first()), rule)));
    for rule in new {
        let before = taken.range(..=slot(rule, rule.ports.last())).next_back();
        if let Some((_, other)) = before.filter(|(_, other)| other.overlaps(rule)) {
            return Some(other);
        }
        taken.insert(slot(rule, rule.ports.first()), rule);
    }
    None
}

fn record(rule: &ForwardRule) -> Forward {
    Forward {
        address: rule.address.map_or(Ip4::UNSPECIFIED, Ip4::from),
        target: Ip4::from(*rule.target.ip()),
        first: rule.ports.first(),
        last: rule.ports.last(),
        target_first: rule.target.port(),
        protocol: Protocol::from(rule.protocol).number(),
        restricted: u8::from(!rule.from.is_empty()),
    }
}

/// Whether a rule is for an address and port to which a program of the router has connected. A
/// connection to the unspecified address is to the host itself.
fn is_for(rule: &Forward, protocol: ForwardProtocol, called: Peer) -> bool {
    let address =
        if called.address == Ip4::UNSPECIFIED { Ip4::new(127, 0, 0, 1) } else { called.address };
    protocol_of(rule) == protocol
        && (rule.first..=rule.last).contains(&called.port.number())
        && (rule.address == Ip4::UNSPECIFIED || rule.address == address)
}

/// The rule for a connection of a program of the router: a rule for a single address comes first.
fn first_for(
    rules: &BTreeMap<RuleId, Forward>,
    protocol: ForwardProtocol,
    called: Peer,
) -> Option<&Forward> {
    let rules = rules.values().filter(|rule| is_for(rule, protocol, called));
    rules.max_by_key(|rule| rule.address != Ip4::UNSPECIFIED)
}

fn protocol_of(record: &Forward) -> ForwardProtocol {
    match Protocol::from_number(record.protocol) {
        Some(Protocol::Udp) => ForwardProtocol::Udp,
        Some(Protocol::Sctp) => ForwardProtocol::Sctp,
        Some(Protocol::UdpLite) => ForwardProtocol::UdpLite,
        Some(Protocol::Tcp | Protocol::Icmp) | None => ForwardProtocol::Tcp,
    }
}

fn rule(record: &Forward, from: BTreeSet<Ipv4Net>) -> ForwardRule {
    ForwardRule {
        protocol: protocol_of(record),
        address: (record.address != Ip4::UNSPECIFIED).then(|| record.address.into()),
        ports: Ports::new(record.first, record.last).unwrap_or(record.first.into()),
        target: SocketAddrV4::new(record.target.into(), record.target_first),
        from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(ports: &str, address: Option<&str>) -> ForwardRule {
        ForwardRule {
            ports: ports.parse().unwrap(),
            address: address.map(|address| address.parse().unwrap()),
            ..ForwardRule::new(ForwardProtocol::Tcp, 1, "10.0.0.2:1".parse().unwrap())
        }
    }

    #[test]
    fn every_overlap_of_port_ranges_is_found() {
        let standing = [forward("100-199", None), forward("300-399", None)];
        let meets = |rule| first_overlap(standing.iter(), &[rule]).cloned();
        for ports in ["100", "199", "150-160", "50-100", "199-250", "50-250", "50-350"] {
            assert!(meets(forward(ports, None)).is_some(), "{ports}");
        }
        for ports in ["99", "200-299", "400", "1-99"] {
            assert!(meets(forward(ports, None)).is_none(), "{ports}");
            assert!(meets(forward("150", Some("10.0.0.1"))).is_none());
        }
        let new = [forward("500-600", None), forward("600-700", None)];
        assert_eq!(first_overlap(standing.iter(), &new), Some(&new[0]));
    }

    #[test]
    fn a_rule_is_read_back_as_it_was_written() {
        let rule = forward("8000-17999", Some("192.168.1.10"));
        assert_eq!(super::rule(&record(&rule), BTreeSet::new()), rule);
    }
}
