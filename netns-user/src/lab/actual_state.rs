//! The actual state of a lab: the resources that the kernel has now.
//!
//! It reads namespaces, links, addresses and routes through `net`, and compares them with the
//! resources of the record only to know which are the lab's.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    error::LabError,
    record::{LabRecord, NamespaceOwner},
    resources::{CableResource, Key, LinkSettings, Resource, addresses::LinkAddresses},
};
use crate::{
    net::{
        BRIDGE, Interface, Link, NetError, Netlink, Netns, VETH,
        hosts::{links, shared},
        netns::Visitor,
        resolver, sysctl,
    },
    topology::Route,
};

/// The namespaces of a lab, as the kernel has them.
#[derive(Debug)]
pub(super) struct ActualState {
    namespaces: HashMap<Netns, Snapshot>,
    /// Names of the lab's namespaces that were half made or half deleted when a process was killed.
    /// They are not in `namespaces`.
    half_made: Vec<String>,
    /// Names of the lab's ports at each bridge.
    ports: HashMap<Interface, Vec<String>>,
}

/// The state of one namespace.
#[derive(Debug)]
struct Snapshot {
    links: HashMap<String, Link>,
    /// Names of links by index.
    names: HashMap<u32, String>,
    /// The addresses of each link by its index, in the kernel's order.
    addresses: HashMap<u32, Vec<Ipv4Net>>,
    routes: HashMap<(Ipv4Net, u32), FoundRoute>,
    forwarding: bool,
}

/// A route that was found.
#[derive(Clone, Copy, Debug)]
struct FoundRoute {
    via: Option<Ipv4Addr>,
    /// Index of the link.
    link: Option<u32>,
    by_hand: bool,
}

impl ActualState {
    /// Reads the namespaces of these resources. Namespaces that the lab did not make are left out.
    pub(super) fn of(record: &LabRecord, resources: &[Resource]) -> Result<Self, LabError> {
        let machine = Snapshot::read()?;
        let mut actual_state =
            Visitor::send(|visitor| Self::of_namespaces(record, resources, visitor))?;
        actual_state.namespaces.insert(Netns::Machine, machine);
        Ok(actual_state)
    }

    /// Reads the machine's own namespace alone.
    pub(super) fn of_machine(resources: &[Resource]) -> Result<Self, LabError> {
        let namespaces = HashMap::from([(Netns::Machine, Snapshot::read()?)]);
        Ok(Self { namespaces, half_made: Vec::new(), ports: ports(resources) })
    }

