//! The networks of a lab, and which router leads to each.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use super::{
    model::{Bridge, Cable, Namespace, Route, Router, Topology, Uplink},
    subnets::overlap,
};
use crate::rules::MasqueradeRule;

/// The namespace of a router; `None`: the machine.
type RouterName<'a> = Option<&'a str>;

/// The networks of a lab, each with the router that leads to it.
#[derive(Debug)]
pub struct Networks<'a> {
    uplinks: HashMap<&'a str, RouterName<'a>>,
    /// The routers that have an uplink, each once, in the order of the file.
    with_uplinks: Vec<RouterName<'a>>,
    bridges: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Subnets of cables that have an end in the router.
    cables: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Addresses at the other ends of these cables, and addresses of plugged-in uplinks outside the
    /// subnet of their bridge.
    far_ends: HashMap<Ipv4Addr, Vec<RouterName<'a>>>,
    /// Destinations of routes, without default routes.
    routes: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Networks of namespaces, which no router needs to lead to.
    others: Vec<Ipv4Net>,
}

impl<'a> Networks<'a> {
    /// The networks of a lab with these parts.
    pub(super) fn new(
        routers: impl Iterator<Item = &'a Router>,
        uplinks: impl Iterator<Item = &'a Uplink>,
        bridges: impl Iterator<Item = &'a Bridge>,
        namespaces: impl Iterator<Item = &'a Namespace>,
        cables: impl Iterator<Item = &'a Cable>,
    ) -> Self {
        let routers: Vec<&Router> = routers.collect();
        let bridges: Vec<&Bridge> = bridges.collect();
        let mut networks = Self {
            uplinks: HashMap::new(),
            with_uplinks: Vec::new(),
            bridges: bridges
                .iter()
                .map(|bridge| (bridge.router.as_deref(), bridge.address))
                .collect(),
            cables: Vec::new(),
            far_ends: HashMap::new(),
            routes: Vec::new(),
            others: Vec::new(),
        };
        let mut seen = HashSet::new();
        for uplink in uplinks {
            let router = uplink.router.as_deref();
            // Two with one name are a fault that is reported: the first one counts.
            networks.uplinks.entry(&uplink.name).or_insert(router);
            if seen.insert(router) {
                networks.with_uplinks.push(router);
            }
            let plugged = uplink
                .plug()
                .and_then(|plug| bridges.iter().find(|bridge| bridge.name == plug.bridge));
            if let Some(bridge) = plugged {
                networks.add_beyond(uplink, bridge.router.as_deref());
            }
        }
        let names = routers.iter().filter_map(|router| router.namespace.as_deref()).collect();
        for cable in cables {
            networks.add_cable(cable, &names);
        }
        for router in &routers {
            let name = router.namespace.as_deref();
            networks.routes.extend(destinations(&router.routes).map(|to| (name, to)));
        }
        networks.others.extend(namespaces.flat_map(|namespace| destinations(&namespace.routes)));
        networks
    }

    /// The addresses of an uplink outside the subnet of the bridge that it is plugged into. The
    /// bridge's router has a route to each.
    fn add_beyond(&mut self, uplink: &Uplink, router: RouterName<'a>) {
        for address in uplink.addresses_beyond() {
            self.routes.push((router, address.into()));
            self.far_ends.entry(address).or_default().push(router);
        }
    }

    fn add_cable(&mut self, cable: &'a Cable, routers: &HashSet<&str>) {
        let subnets = || [cable.a.address, cable.b.address].into_iter().flatten();
        self.others.extend(subnets());
        for (end, far) in [(&cable.a, &cable.b), (&cable.b, &cable.a)] {
            let name = end.namespace.as_str();
            if !routers.contains(name) {
                continue;
            }
            // Each end with a prefix length of 32 has a subnet of its own.
            self.cables.extend(subnets().map(|subnet| (Some(name), subnet)));
            if let Some(address) = far.address {
                self.far_ends.entry(address.addr()).or_default().push(Some(name));
            }
        }
    }

    /// Whether a part of the lab has addresses of the network, or leads to it.
    pub fn covers(&self, network: Ipv4Net) -> bool {
        let led_to = self.bridges.iter().chain(&self.routes).map(|(_, led_to)| led_to);
        led_to.chain(&self.others).any(|other| overlap(*other, network))
    }

    /// Whether the address is at the other end of a router's cable.
    pub(super) fn is_far_end(&self, address: Ipv4Addr) -> bool {
        self.far_ends.contains_key(&address)
    }

    /// The routers that a masquerade is for. With an uplink, that is the uplink's router. Without
    /// one, it is every router that has an uplink and leads to the source by a bridge, a cable or a
    /// route. Where no router leads to the source, it is every router that has an uplink: the
    /// source can be behind namespaces that forward, and the file does not have to say by which
    /// router it leaves.
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<RouterName<'a>> {
        if let Some(name) = &rule.uplink {
            return self.uplinks.get(name.as_str()).copied().into_iter().collect();
        }
        let led_to = self.bridges.iter().chain(&self.cables).chain(&self.routes);
        let leading: HashSet<RouterName<'_>> = led_to
            .filter(|(_, network)| overlap(*network, rule.source))
            .map(|(router, _)| *router)
            .collect();
        let with_uplinks = || self.with_uplinks.iter().copied();
        let leading: Vec<_> = with_uplinks().filter(|router| leading.contains(router)).collect();
        if leading.is_empty() { with_uplinks().collect() } else { leading }
    }

    /// The routers with the target of a forward in the subnet of a bridge or at the other end of a
    /// cable, each once.
    pub(super) fn routers_of_target(&self, target: Ipv4Addr) -> Vec<RouterName<'a>> {
        let bridges = self.bridges.iter().filter(|(_, subnet)| subnet.contains(&target));
        let bridges = bridges.map(|(router, _)| *router);
        let mut routers = Vec::new();
        for router in bridges.chain(self.far_ends.get(&target).into_iter().flatten().copied()) {
            if !routers.contains(&router) {
                routers.push(router);
            }
        }
        routers
    }

    /// The first of these routers. In a file without faults it is the only one.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<RouterName<'a>> {
        self.routers_of_target(target).first().copied()
    }
}

impl Topology {
    /// The networks of the lab, to be built once for many rules.
    pub fn networks(&self) -> Networks<'_> {
        Networks::new(
            self.routers.iter(),
            self.uplinks.iter(),
            self.bridges.iter(),
            self.namespaces.iter(),
            self.cables.iter(),
        )
    }
}

/// The destinations of routes. A default route says nothing about where a network is.
fn destinations(routes: &[Route]) -> impl Iterator<Item = Ipv4Net> {
    routes.iter().map(|route| route.to).filter(|to| to.prefix_len() > 0)
}
