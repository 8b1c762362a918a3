//! Fills the maps that describe the lab: endpoints, ports, addresses, settings.

use std::{collections::HashMap as StdHashMap, fs::File, io::Read as _, net::Ipv4Addr};

use aya::maps::{Array, HashMap, LpmTrie, MapData, lpm_trie::Key};
use ipnet::Ipv4Net;
use netns_common::abi::{
    BridgePort, Endpoint, FlowLayout, HostAddress, Ip4, KEEP_CLASS, KEEP_PARITY, LINKS_NOTED,
    LinkAddress, LinkRole, MAX_INSIDE_PREFIXES, MAX_UPLINKS, MasqueradeKey, PORT_DEVICES_KNOWN,
    PortDevice, Prefix, Settings, SourceCheck, Timeouts, maps,
};
use nix::ifaddrs::getifaddrs;

use super::{
    Datapath, DatapathSpec, RoutedPrefix, batch,
    error::{DatapathError, map_error},
    marks,
    spec::CableSpec,
};
use crate::net::{kernel, netns::own_cookie};

/// The first kernel whose routing table can be queried with a mark (`BPF_FIB_LOOKUP_MARK`):
/// major, minor.
pub(crate) const ROUTE_MARKS: (u32, u32) = (6, 10);

/// The interfaces of the thread's namespace: index and Ethernet address by name.
#[derive(Debug)]
pub(super) struct Interfaces {
    by_name: StdHashMap<String, (u32, [u8; 6])>,
    /// The IPv4 addresses and their interfaces, without loopback.
    addresses: Vec<(String, Ipv4Addr)>,
    /// The broadcast addresses of all interfaces.
    broadcasts: Vec<Ipv4Addr>,
}

impl Interfaces {
    pub(super) fn read() -> Result<Self, DatapathError> {
        let mut interfaces =
            Self { by_name: StdHashMap::new(), addresses: Vec::new(), broadcasts: Vec::new() };
        let list = getifaddrs().map_err(|error| DatapathError::System {
            what: "read the interfaces of the router's namespace",
            cause: error.into(),
        })?;
        for entry in list {
            let Some(address) = entry.address else { continue };
            if let Some(link) = address.as_link_addr() {
                let index = u32::try_from(link.ifindex()).unwrap_or(0);
                let mac = link.addr().unwrap_or_default();
                interfaces.by_name.insert(entry.interface_name, (index, mac));
            } else if let Some(inet) = address.as_sockaddr_in()
                && !inet.ip().is_loopback()
            {
                // An address with a label is listed under the label, which begins with the name of
                // the link.
                let name = entry.interface_name.split(':').next().unwrap_or_default();
                interfaces.addresses.push((name.to_owned(), inet.ip()));
                let mask = entry.netmask.and_then(|mask| Some(mask.as_sockaddr_in()?.ip()));
                // Subnets of one or two addresses have none (RFC 3021).
                if let Some(mask) = mask.filter(|mask| u32::from(*mask) < u32::MAX - 1) {
                    let last = u32::from(inet.ip()) | !u32::from(mask);
                    interfaces.broadcasts.push(Ipv4Addr::from(last));
                }
            }
        }
        Ok(interfaces)
    }

    /// The IPv4 addresses of all interfaces, without loopback.
    pub(super) fn addresses(&self) -> Vec<Ipv4Addr> {
        self.addresses.iter().map(|(_, address)| *address).collect()
    }

    /// The IPv4 addresses of one interface.
    pub(super) fn addresses_of(&self, name: &str) -> Vec<Ipv4Addr> {
        let own = self.addresses.iter().filter(|(owner, _)| owner == name);
        own.map(|(_, address)| *address).collect()
    }

    pub(super) fn get(&self, name: &str) -> Result<(u32, [u8; 6]), DatapathError> {
        self.by_name.get(name).copied().ok_or_else(|| DatapathError::NoInterface(name.to_owned()))
    }

    pub(super) fn index(&self, name: &str) -> Result<u32, DatapathError> {
        self.get(name).map(|(index, _)| index)
    }

    pub(super) fn name(&self, index: u32) -> Option<&str> {
        self.by_name.iter().find(|(_, (i, _))| *i == index).map(|(name, _)| name.as_str())
    }
}

