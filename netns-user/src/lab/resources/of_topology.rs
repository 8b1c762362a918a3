//! The resources of a topology, in the order in which they can be made.

use std::collections::HashSet;

use ipnet::Ipv4Net;

use super::{CableResource, LinkSettings, Resource, gates, hosts};
use crate::{
    net::{ETHERNET_MTU, Interface, Mac, Netns},
    topology::{CableEnd, Far, Namespace, Route, Topology, Uplink},
};

/// All resources of a lab. Those in one namespace come together, so that the namespace is entered
/// only once.
pub(in crate::lab) fn resources(topology: &Topology) -> Vec<Resource> {
    let gates = gates::gates(topology).into_iter().collect();
    let outsides = topology
        .outsides()
        .map(|outside| Interface::new(Netns::named(&outside.namespace), &outside.interface))
        .collect();
    let mut builder = Builder { topology, gates, outsides, resources: Vec::new() };
    builder.routers();
    builder.outsides();
    builder.bridges();
    for uplink in &topology.uplinks {
        builder.uplink(uplink);
    }
    for namespace in &topology.namespaces {
        builder.namespace(namespace);
    }
    builder.cables();
    builder.late_routes();
    builder.hosts();
    builder.resources
}

/// The interfaces that a lab makes in the machine's own namespace.
pub(in crate::lab) fn machine_interfaces(topology: &Topology) -> Vec<Interface> {
    let interfaces = resources(topology).into_iter().flat_map(|resource| match resource {
        Resource::Bridge { interface, .. } => vec![interface],
        Resource::Cable(CableResource { near, far, .. }) => vec![near, far],
        _ => Vec::new(),
    });
    interfaces.filter(|interface| interface.netns == Netns::Machine).collect()
}

struct Builder<'a> {
    topology: &'a Topology,
    /// The gates, which are closed until they are guarded.
    gates: HashSet<Interface>,
    /// The far ends of uplinks, in networks outside.
    outsides: HashSet<Interface>,
    resources: Vec<Resource>,
}

