//! The differences between an installed datapath and a description.

use std::{collections::HashSet, net::Ipv4Addr};

use aya::maps::{HashMap, MapData};
use ipnet::Ipv4Net;
use netns_common::abi::{
    BridgePort, Endpoint, Ip4, KEEP_CLASS, KEEP_PARITY, Prefix, Settings, SourceCheck, Timeouts,
    maps, programs,
};

use super::{
    Datapath, DatapathSpec, Reassembly, RoutedPrefix,
    configure::{self, Interfaces},
    error::{DatapathError, map_error},
    spec::CableSpec,
};
use crate::{
    net::netns::own_cookie,
    rules::{ForwardRule, MasqueradeRule},
    topology::NatTimeouts,
};

/// A difference between a datapath and its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatapathChange {
    SourceCheck(bool),
    ViaStack(bool),
    /// A setting of the NAT, by its key in the topology file.
    Setting {
        key: String,
        from: String,
        to: String,
    },
    /// Whether the sources of a cable are checked, by its port's interface; `None`: as in the lab.
    CableSourceCheck {
        port: String,
        check: Option<bool>,
    },
    /// The reassembler, a part of which is missing.
    Reassembler,
    /// The guard of the router's forwarding, which is missing.
    ForwardGuard,
    /// A source that may leave by an uplink untranslated.
    Routed {
        routed: RoutedPrefix,
        added: bool,
    },
    /// The programs of an uplink, by the name of its interface.
    Uplink {
        name: String,
        added: bool,
    },
    /// The program at a bridge port, by the name of its interface.
    Cable {
        port: String,
        added: bool,
    },
    Masquerade {
        rule: MasqueradeRule,
        added: bool,
    },
    Forward {
        rule: ForwardRule,
        added: bool,
    },
}

pub(super) type Ports = HashMap<MapData, u32, BridgePort>;
pub(super) type Endpoints = HashMap<MapData, Ip4, Endpoint>;

impl Datapath {
    /// Whether this datapath can be changed to another description: all its tables exist, and
    /// everything that is attached or pinned only when a datapath is made.
    pub fn is_whole(&self) -> bool {
        maps::PINNED.iter().all(|name| self.pins.map(name).exists())
            && programs::SOCKET_HOOKS.iter().all(|name| self.pins.link(name, 0).exists())
            && self.pins.program(programs::FORGET_FLOWS).exists()
    }

    /// Whether it was installed for the router in the calling thread's namespace.
    pub fn is_here(&self) -> Result<bool, DatapathError> {
        let cookie = own_cookie().map_err(DatapathError::Namespace)?;
        Ok(self.settings()?.router_cookie == cookie)
    }

