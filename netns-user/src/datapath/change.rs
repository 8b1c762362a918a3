//! Bringing the datapath of a living lab to a new description: what does not change keeps its
//! connections.

use std::{
    collections::{HashMap as StdHashMap, HashSet},
    fs,
    net::Ipv4Addr,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, MapError},
};
use ipnet::Ipv4Net;
use netns_common::abi::{
    BridgePort, Endpoint, Ip4, KEEP_CLASS, KEEP_PARITY, LinkRole, Prefix, Settings, SourceCheck,
    Timeouts, maps,
};

use super::{
    Datapath, DatapathError, DatapathSpec, Reassembly, RoutedPrefix,
    attach::{self, Hook},
    configure::{self, Interfaces},
    object,
    pins::pin_error,
    spec::CableSpec,
};
use crate::{
    net::netns::own_cookie,
    rules::{ForwardRule, MasqueradeRule},
    topology::NatTimeouts,
};

/// What of a datapath differs from its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatapathChange {
    SourceCheck(bool),
    ViaStack(bool),
    /// A setting of the translation, by its key in the topology file.
    Setting {
        key: String,
        from: String,
        to: String,
    },
    /// Whether what a cable carries is checked, by its port's interface; `None`: as the lab.
    CableSourceCheck {
        port: String,
        check: Option<bool>,
    },
    /// The reassembler, of which something is not there any more.
    Reassembler,
    /// The guard of what the router forwards, which is not there any more.
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

type Ports = HashMap<MapData, u32, BridgePort>;
type Endpoints = HashMap<MapData, Ip4, Endpoint>;

impl Datapath {
    /// Whether this datapath can be brought to another description: its tables are all there.
    pub fn is_whole(&self) -> bool {
        maps::PINNED.iter().all(|name| self.pins.map(name).exists())
    }

    /// Whether it was installed for the router in whose namespace this is.
    pub fn is_here(&self) -> Result<bool, DatapathError> {
        let cookie = own_cookie().map_err(DatapathError::Namespace)?;
        Ok(self.settings()?.router_cookie == cookie)
    }