/// Writes the layout of a new flow table for the programs.
pub(super) fn write_flow_layout(datapath: &Datapath, capacity: u32) -> Result<(), DatapathError> {
    let layout = FlowLayout::of(capacity, random_seed()?);
    let mut map: Array<MapData, FlowLayout> = datapath.map(maps::FLOW_LAYOUT)?;
    map.set(0, layout, 0).map_err(map_error(maps::FLOW_LAYOUT))
}

/// Writes the settings of a new lab.
pub(super) fn write_settings(
    datapath: &Datapath,
    spec: &DatapathSpec,
    interfaces: &Interfaces,
) -> Result<(), DatapathError> {
    let settings = settings(spec, interfaces, random_seed()?)?;
    let mut map: Array<MapData, Settings> = datapath.map(maps::SETTINGS)?;
    map.set(0, settings, 0).map_err(map_error(maps::SETTINGS))
}

/// The settings of a description. `seed` is a secret.
pub(super) fn settings(
    spec: &DatapathSpec,
    interfaces: &Interfaces,
    seed: [u64; 2],
) -> Result<Settings, DatapathError> {
    let mut settings = Settings {
        seed,
        router_cookie: own_cookie().map_err(DatapathError::Namespace)?,
        timeouts: spec.timeouts,
        other_nat_timeouts: Timeouts::OF_NETFILTER,
        limits: spec.limits,
        port_min: spec.ports.first(),
        port_max: spec.ports.last(),
        port_keep: KEEP_PARITY * u8::from(spec.keep_parity)
            + KEEP_CLASS * u8::from(spec.keep_class),
        source_check: u8::from(spec.source_check),
        via_stack: u8::from(spec.via_stack),
        routed: u8::from(!spec.routed.is_empty()),
        checksum_partial: marks::checksum_partial(),
        route_marks: u8::from(kernel::release().is_some_and(|release| release >= ROUTE_MARKS)),
        own_namespace: u8::from(spec.own_namespace),
        has_more_inside: u8::from(spec.inside.len() > MAX_INSIDE_PREFIXES),
        ..Settings::default()
    };
    for (slot, net) in settings.inside.iter_mut().zip(&spec.inside) {
        *slot = prefix(net);
        settings.inside_count += 1;
    }
    settings.uplink_count = fill(
        &mut settings.uplinks,
        spec.uplinks.iter().map(|name| interfaces.index(name)),
        MAX_UPLINKS,
        "uplinks",
    )?;
    for (index, name) in spec.uplinks.iter().enumerate() {
        let own = interfaces.addresses_of(name);
        let is_primary = |address: &&Ipv4Addr| {
            spec.primary_addresses
                .iter()
                .any(|(uplink, primary)| uplink == name && primary == *address)
        };
        // The kernel's order is not that of the file.
        let first = own.iter().find(is_primary).or(own.first());
        settings.externals[index] = first.map_or(Ip4::UNSPECIFIED, |address| Ip4::from(*address));
        if let Some((_, mac)) = spec.far_ends.iter().find(|(uplink, _)| uplink == name) {
            settings.far_ends |= 1 << index;
            settings.far_macs[index] = *mac;
        }
    }
    Ok(settings)
}