    /// All differences from the description. Interfaces that do not exist yet count as added. Must
    /// run inside the router's namespace.
    pub fn changes_to(&self, spec: &DatapathSpec) -> Result<Vec<DatapathChange>, DatapathError> {
        let mut changes = Vec::new();
        if (self.settings()?.source_check != 0) != spec.source_check {
            changes.push(DatapathChange::SourceCheck(spec.source_check));
        }
        if (self.settings()?.via_stack != 0) != spec.via_stack {
            changes.push(DatapathChange::ViaStack(spec.via_stack));
        }
        let capacity = self.flow_capacity()?;
        let is_between = self.pins.has_next_flow_table();
        if capacity != spec.flow_capacity || is_between {
            changes.push(DatapathChange::Setting {
                key: "nat.flow_table".to_owned(),
                from: if is_between { "interrupted".to_owned() } else { capacity.to_string() },
                to: spec.flow_capacity.to_string(),
            });
        }
        let interfaces = Interfaces::read()?;
        changes.extend(changed_settings(&self.settings()?, spec, &interfaces));
        let unwatched = spec.uplinks.iter().filter(|name| !self.watches_uplink(name));
        changes.extend(
            unwatched.map(|name| DatapathChange::Uplink { name: name.clone(), added: true }),
        );
        if self.reassembly()? == Reassembly::Broken {
            changes.push(DatapathChange::Reassembler);
        }
        if !self.has_forward_guard() {
            changes.push(DatapathChange::ForwardGuard);
        }
        changes.extend(self.routed_differences(spec, &interfaces)?);
        let ports: Ports = self.map(maps::BRIDGE_PORTS)?;
        let endpoints: Endpoints = self.map(maps::ENDPOINTS)?;
        let wanted: HashSet<&str> = spec.cables.iter().map(|cable| cable.port.as_str()).collect();
        for index in keys(&ports, maps::BRIDGE_PORTS)? {
            if let Some(name) = interfaces.name(index).filter(|name| !wanted.contains(name)) {
                changes.push(DatapathChange::Cable { port: name.to_owned(), added: false });
            }
        }
        for cable in &spec.cables {
            let is_known = self.knows(cable, &ports, &endpoints, &interfaces);
            if !is_known || !self.watches_cable(&cable.port) {
                changes.push(DatapathChange::Cable { port: cable.port.clone(), added: true });
                continue;
            }
            let Some(known) = port_of(cable, &ports, &interfaces) else { continue };
            if !is_checked_as(cable, &known) {
                let (port, check) = (cable.port.clone(), cable.source_check);
                changes.push(DatapathChange::CableSourceCheck { port, check });
            }
            if known.quota != cable.quota.unwrap_or_default() {
                let key = format!("quota of {}", cable.port);
                let (from, to) = (quota_in_words(known.quota), cable.quota.unwrap_or_default());
                changes.push(DatapathChange::Setting { key, from, to: quota_in_words(to) });
            }
        }
        let (gone, new) = self.rule_differences(spec)?;
        changes.extend(gone);
        changes.extend(new);
        if changes.is_empty() && !self.is_as_wanted(spec, &interfaces)? {
            changes.push(DatapathChange::Setting {
                key: "NAT".to_owned(),
                from: "incomplete".to_owned(),
                to: "complete".to_owned(),
            });
        }
        Ok(changes)
    }

    /// Whether the settings are as the description and the rules need them, and all rules are
    /// completely written: a process may have been killed while it changed them.
    fn is_as_wanted(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
    ) -> Result<bool, DatapathError> {
        let settings = self.settings()?;
        Ok(self.wanted_settings(spec, interfaces, &settings)? == settings && self.rules_hold()?)
    }

    fn routed_differences(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
    ) -> Result<Vec<DatapathChange>, DatapathError> {
        let is = |(uplink, source): (u32, Prefix)| {
            let length = u8::try_from(source.mask.to_network().count_ones()).unwrap_or(32);
            let source = Ipv4Net::new(source.network.into(), length).ok()?;
            Some(RoutedPrefix { uplink: interfaces.name(uplink)?.to_owned(), source })
        };
        let is: HashSet<_> = configure::routed(self)?.into_iter().filter_map(is).collect();
        let wanted: HashSet<_> = spec.routed.iter().cloned().collect();
        let change =
            |routed: &RoutedPrefix, added| DatapathChange::Routed { routed: routed.clone(), added };
        let gone = is.difference(&wanted).map(|routed| change(routed, false));
        let new = spec.routed.iter().filter(|routed| !is.contains(routed));
        Ok(gone.chain(new.map(|routed| change(routed, true))).collect())
    }

    /// The rules to delete, and the rules to add.
    pub(super) fn rule_differences(
        &self,
        spec: &DatapathSpec,
    ) -> Result<(Vec<DatapathChange>, Vec<DatapathChange>), DatapathError> {
        let masquerades: HashSet<_> =
            self.masquerades()?.into_iter().map(|status| status.rule).collect();
        let forwards: HashSet<_> = self.forwards()?.into_iter().map(|status| status.rule).collect();
        let wanted_masquerades: HashSet<_> = spec.masquerades.iter().cloned().collect();
        let wanted_forwards: HashSet<_> = spec.forwards.iter().cloned().collect();
        let masquerade =
            |rule: &MasqueradeRule, added| DatapathChange::Masquerade { rule: rule.clone(), added };
        let forward =
            |rule: &ForwardRule, added| DatapathChange::Forward { rule: rule.clone(), added };
        let gone = masquerades.difference(&wanted_masquerades).map(|rule| masquerade(rule, false));
        let gone = gone
            .chain(forwards.difference(&wanted_forwards).map(|rule| forward(rule, false)))
            .collect();
        // In the order of the file.
        let new = spec.masquerades.iter().filter(|rule| !masquerades.contains(rule));
        let new = new.map(|rule| masquerade(rule, true));
        let new_forwards = spec.forwards.iter().filter(|rule| !forwards.contains(rule));
        Ok((gone, new.chain(new_forwards.map(|rule| forward(rule, true))).collect()))
    }

