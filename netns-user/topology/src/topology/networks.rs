//! The networks of a lab, and which router leads to each.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use super::{
    model::{Bridge, Cable, Namespace, Route, Router, Topology, Uplink},
    reach::{Reach, RouterName},
    subnets::overlap,
};
use crate::rules::MasqueradeRule;

/// The networks of a lab, each with the router that leads to it.
#[derive(Debug)]
pub struct Networks<'a> {
    routers: Vec<RouterName<'a>>,
    uplinks: HashMap<&'a str, RouterName<'a>>,
    /// The routers that have an uplink, each once, in the order of the file.
    with_uplinks: Vec<RouterName<'a>>,
    bridges: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Subnets of cables that have an end in the router.
    cables: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Addresses that a router delivers to: of namespaces and plugged-in uplinks on its bridges,
    /// and at the other ends of its cables.
    holders: HashMap<Ipv4Addr, Vec<RouterName<'a>>>,
    /// Destinations of routes, without default routes.
    routes: Vec<(RouterName<'a>, Ipv4Net)>,
    /// Networks of namespaces, which no router needs to lead to.
    others: Vec<Ipv4Net>,
    reach: Reach<'a>,
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
        let uplinks: Vec<&Uplink> = uplinks.collect();
        let bridges: Vec<&Bridge> = bridges.collect();
        let namespaces: Vec<&Namespace> = namespaces.collect();
        let cables: Vec<&Cable> = cables.collect();
        // Two with one name are a fault that is reported: the first one counts.
        let named: HashMap<&str, &Bridge> =
            bridges.iter().rev().map(|bridge| (bridge.name.as_str(), *bridge)).collect();
        let mut networks = Self {
            routers: routers.iter().map(|router| router.namespace.as_deref()).collect(),
            reach: Reach::new(&uplinks, &named, &namespaces, &cables),
            uplinks: HashMap::new(),
            with_uplinks: Vec::new(),
            bridges: bridges
                .iter()
                .map(|bridge| (bridge.router.as_deref(), bridge.address))
                .collect(),
            cables: Vec::new(),
            holders: HashMap::new(),
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
            if let Some(bridge) = uplink.plug().and_then(|plug| named.get(plug.bridge.as_str())) {
                networks.add_plugged(uplink, bridge.router.as_deref());
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
        for namespace in namespaces {
            networks.others.extend(destinations(&namespace.routes));
            let Some(plug) = &namespace.plug else { continue };
            if let Some(bridge) = named.get(plug.bridge.as_str()) {
                networks.add_holder(plug.address.addr(), bridge.router.as_deref());
            }
        }
        networks
    }

    fn add_holder(&mut self, address: Ipv4Addr, router: RouterName<'a>) {
        self.holders.entry(address).or_default().push(router);
    }

    /// The addresses of an uplink that is plugged into a bridge. To those outside the subnet of the
    /// bridge its router has routes.
    fn add_plugged(&mut self, uplink: &Uplink, router: RouterName<'a>) {
        self.routes.extend(uplink.addresses_beyond().map(|address| (router, address.into())));
        for address in &uplink.addresses {
            self.add_holder(address.addr(), router);
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
                self.add_holder(address.addr(), Some(name));
            }
        }
    }

    /// Whether a part of the lab has addresses of the network, or leads to it.
    pub fn covers(&self, network: Ipv4Net) -> bool {
        let led_to = self.bridges.iter().chain(&self.routes).map(|(_, led_to)| led_to);
        led_to.chain(&self.others).any(|other| overlap(*other, network))
    }

    /// Whether a namespace, or a plugged-in uplink, has the address on a bridge or at the other end
    /// of a router's cable.
    pub(super) fn has_holder(&self, address: Ipv4Addr) -> bool {
        self.holders.contains_key(&address)
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
        let leading: HashSet<RouterName<'_>> = self.leading(rule.source).collect();
        let with_uplinks = || self.with_uplinks.iter().copied();
        let leading: Vec<_> = with_uplinks().filter(|router| leading.contains(router)).collect();
        if leading.is_empty() { with_uplinks().collect() } else { leading }
    }

    /// The routers that lead to a network by a bridge, a cable or a route, some of them repeated.
    fn leading(&self, network: Ipv4Net) -> impl Iterator<Item = RouterName<'a>> {
        let led_to = self.bridges.iter().chain(&self.cables).chain(&self.routes);
        led_to.filter(move |(_, other)| overlap(*other, network)).map(|(router, _)| *router)
    }

    /// The routers that can masquerade packets of a network instead of a router that these packets
    /// do not reach: those that lead to the network, or else those that the packets reach. `None`
    /// where the packets reach the router, or the lab does not say where they go.
    pub fn routers_instead_of(
        &self,
        router: RouterName<'_>,
        network: Ipv4Net,
    ) -> Option<Vec<RouterName<'a>>> {
        if self.routers.len() < 2 {
            return None;
        }
        let leading: HashSet<RouterName<'a>> = self.leading(network).collect();
        if leading.contains(&router) {
            return None;
        }
        let reached = self.reach.reached_from(network, leading.iter().copied());
        let instead = if leading.is_empty() { &reached } else { &leading };
        let routers = self.routers.iter().copied();
        let instead: Vec<_> = routers.filter(|router| instead.contains(router)).collect();
        (!reached.contains(&router) && !instead.is_empty()).then_some(instead)
    }

    /// The routers that deliver the target of a forward, each once: those where a namespace has the
    /// address, or else those that have it in the subnet of a bridge.
    pub(super) fn routers_of_target(&self, target: Ipv4Addr) -> Vec<RouterName<'a>> {
        let mut routers: Vec<RouterName<'a>> = match self.holders.get(&target) {
            Some(holders) => holders.clone(),
            None => {
                let bridges = self.bridges.iter().filter(|(_, subnet)| subnet.contains(&target));
                bridges.map(|(router, _)| *router).collect()
            }
        };
        let mut seen = HashSet::new();
        routers.retain(|router| seen.insert(*router));
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