impl Builder<'_> {
    fn routers(&mut self) {
        for router in &self.topology.routers {
            if let Some(name) = &router.namespace {
                self.add_namespace(name, true);
            }
        }
    }

    /// Several uplinks may lead to the same network outside.
    fn outsides(&mut self) {
        let mut seen = HashSet::new();
        let mut answered = HashSet::new();
        for outside in self.topology.outsides() {
            let netns = Netns::named(&outside.namespace);
            if seen.insert(&outside.namespace) {
                self.add_namespace(&outside.namespace, false);
            }
            let answers = outside.answers.iter();
            for answer in answers.filter(|answer| answered.insert((&outside.namespace, **answer))) {
                self.address(Interface::new(netns.clone(), "lo"), Ipv4Net::from(*answer));
            }
        }
    }

    fn bridges(&mut self) {
        for bridge in &self.topology.bridges {
            let interface = Interface::new(Netns::of(bridge.router.as_deref()), &bridge.name);
            let mac = Some(Mac::from_names(&[&self.topology.name, &bridge.name]));
            let settings = LinkSettings { mac, mtu: bridge.mtu, up: true, ipv6: Some(false) };
            self.resources.push(Resource::Bridge { interface: interface.clone(), settings });
            self.address(interface, bridge.address);
        }
    }

    fn uplink(&mut self, uplink: &Uplink) {
        let Some(far) = &uplink.far else { return };
        let own = Interface::new(Netns::of(uplink.router.as_deref()), &uplink.name);
        match far {
            Far::Outside(outside) => {
                let interface =
                    Interface::new(Netns::named(&outside.namespace), &outside.interface);
                self.cable(own.clone(), interface.clone(), None, uplink.mtu);
                // The outside has no route to the lab's subnets: packets that are not translated
                // get no answer.
                self.address(interface.clone(), outside.address);
                self.routes_beyond(uplink, &interface, true);
            }
            Far::Plug(plug) => {
                let bridge = self.topology.bridge(&plug.bridge);
                let netns = Netns::of(bridge.and_then(|bridge| bridge.router.as_deref()));
                let interface = Interface::new(netns, &plug.port);
                let mtu = uplink.mtu.or(bridge.and_then(|bridge| bridge.mtu));
                let bridge = Interface::new(interface.netns.clone(), &plug.bridge);
                self.cable(interface, own.clone(), Some(plug.bridge.clone()), mtu);
                self.routes_beyond(uplink, &bridge, false);
            }
        }
        for address in &uplink.addresses {
            self.address(own.clone(), *address);
        }
        if let Some(gateway) = uplink.gateway {
            // The default route of the first uplink has the lowest metric; the others are spare.
            let before = self.topology.uplinks_of(uplink.router.as_deref());
            let rank = before.take_while(|other| other.name != uplink.name).count();
            let metric = u32::try_from(rank).unwrap_or(u32::MAX);
            self.default_route(own.netns, gateway, metric);
        }
    }

    /// Routes, at the far end of an uplink, to its addresses that are in no subnet there. They lead
    /// to its first address, unless the router there has a route of its own.
    fn routes_beyond(&mut self, uplink: &Uplink, out: &Interface, waits: bool) {
        let via = uplink.primary().map(|primary| primary.addr());
        let mut routers = self.topology.routers.iter();
        let there = routers.find(|router| Netns::of(router.namespace.as_deref()) == out.netns);
        let own = there.map_or(&[][..], |router| &router.routes);
        let beyond = uplink.addresses_beyond().map(Ipv4Net::from);
        let beyond = beyond.filter(|to| !own.iter().any(|it| it.to == *to && it.metric == 0));
        self.resources.extend(beyond.map(|to| {
            let interface = Some(out.name.clone());
            let route = Route { to, via, interface, metric: 0 };
            Resource::Route { netns: out.netns.clone(), route, waits }
        }));
    }

    fn namespace(&mut self, namespace: &Namespace) {
        let Namespace { name, plug, forwarding, dns, .. } = namespace;
        let netns = Netns::named(name);
        self.add_namespace(name, *forwarding);
        if let Some(plug) = plug {
            let bridge = self.topology.bridge(&plug.bridge);
            let router = Netns::of(bridge.and_then(|bridge| bridge.router.as_deref()));
            let interface = Interface::new(netns.clone(), &plug.interface);
            let port = Interface::new(router, &plug.port);
            self.cable(port, interface.clone(), Some(plug.bridge.clone()), plug.mtu);
            self.address(interface, plug.address);
            if let Some(gateway) = plug.gateway {
                self.default_route(netns.clone(), gateway, 0);
            }
        }
        self.routes(&netns, early_routes(namespace));
        if !dns.is_empty() {
            self.resources
                .push(Resource::Resolver { namespace: name.clone(), servers: dns.clone() });
        }
    }

    fn cables(&mut self) {
        for cable in &self.topology.cables {
            let interface =
                |side: &CableEnd| Interface::new(Netns::named(&side.namespace), &side.interface);
            let (near, far) = self.topology.near_and_far(cable);
            self.cable(interface(near), interface(far), None, cable.mtu);
            for side in [&cable.a, &cable.b] {
                if let Some(address) = side.address {
                    self.address(interface(side), address);
                }
            }
        }
    }

    /// Routes that may lead over cables, which are made last.
    fn late_routes(&mut self) {
        for router in &self.topology.routers {
            self.routes(&Netns::of(router.namespace.as_deref()), router.routes.iter());
        }
        for namespace in &self.topology.namespaces {
            self.routes(&Netns::named(&namespace.name), late_routes(namespace));
        }
    }

    /// The shared hosts file; the links to it come with their namespaces.
    fn hosts(&mut self) {
        if self.topology.namespace_names().next().is_some() {
            let (lab, entries) = (self.topology.name.clone(), hosts::entries(self.topology));
            self.resources.push(Resource::Hosts { lab, entries });
        }
    }

    /// A namespace and its link to the shared hosts file.
    fn add_namespace(&mut self, name: &str, forwarding: bool) {
        let (name, lab) = (name.to_owned(), self.topology.name.clone());
        let namespace = name.clone();
        let added = Resource::Namespace { name, forwarding, lo_up: true, ipv6: false };
        self.resources.extend([added, Resource::HostsLink { namespace, lab }]);
    }

    fn cable(&mut self, near: Interface, far: Interface, bridge: Option<String>, mtu: Option<u32>) {
        let mac = Mac::from_names(&[
            &self.topology.name,
            far.netns.name().unwrap_or_default(),
            &far.name,
        ]);
        let gates = [&near, &far]
            .into_iter()
            .filter(|interface| self.gates.contains(interface))
            .cloned()
            .collect();
        let waits = self.outsides.contains(&far);
        let settings = |mac, ipv6| LinkSettings {
            mac,
            mtu: Some(mtu.unwrap_or(ETHERNET_MTU)),
            up: true,
            ipv6,
        };
        // In a namespace of the lab, IPv6 is off for all links; on the machine it is switched off
        // for each port.
        let far_ipv6 = far.netns.name().map(|_| false);
        let settings = [settings(None, Some(false)), settings(Some(mac), far_ipv6)];
        let cable = CableResource { near, far, settings, bridge, gates, waits };
        self.resources.push(Resource::Cable(cable));
    }

    fn address(&mut self, interface: Interface, address: Ipv4Net) {
        self.resources.push(Resource::Address { interface, address });
    }

    fn default_route(&mut self, netns: Netns, gateway: std::net::Ipv4Addr, metric: u32) {
        let to = Ipv4Net::default();
        let route = Route { to, via: Some(gateway), interface: None, metric };
        self.resources.push(Resource::Route { netns, route, waits: false });
    }

    fn routes<'r>(&mut self, netns: &Netns, routes: impl Iterator<Item = &'r Route>) {
        self.resources.extend(routes.map(|route| Resource::Route {
            netns: netns.clone(),
            route: route.clone(),
            waits: false,
        }));
    }
}

/// Whether the route needs only the namespace's own cable to its bridge.
fn is_early(namespace: &Namespace, route: &Route) -> bool {
    namespace.plug.as_ref().is_some_and(|plug| {
        let by_gateway = route.via.is_some_and(|via| plug.address.contains(&via));
        let by_link = route.interface.as_ref().is_none_or(|name| *name == plug.interface);
        (by_gateway || route.via.is_none()) && by_link
    })
}

fn early_routes(namespace: &Namespace) -> impl Iterator<Item = &Route> {
    namespace.routes.iter().filter(|route| is_early(namespace, route))
}

fn late_routes(namespace: &Namespace) -> impl Iterator<Item = &Route> {
    namespace.routes.iter().filter(|route| !is_early(namespace, route))
}