    fn of_namespaces(
        record: &LabRecord,
        resources: &[Resource],
        visitor: &Visitor,
    ) -> Result<Self, LabError> {
        let mut namespaces = HashMap::new();
        let mut half_made = Vec::new();
        let names = resources.iter().filter_map(|resource| match resource {
            Resource::Namespace { name, .. } => Some(name),
            _ => None,
        });
        for name in names {
            if record.owner_of(name, visitor)? != NamespaceOwner::Own {
                continue;
            }
            if record.is_half_made(name) {
                half_made.push(name.clone());
                continue;
            }
            match visitor.look(name, Snapshot::read) {
                Ok(snapshot) => {
                    namespaces.insert(Netns::Named(name.clone()), snapshot?);
                }
                Err(NetError::DeadNamespace(_)) => half_made.push(name.clone()),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { namespaces, half_made, ports: ports(resources) })
    }

    /// Names of namespaces of the lab that cannot be used and have to be deleted before new ones
    /// can be made.
    pub(super) fn half_made(&self) -> &[String] {
        &self.half_made
    }

    /// Whether the namespace exists.
    pub(super) fn has(&self, netns: &Netns) -> bool {
        self.namespaces.contains_key(netns)
    }

    /// Whether the namespace forwards packets between its links.
    pub(super) fn forwards(&self, netns: &Netns) -> bool {
        self.namespaces.get(netns).is_some_and(|netns| netns.forwarding)
    }

    /// The link of an interface.
    pub(super) fn link(&self, interface: &Interface) -> Option<&Link> {
        self.namespaces.get(&interface.netns)?.links.get(&interface.name)
    }

    /// The addresses of an interface in the kernel's order, including those that others have added.
    fn addresses(&self, interface: &Interface) -> &[Ipv4Net] {
        let netns = self.namespaces.get(&interface.netns);
        let held = netns.and_then(|netns| {
            let link = netns.links.get(&interface.name)?;
            netns.addresses.get(&link.index)
        });
        held.map_or(&[], Vec::as_slice)
    }

    /// The addresses of all interfaces to which the resources give an address.
    pub(super) fn link_addresses(&self, resources: &[Resource]) -> LinkAddresses {
        let mut all = LinkAddresses::default();
        for resource in resources {
            if let Resource::Address { interface, .. } = resource
                && !all.has(interface)
            {
                all.insert(interface, self.addresses(interface));
            }
        }
        all
    }

    /// The resources that exist, with their actual settings.
    pub(super) fn actual(&self, resources: &[Resource]) -> Vec<Resource> {
        let mut actual: Vec<Resource> =
            resources.iter().filter_map(|resource| self.read_resource(resource)).collect();
        let cables = actual.iter().filter_map(|resource| match resource {
            Resource::Cable(cable) if !cable.is_broken() => Some([&cable.near, &cable.far]),
            _ => None,
        });
        // The end that is left of a cable may be that of a new one, which has its name and address.
        let used: HashSet<Interface> = cables.flatten().cloned().collect();
        actual.retain(|resource| match resource {
            Resource::Cable(cable) => !cable.is_broken() || !used.contains(&cable.near),
            _ => true,
        });
        actual
    }

    /// A resource with its actual settings; `None` if it does not exist. Settings that the resource
    /// does not ask for are left out.
    pub(super) fn read_resource(&self, resource: &Resource) -> Option<Resource> {
        match resource {
            Resource::Namespace { name, .. } => {
                let snapshot = self.namespaces.get(&Netns::named(name))?;
                let lo = snapshot.links.get("lo");
                Some(Resource::Namespace {
                    name: name.clone(),
                    forwarding: snapshot.forwarding,
                    lo_up: lo.is_some_and(|lo| lo.up),
                    // `lo` cannot be deleted, so it shows the setting for all links.
                    ipv6: lo.and_then(|lo| lo.ipv6).unwrap_or(false),
                })
            }
            Resource::Bridge { interface, settings } => {
                let link = self.bridge(interface, settings)?;
                let settings = LinkSettings::of(link, settings);
                Some(Resource::Bridge { interface: interface.clone(), settings })
            }
            Resource::Cable(cable) => self.cable(cable).map(Resource::Cable),
            Resource::Address { interface, address } => {
                self.addresses(interface).contains(address).then(|| resource.clone())
            }
            Resource::Route { netns, route, waits } => {
                let snapshot = self.namespaces.get(netns)?;
                let found = snapshot.routes.get(&(route.to, route.metric))?;
                let name = || snapshot.names.get(&found.link?).cloned();
                let interface = route.interface.as_ref().and_then(|_| name());
                let (to, metric) = (route.to, route.metric);
                let route = Route { to, via: found.via, interface, metric };
                Some(Resource::Route { netns: netns.clone(), route, waits: *waits })
            }
            Resource::Resolver { namespace, servers } => {
                let servers = resolver::servers(namespace, servers)?;
                Some(Resource::Resolver { namespace: namespace.clone(), servers })
            }
            Resource::HostsLink { namespace, lab } => {
                links::is_settled(namespace, lab).then(|| resource.clone())
            }
            Resource::Hosts { lab, .. } => {
                let entries = shared::entries(lab)?;
                Some(Resource::Hosts { lab: lab.clone(), entries })
            }
        }
    }

    /// The bridge, if it is the lab's. On the machine, a bridge that somebody else has made under
    /// this name has another Ethernet address and none of the lab's ports. In a namespace of the
    /// lab, every bridge is the lab's.
    fn bridge(&self, interface: &Interface, settings: &LinkSettings) -> Option<&Link> {
        let bridge = self.link(interface).filter(|link| link.is(BRIDGE))?;
        let has_port = || {
            let ports = self.ports.get(interface).into_iter().flatten();
            let mut ports =
                ports.filter_map(|port| self.link(&Interface::new(interface.netns.clone(), port)));
            ports.any(|port| port.bridge == Some(bridge.index))
        };
        let is_own = bridge.mac == settings.mac || interface.netns != Netns::Machine || has_port();
        is_own.then_some(bridge)
    }

    /// The cable, if it is the lab's. If one end exists without the other, it is a broken cable,
    /// which has to be deleted.
    fn cable(&self, cable: &CableResource) -> Option<CableResource> {
        let veth = |interface: &Interface| self.link(interface).filter(|link| link.is(VETH));
        let (near, far) = (veth(&cable.near), veth(&cable.far));
        if let (Some(near), Some(far)) = (near, far)
            && near.peer.is_some_and(|peer| peer.index == far.index)
        {
            let netns = self.namespaces.get(&cable.near.netns)?;
            return Some(CableResource {
                bridge: near.bridge.and_then(|index| netns.names.get(&index).cloned()),
                settings: [
                    LinkSettings::of(near, &cable.settings[0]),
                    LinkSettings::of(far, &cable.settings[1]),
                ],
                ..cable.clone()
            });
        }
        if near.is_some_and(|near| self.is_near_end_of(near, cable)) {
            return Some(cable.broken(&cable.near));
        }
        far.filter(|far| far.mac == cable.settings[1].mac).map(|_| cable.broken(&cable.far))
    }

    /// Whether an interface is the near end of a cable of the lab although the far end is not
    /// found: it is a port of the lab's bridge, or its far end has another name now.
    fn is_near_end_of(&self, near: &Link, cable: &CableResource) -> bool {
        let bridge =
            cable.bridge.as_ref().map(|name| Interface::new(cable.near.netns.clone(), name));
        let plugged = bridge.and_then(|interface| self.link(&interface)).map(|bridge| bridge.index);
        let renamed = self.namespaces.get(&cable.far.netns).is_some_and(|netns| {
            let mut links = netns.links.values();
            links.any(|far| {
                near.peer.is_some_and(|peer| peer.index == far.index)
                    && far.mac == cable.settings[1].mac
            })
        });
        renamed || (plugged.is_some() && near.bridge == plugged)
    }

    /// Addresses of the lab's links, and routes over them, that somebody has added by hand.
    pub(super) fn added(&self, resources: &[Resource]) -> Vec<Resource> {
        let known: HashSet<Key> = resources.iter().map(Resource::key).collect();
        let mut added = Vec::new();
        for interface in resources.iter().flat_map(Resource::interfaces) {
            let addresses = self.addresses(interface).iter();
            added.extend(addresses.map(|address| Resource::Address {
                interface: interface.clone(),
                address: *address,
            }));
            let Some(snapshot) = self.namespaces.get(&interface.netns) else { continue };
            let link = snapshot.links.get(&interface.name).map(|link| link.index);
            let routes = snapshot.routes.iter().filter(|(_, it)| it.by_hand && it.link == link);
            added.extend(routes.map(|((to, metric), found)| {
                let out = Some(interface.name.clone());
                let route = Route { to: *to, via: found.via, interface: out, metric: *metric };
                Resource::Route { netns: interface.netns.clone(), route, waits: false }
            }));
        }
        added.retain(|resource| !known.contains(&resource.key()));
        added.sort_by_cached_key(|resource| resource.describe());
        added
    }

    /// The resources that do not exist.
    pub(super) fn missing<'p>(&self, resources: &'p [Resource]) -> Vec<&'p Resource> {
        let there: HashSet<Key> = self.actual(resources).iter().map(Resource::key).collect();
        resources.iter().filter(|resource| !there.contains(&resource.key())).collect()
    }
}