    /// What of it differs from the description. Interfaces that are not there yet count as
    /// added. Must run inside the router's namespace.
    pub fn differences(&self, spec: &DatapathSpec) -> Result<Vec<DatapathChange>, DatapathError> {
        let mut changes = Vec::new();
        if (self.settings()?.source_check != 0) != spec.source_check {
            changes.push(DatapathChange::SourceCheck(spec.source_check));
        }
        if (self.settings()?.via_stack != 0) != spec.via_stack {
            changes.push(DatapathChange::ViaStack(spec.via_stack));
        }
        let capacity = self.flow_capacity()?;
        if capacity != spec.flow_capacity {
            changes.push(DatapathChange::Setting {
                key: "nat.flow_table".to_owned(),
                from: capacity.to_string(),
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
        let wanted: HashSet<&str> = spec.cables.iter().map(|cable| cable.port.as_str()).collect();
        for index in keys(&ports, maps::BRIDGE_PORTS)? {
            if let Some(name) = interfaces.name(index).filter(|name| !wanted.contains(name)) {
                changes.push(DatapathChange::Cable { port: name.to_owned(), added: false });
            }
        }
        for cable in &spec.cables {
            if !self.watches_cable(&cable.port) || !self.knows(cable, &ports, &interfaces)? {
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
        Ok(changes)
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

    /// Rules to be deleted, and rules to be added.
    fn rule_differences(
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

    /// Whether the tables hold just this of a cable, however its sources are checked and how many
    /// connections it may have.
    fn knows(
        &self,
        cable: &CableSpec,
        ports: &Ports,
        interfaces: &Interfaces,
    ) -> Result<bool, DatapathError> {
        let (Ok(index), Ok(port)) =
            (interfaces.index(&cable.port), configure::bridge_port(cable, interfaces))
        else {
            return Ok(false);
        };
        let endpoints: Endpoints = self.map(maps::ENDPOINTS)?;
        let end = configure::endpoint(cable, index, &port);
        let known = |address: &Ipv4Addr| {
            endpoints.get(&Ip4::from(*address), 0).is_ok_and(|known| known == end)
        };
        let BridgePort { source_check, quota, .. } = port;
        let same_port = |known| BridgePort { source_check, quota, ..known } == port;
        Ok(ports.get(&index, 0).is_ok_and(same_port) && cable.addresses.iter().all(known))
    }

    /// Brings it to the description, whatever it was before, as long as it
    /// [is whole](Self::is_whole). Flows end whose cable, uplink, address or rule goes.
    /// Must run inside the router's namespace.
    pub fn converge(&self, spec: &DatapathSpec) -> Result<(), DatapathError> {
        self.end_dead_log()?;
        if self.flow_capacity()? != spec.flow_capacity {
            self.resize(spec)?;
        }
        let interfaces = Interfaces::read()?;
        let (gone, new) = self.rule_differences(spec)?;
        self.make_forward_guard()?;
        let links = configure::links(spec, &interfaces)?;
        // A new uplink is one of others until it is guarded.
        let is_guarded = |index: &u32| self.pins.link(attach::UPLINK[0].program, *index).exists();
        let guarded = links
            .iter()
            .filter(|(index, role)| **role == LinkRole::Lab || is_guarded(index))
            .map(|(index, role)| (*index, *role))
            .collect();
        configure::write_links(self, &guarded)?;
        self.converge_settings(spec, &interfaces)?;
        configure::write_host_addresses(self, &interfaces)?;
        configure::write_externals(self, &spec.uplinks, &interfaces)?;
        for (uplink, source) in configure::write_routed(self, spec, &interfaces)? {
            self.flush(|flow| flow.egress == uplink && source.contains(flow.inside))?;
        }
        let mut loaded = None;
        self.converge_uplinks(spec, &interfaces, &mut loaded)?;
        configure::write_links(self, &links)?;
        self.converge_cables(spec, &interfaces, &mut loaded)?;
        if self.reassembly()? == Reassembly::Broken {
            let object = self.loaded(spec, &mut loaded)?;
            self.remake_reassembler(object)?;
        }
        let (gone, new) = (split(gone), split(new));
        self.change_masquerades(&gone.0, &new.0)?;
        self.change_forwards(&gone.1, &new.1)?;
        self.repair_forwards()
    }

    /// The secret stays: the ports of living flows were drawn from it.
    fn converge_settings(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
    ) -> Result<(), DatapathError> {
        let old = self.settings()?;
        let new = configure::settings(spec, interfaces, old.seed)?;
        // Of the rules, which change after this, and of the reassembler.
        let new = Settings {
            mss_clamp: old.mss_clamp,
            mappings: old.mappings,
            reassembler: old.reassembler,
            ..new
        };
        if new == old {
            return Ok(());
        }
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, new, 0).map_err(map_error(maps::SETTINGS))
    }

    fn converge_uplinks(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
        loaded: &mut Option<Ebpf>,
    ) -> Result<(), DatapathError> {
        let mut wanted = HashSet::new();
        for name in &spec.uplinks {
            let index = interfaces.index(name)?;
            wanted.insert(index);
            for hook in attach::UPLINK {
                if !self.watches(hook, name) {
                    self.attach_anew(hook, name, index, spec, loaded)?;
                }
            }
        }
        for hook in attach::UPLINK {
            for index in self.detach_others(hook, &wanted)? {
                self.flush(|flow| flow.egress == index)?;
            }
        }
        Ok(())
    }

    fn converge_cables(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
        loaded: &mut Option<Ebpf>,
    ) -> Result<(), DatapathError> {
        let mut wanted = HashSet::new();
        let mut addresses = StdHashMap::new();
        let ports: Ports = self.map(maps::BRIDGE_PORTS)?;
        for cable in &spec.cables {
            let index = interfaces.index(&cable.port)?;
            wanted.insert(index);
            addresses.extend(cable.addresses.iter().map(|address| (Ip4::from(*address), index)));
            let wanted = configure::bridge_port(cable, interfaces)?;
            let is_as_wanted = port_of(cable, &ports, interfaces) == Some(wanted);
            if !is_as_wanted || !self.knows(cable, &ports, interfaces)? {
                configure::write_cable(self, cable, interfaces)?;
            }
        }
        self.forget_cables(&wanted, &addresses)?;
        for cable in &spec.cables {
            if !self.watches_cable(&cable.port) {
                let index = interfaces.index(&cable.port)?;
                self.attach_anew(attach::CABLE, &cable.port, index, spec, loaded)?;
            }
        }
        self.detach_others(attach::CABLE, &wanted).map(drop)
    }

    /// Forgets ports that are not wanted and addresses that are not at the end of their cable
    /// any more, with their flows.
    fn forget_cables(
        &self,
        wanted: &HashSet<u32>,
        addresses: &StdHashMap<Ip4, u32>,
    ) -> Result<(), DatapathError> {
        let mut ports: Ports = self.map(maps::BRIDGE_PORTS)?;
        let mut gone = HashSet::new();
        for index in keys(&ports, maps::BRIDGE_PORTS)? {
            if !wanted.contains(&index) {
                ports.remove(&index).map_err(map_error(maps::BRIDGE_PORTS))?;
                gone.insert(index);
            }
        }
        let mut endpoints: Endpoints = self.map(maps::ENDPOINTS)?;
        for address in keys(&endpoints, maps::ENDPOINTS)? {
            if !addresses.contains_key(&address) {
                endpoints.remove(&address).map_err(map_error(maps::ENDPOINTS))?;
            }
        }
        // A flow to an address that is elsewhere by now would go astray.
        self.flush(|flow| {
            gone.contains(&flow.cable)
                || (flow.cable != 0 && addresses.get(&flow.inside) != Some(&flow.cable))
        })?;
        self.flush_mappings(|mapping| !addresses.contains_key(&mapping.inside))
    }

    /// Attaches a program where none, or a dead one, is attached.
    fn attach_anew(
        &self,
        hook: Hook,
        interface: &str,
        index: u32,
        spec: &DatapathSpec,
        loaded: &mut Option<Ebpf>,
    ) -> Result<(), DatapathError> {
        let pin = self.pins.link(hook.program, index);
        if pin.exists() {
            fs::remove_file(&pin).map_err(|cause| pin_error("remove the pin", &pin, cause))?;
        }
        let object = self.loaded(spec, loaded)?;
        attach::attach(object, &self.pins, hook, interface, index)
    }

    /// The object, loaded when the first asks for it.
    fn loaded<'a>(
        &self,
        spec: &DatapathSpec,
        loaded: &'a mut Option<Ebpf>,
    ) -> Result<&'a mut Ebpf, DatapathError> {
        Ok(match loaded {
            Some(object) => object,
            None => loaded.insert(object::load(&self.pins, spec.flow_capacity)?),
        })
    }

    /// Detaches a program from all interfaces but these, and returns the indexes of those.
    fn detach_others(&self, hook: Hook, wanted: &HashSet<u32>) -> Result<Vec<u32>, DatapathError> {
        let mut detached = Vec::new();
        for path in attach::pinned_links(&self.pins, hook.program)? {
            let index =
                path.file_name().and_then(|name| name.to_str()?.rsplit_once('-')?.1.parse().ok());
            let Some(index) = index.filter(|index| !wanted.contains(index)) else { continue };
            fs::remove_file(&path).map_err(|cause| pin_error("remove the pin", &path, cause))?;
            detached.push(index);
        }
        Ok(detached)
    }
}

/// The settings that have a value.
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
    // Of an uplink that is made anew it goes without saying.
    let ends = spec.uplinks.iter().filter_map(|name| {
        let entered = old.far_end(interfaces.index(name).ok()?).is_some();
        let enters = spec.far_ends.iter().any(|(uplink, _)| uplink == name);
        Some((format!("redirect_peer of {name}"), word(entered), word(enters)))
    });
    let changed = timeouts.chain(others).chain(ends).filter(|(_, from, to)| from != to);
    changed.map(|(key, from, to)| DatapathChange::Setting { key, from, to }).collect()
}

/// The rules among changes, by their kind.
fn split(changes: Vec<DatapathChange>) -> (Vec<MasqueradeRule>, Vec<ForwardRule>) {
    let (mut masquerades, mut forwards) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            DatapathChange::Masquerade { rule, .. } => masquerades.push(rule),
            DatapathChange::Forward { rule, .. } => forwards.push(rule),
            DatapathChange::SourceCheck(_)
            | DatapathChange::ViaStack(_)
            | DatapathChange::Setting { .. }
            | DatapathChange::Reassembler
            | DatapathChange::ForwardGuard
            | DatapathChange::Routed { .. }
            | DatapathChange::CableSourceCheck { .. }
            | DatapathChange::Uplink { .. }
            | DatapathChange::Cable { .. } => {}
        }
    }
    (masquerades, forwards)
}

/// What the tables have of a cable.
fn port_of(cable: &CableSpec, ports: &Ports, interfaces: &Interfaces) -> Option<BridgePort> {
    interfaces.index(&cable.port).ok().and_then(|index| ports.get(&index, 0).ok())
}

/// Whether the tables say of a cable that its sources are checked as described.
fn is_checked_as(cable: &CableSpec, known: &BridgePort) -> bool {
    known.source_check == SourceCheck::from_choice(cable.source_check) as u8
}

/// The quota of a cable, of which 0 is none of its own.
fn quota_in_words(quota: u32) -> String {
    if quota == 0 { "as nat.quota".into() } else { quota.to_string() }
}

fn map_error(map: &'static str) -> impl Fn(MapError) -> DatapathError + Copy {
    move |cause| DatapathError::Map { map, cause }
}

fn keys<K: aya::Pod, V: aya::Pod>(
    map: &HashMap<MapData, K, V>,
    name: &'static str,
) -> Result<Vec<K>, DatapathError> {
    map.keys().collect::<Result<Vec<_>, _>>().map_err(map_error(name))
}