    /// Whether the tables describe a cable correctly, apart from its source check and its quota.
    pub(super) fn knows(
        &self,
        cable: &CableSpec,
        ports: &Ports,
        endpoints: &Endpoints,
        interfaces: &Interfaces,
    ) -> bool {
        let (Ok(index), Ok(port)) =
            (interfaces.index(&cable.port), configure::bridge_port(cable, interfaces))
        else {
            return false;
        };
        let end = configure::endpoint(cable, index, &port);
        let known = |address: &Ipv4Addr| {
            endpoints.get(&Ip4::from(*address), 0).is_ok_and(|known| known == end)
        };
        let BridgePort { source_check, quota, .. } = port;
        let same_port = |known| BridgePort { source_check, quota, ..known } == port;
        ports.get(&index, 0).is_ok_and(same_port) && cable.addresses.iter().all(known)
    }
}

/// The changed settings that have a value.
fn changed_settings(
    old: &Settings,
    spec: &DatapathSpec,
    interfaces: &Interfaces,
) -> Vec<DatapathChange> {
    let named = |timeouts: &Timeouts| NatTimeouts::from(timeouts).named();
    let timeouts = named(&old.timeouts).into_iter().zip(named(&spec.timeouts));
    let timeouts = timeouts.map(|((key, from), (_, to))| {
        (format!("nat.timeouts.{key}"), format!("{from} s"), format!("{to} s"))
    });
    let ports = format!("{}-{}", old.port_min, old.port_max);
    let wanted = format!("{}-{}", spec.ports.first(), spec.ports.last());
    let keeps = |what: u8| old.port_keep & what != 0;
    let word = |on: bool| if on { "on" } else { "off" }.to_owned();
    let others = [
        ("nat.ports".to_owned(), ports, wanted),
        ("nat.quota".to_owned(), old.limits.quota.to_string(), spec.limits.quota.to_string()),
        (
            "nat.unreplied".to_owned(),
            old.limits.unreplied.to_string(),
            spec.limits.unreplied.to_string(),
        ),
        ("nat.keep_parity".to_owned(), word(keeps(KEEP_PARITY)), word(spec.keep_parity)),
        ("nat.keep_class".to_owned(), word(keeps(KEEP_CLASS)), word(spec.keep_class)),
    ];
    // A new uplink has no line of its own here.
    let ends = spec.uplinks.iter().filter_map(|name| {
        let entered = old.far_end(interfaces.index(name).ok()?).is_some();
        let enters = spec.far_ends.iter().any(|(uplink, _)| uplink == name);
        Some((format!("redirect_peer of {name}"), word(entered), word(enters)))
    });
    let changed = timeouts.chain(others).chain(ends).filter(|(_, from, to)| from != to);
    changed.map(|(key, from, to)| DatapathChange::Setting { key, from, to }).collect()
}

/// The entry of a cable in the tables.
pub(super) fn port_of(
    cable: &CableSpec,
    ports: &Ports,
    interfaces: &Interfaces,
) -> Option<BridgePort> {
    interfaces.index(&cable.port).ok().and_then(|index| ports.get(&index, 0).ok())
}

/// Whether the source check of a cable is as described.
fn is_checked_as(cable: &CableSpec, known: &BridgePort) -> bool {
    known.source_check == SourceCheck::from_choice(cable.source_check) as u8
}

/// The quota of a cable; 0 stands for that of the lab.
fn quota_in_words(quota: u32) -> String {
    if quota == 0 { "as nat.quota".into() } else { quota.to_string() }
}

pub(super) fn keys<K: aya::Pod, V: aya::Pod>(
    map: &HashMap<MapData, K, V>,
    name: &'static str,
) -> Result<Vec<K>, DatapathError> {
    map.keys().collect::<Result<Vec<_>, _>>().map_err(map_error(name))
}
