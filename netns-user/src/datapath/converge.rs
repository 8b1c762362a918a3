//! Changes an installed datapath to a new description: unchanged parts keep their connections.

use std::{
    collections::{HashMap as StdHashMap, HashSet},
    fs,
};

use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use netns_common::abi::{Ip4, LinkRole, Settings, maps};

use super::{
    Datapath, DatapathSpec, Reassembly,
    attach::{self, Hook},
    change::{DatapathChange, Endpoints, Ports, keys, port_of},
    configure::{self, Interfaces},
    error::{DatapathError, map_error},
    object,
    pins::pin_error,
};
use crate::rules::{ForwardRule, MasqueradeRule};

impl Datapath {
    /// Changes the datapath to the description, whatever it was before, as long as it [is
    /// whole](Self::is_whole). Flows end if their cable, uplink, address or rule is removed. Must
    /// run inside the router's namespace.
    pub fn converge(&self, spec: &DatapathSpec) -> Result<(), DatapathError> {
        self.end_dead_log()?;
        if self.flow_capacity()? != spec.flow_capacity || self.pins.has_next_flow_table() {
            self.resize(spec)?;
        }
        let interfaces = Interfaces::read()?;
        let (gone, new) = self.rule_differences(spec)?;
        self.make_forward_guard()?;
        let links = configure::links(spec, &interfaces)?;
        // A new uplink counts as foreign until it is guarded.
        let is_guarded = |index: &u32| self.pins.link(attach::UPLINK[0].program, *index).exists();
        let guarded = links
            .iter()
            .filter(|(index, role)| **role == LinkRole::Lab || is_guarded(index))
            .map(|(index, role)| (*index, *role))
            .collect();
        configure::write_links(self, &guarded)?;
        self.converge_settings(spec, &interfaces)?;
        let gone_addresses = configure::write_host_addresses(self, &interfaces)?;
        configure::write_externals(self, &spec.uplinks, &interfaces)?;
        if !gone_addresses.is_empty() {
            self.flush(|flow| gone_addresses.contains(&flow.external))?;
        }
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
        self.recover_rules()
    }

    /// The secret stays: the ports of existing flows were derived from it.
    fn converge_settings(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
    ) -> Result<(), DatapathError> {
        let old = self.settings()?;
        let new = self.wanted_settings(spec, interfaces, &old)?;
        if new == old {
            return Ok(());
        }
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, new, 0).map_err(map_error(maps::SETTINGS))
    }

    /// The settings for a description, with the present rules.
    pub(super) fn wanted_settings(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
        old: &Settings,
    ) -> Result<Settings, DatapathError> {
        let described = configure::settings(spec, interfaces, old.seed)?;
        let described = Settings { reassembler: old.reassembler, ..described };
        self.as_rules_want(&described)
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
        let endpoints: Endpoints = self.map(maps::ENDPOINTS)?;
        for cable in &spec.cables {
            let index = interfaces.index(&cable.port)?;
            wanted.insert(index);
            addresses.extend(cable.addresses.iter().map(|address| (Ip4::from(*address), index)));
            let wanted = configure::bridge_port(cable, interfaces)?;
            let is_as_wanted = port_of(cable, &ports, interfaces) == Some(wanted);
            if !is_as_wanted || !self.knows(cable, &ports, &endpoints, interfaces) {
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

    /// Removes unwanted ports, and addresses that are no longer at the end of their cable, with
    /// their flows.
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
        if !gone.is_empty() {
            configure::forget_noted_links(self)?;
        }
        let mut endpoints: Endpoints = self.map(maps::ENDPOINTS)?;
        for address in keys(&endpoints, maps::ENDPOINTS)? {
            if !addresses.contains_key(&address) {
                endpoints.remove(&address).map_err(map_error(maps::ENDPOINTS))?;
            }
        }
        // A flow to an address that has moved would go to the wrong cable.
        self.flush(|flow| {
            gone.contains(&flow.cable)
                || (flow.cable != 0 && addresses.get(&flow.inside) != Some(&flow.cable))
        })?;
        self.flush_mappings(|mapping| !addresses.contains_key(&mapping.inside))
    }

    /// Attaches a program to an interface that has none, or a dead one.
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

    /// The object, loaded on first use.
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

    /// Detaches a program from all other interfaces, and returns their indexes.
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

/// The removed or added rules among changes, by their kind.
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