fn fill<T>(
    slots: &mut [T],
    values: impl ExactSizeIterator<Item = Result<T, DatapathError>>,
    limit: usize,
    what: &str,
) -> Result<u32, DatapathError> {
    let count = values.len();
    if count > limit {
        return Err(DatapathError::Limit(format!(
            "the lab has {count} {what}, but the datapath can hold at most {limit}: split the lab, \
             or use fewer and larger subnets"
        )));
    }
    for (slot, value) in slots.iter_mut().zip(values) {
        *slot = value?;
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn prefix(net: &Ipv4Net) -> Prefix {
    Prefix::new(Ip4::from(net.network()), net.prefix_len())
}

/// The entry of a cable's end in the router.
pub(super) fn bridge_port(
    cable: &CableSpec,
    interfaces: &Interfaces,
) -> Result<BridgePort, DatapathError> {
    let (bridge, bridge_mac) = interfaces.get(&cable.bridge)?;
    let source_check = SourceCheck::from_choice(cable.source_check) as u8;
    Ok(BridgePort {
        bridge,
        bridge_mac,
        source_check,
        mac: cable.mac,
        quota: cable.quota.unwrap_or_default(),
        ..BridgePort::default()
    })
}

/// The entry of a cable's end in the namespace. `index` is that of the end in the router.
pub(super) fn endpoint(cable: &CableSpec, index: u32, port: &BridgePort) -> Endpoint {
    Endpoint { cable: index, bridge: port.bridge, mac: cable.mac, padding: [0; 2] }
}

/// Writes the entries of a cable.
pub(super) fn write_cable(
    datapath: &Datapath,
    cable: &CableSpec,
    interfaces: &Interfaces,
) -> Result<(), DatapathError> {
    let index = interfaces.index(&cable.port)?;
    let port = bridge_port(cable, interfaces)?;
    let mut ports: HashMap<MapData, u32, BridgePort> = datapath.map(maps::BRIDGE_PORTS)?;
    ports.insert(index, port, 0).map_err(map_error(maps::BRIDGE_PORTS))?;
    // The bridge of the port may have changed.
    let mut devices: Array<MapData, PortDevice> = datapath.map(maps::PORT_DEVICES)?;
    devices
        .set(index % PORT_DEVICES_KNOWN, PortDevice::default(), 0)
        .map_err(map_error(maps::PORT_DEVICES))?;
    let mut endpoints: HashMap<MapData, Ip4, Endpoint> = datapath.map(maps::ENDPOINTS)?;
    for address in &cable.addresses {
        endpoints
            .insert(Ip4::from(*address), endpoint(cable, index, &port), 0)
            .map_err(map_error(maps::ENDPOINTS))?;
    }
    Ok(())
}

impl Datapath {
    /// Updates the addresses of the router. Must run inside its namespace.
    pub fn refresh_host_addresses(&self) -> Result<(), DatapathError> {
        write_host_addresses(self, &Interfaces::read()?).map(drop)
    }
}

/// Writes the router's present addresses and the broadcast addresses of its links. Returns the
/// addresses that the router has lost.
pub(super) fn write_host_addresses(
    datapath: &Datapath,
    interfaces: &Interfaces,
) -> Result<Vec<Ip4>, DatapathError> {
    let error = map_error(maps::HOST_ADDRESSES);
    let mut map: HashMap<MapData, Ip4, LinkAddress> = datapath.map(maps::HOST_ADDRESSES)?;
    let entry = |address: &Ipv4Addr, kind: HostAddress, link| {
        (Ip4::from(*address), LinkAddress { kind: kind as u32, link })
    };
    let mut wanted: StdHashMap<Ip4, LinkAddress> = interfaces
        .broadcasts
        .iter()
        .map(|address| entry(address, HostAddress::Broadcast, 0))
        .collect();
    for (name, address) in &interfaces.addresses {
        wanted.extend([entry(address, HostAddress::Own, interfaces.index(name).unwrap_or(0))]);
    }
    for (address, of_link) in &wanted {
        map.insert(address, of_link, 0).map_err(error)?;
    }
    let mut gone = map.keys().collect::<Result<Vec<_>, _>>().map_err(error)?;
    gone.retain(|address| !wanted.contains_key(address));
    for address in &gone {
        map.remove(address).map_err(error)?;
    }
    Ok(gone)
}

/// Writes the role of each link. New entries are written before old ones are removed: a link of the
/// lab never counts as a foreign one.
pub(super) fn write_links(
    datapath: &Datapath,
    links: &StdHashMap<u32, LinkRole>,
) -> Result<(), DatapathError> {
    let error = map_error(maps::LINK_ROLES);
    let mut map: HashMap<MapData, u32, u32> = datapath.map(maps::LINK_ROLES)?;
    for (index, role) in links {
        map.insert(index, *role as u32, 0).map_err(error)?;
    }
    let old = map.keys().collect::<Result<Vec<_>, _>>().map_err(error)?;
    let mut is_any_gone = false;
    for index in old.iter().filter(|index| !links.contains_key(index)) {
        map.remove(index).map_err(error)?;
        is_any_gone = true;
    }
    if is_any_gone { forget_noted_links(datapath) } else { Ok(()) }
}

/// Makes the programs find out again which links are the lab's.
pub(super) fn forget_noted_links(datapath: &Datapath) -> Result<(), DatapathError> {
    let map_data = datapath.open_map(maps::LAB_LINKS)?;
    let words: Vec<(u32, u64)> = batch::elements(&map_data, 0, LINKS_NOTED / u64::BITS)
        .map_err(map_error(maps::LAB_LINKS))?;
    let mut map: Array<MapData, u64> = datapath.map(maps::LAB_LINKS)?;
    for (number, _) in words.iter().filter(|(_, word)| *word != 0) {
        map.set(*number, 0, 0).map_err(map_error(maps::LAB_LINKS))?;
    }
    Ok(())
}

/// The roles of the links of a description.
pub(super) fn links(
    spec: &DatapathSpec,
    interfaces: &Interfaces,
) -> Result<StdHashMap<u32, LinkRole>, DatapathError> {
    let lab = spec.lab_links.iter().map(|name| (name, LinkRole::Lab));
    let uplinks = spec.uplinks.iter().map(|name| (name, LinkRole::Uplink));
    lab.chain(uplinks).map(|(name, role)| Ok((interfaces.index(name)?, role))).collect()
}

/// Writes the external addresses of translated packets. None is removed: a flow may still use it.
pub(super) fn write_externals(
    datapath: &Datapath,
    uplinks: &[String],
    interfaces: &Interfaces,
) -> Result<(), DatapathError> {
    let error = map_error(maps::EXTERNALS);
    let mut map: HashMap<MapData, Ip4, u32> = datapath.map(maps::EXTERNALS)?;
    for address in uplinks.iter().flat_map(|name| interfaces.addresses_of(name)) {
        map.insert(Ip4::from(address), 1, 0).map_err(error)?;
    }
    Ok(())
}

/// Writes the sources that may leave untranslated. Returns those that were added or removed.
pub(super) fn write_routed(
    datapath: &Datapath,
    spec: &DatapathSpec,
    interfaces: &Interfaces,
) -> Result<Vec<(u32, Prefix)>, DatapathError> {
    let error = map_error(maps::ROUTED);
    let mut map: LpmTrie<MapData, MasqueradeKey, u32> = datapath.map(maps::ROUTED)?;
    let mut wanted = Vec::new();
    for RoutedPrefix { uplink, source } in &spec.routed {
        wanted.push((interfaces.index(uplink)?, prefix(source)));
    }
    let old = routed(datapath)?;
    for (uplink, source) in old.iter().filter(|entry| !wanted.contains(entry)) {
        map.remove(&routed_key(*uplink, *source)).map_err(error)?;
    }
    for (uplink, source) in wanted.iter().filter(|entry| !old.contains(entry)) {
        map.insert(&routed_key(*uplink, *source), 1, 0).map_err(error)?;
    }
    let changed = |other: &[(u32, Prefix)], entry: &&(u32, Prefix)| !other.contains(entry);
    let gone = old.iter().filter(|entry| changed(&wanted, entry));
    Ok(gone.chain(wanted.iter().filter(|entry| changed(&old, entry))).copied().collect())
}

/// The sources that may leave untranslated, each with the index of its uplink.
pub(super) fn routed(datapath: &Datapath) -> Result<Vec<(u32, Prefix)>, DatapathError> {
    let map: LpmTrie<MapData, MasqueradeKey, u32> = datapath.map(maps::ROUTED)?;
    let entry = |key: Key<MasqueradeKey>| {
        let length = key.prefix_len().saturating_sub(MasqueradeKey::UPLINK_BITS);
        let MasqueradeKey { uplink, source } = key.data();
        (uplink, Prefix::new(source, u8::try_from(length).unwrap_or(32)))
    };
    let keys = map.keys().map(|key| key.map(entry));
    keys.collect::<Result<_, _>>().map_err(map_error(maps::ROUTED))
}

fn routed_key(uplink: u32, source: Prefix) -> Key<MasqueradeKey> {
    let length = source.mask.to_network().count_ones();
    let key = MasqueradeKey { uplink, source: source.network };
    Key::new(MasqueradeKey::UPLINK_BITS + length, key)
}

/// 16 random bytes.
fn random_seed() -> Result<[u64; 2], DatapathError> {
    let read = || {
        let mut source = File::open("/dev/urandom")?;
        let mut word = || {
            let mut bytes = [0; 8];
            source.read_exact(&mut bytes).map(|()| u64::from_ne_bytes(bytes))
        };
        Ok([word()?, word()?])
    };
    read().map_err(|cause| DatapathError::System { what: "read /dev/urandom", cause })
}