/// Names of the ports that each bridge should have.
fn ports(resources: &[Resource]) -> HashMap<Interface, Vec<String>> {
    let mut ports: HashMap<Interface, Vec<String>> = HashMap::new();
    for resource in resources {
        if let Resource::Cable(CableResource { near, bridge: Some(bridge), .. }) = resource {
            let bridge = Interface::new(near.netns.clone(), bridge);
            ports.entry(bridge).or_default().push(near.name.clone());
        }
    }
    ports
}

impl Snapshot {
    /// Reads the calling thread's namespace.
    fn read() -> Result<Self, NetError> {
        let netlink = Netlink::open()?;
        let links = netlink.links()?;
        let names = links.iter().map(|link| (link.index, link.name.clone())).collect();
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        };
        let mut addresses: HashMap<u32, Vec<Ipv4Net>> = HashMap::new();
        for held in netlink.addresses()? {
            addresses.entry(held.link).or_default().extend(v4(held.address));
        }
        let routes = netlink.routes()?.into_iter().filter_map(|route| {
            let via = route.gateway.and_then(|gateway| match gateway {
                IpAddr::V4(gateway) => Some(gateway),
                IpAddr::V6(_) => None,
            });
            let found = FoundRoute { via, link: route.link, by_hand: route.by_hand };
            Some(((v4(route.destination)?, route.metric), found))
        });
        Ok(Self {
            names,
            addresses,
            routes: routes.collect(),
            forwarding: sysctl::read(sysctl::IP_FORWARD)? == "1",
            links: links.into_iter().map(|link| (link.name.clone(), link)).collect(),
        })
    }
}
