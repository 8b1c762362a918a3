//! The pieces of a topology, in the order in which they can be made.

use std::collections::HashSet;

use ipnet::Ipv4Net;

use super::{CablePiece, LinkSettings, Piece};
use crate::{
    lab::gates,
    net::{ETHERNET_MTU, Mac},
    step::{End, Place},
    topology::{CableEnd, Far, Namespace, Route, Topology, Uplink},
};

/// All pieces of a lab. What stands in one namespace comes together, so that a namespace need
/// not be entered again and again.
pub(in crate::lab) fn pieces(topology: &Topology) -> Vec<Piece> {
    let gates = gates::gates(topology).into_iter().collect();
    let outsides = topology
        .outsides()
        .map(|outside| End::new(Place::namespace(&outside.namespace), &outside.interface))
        .collect();
    let mut maker = Maker { topology, gates, outsides, pieces: Vec::new() };
    maker.routers();
    maker.outsides();
    maker.bridges();
    for uplink in &topology.uplinks {
        maker.uplink(uplink);
    }
    for namespace in &topology.namespaces {
        maker.namespace(namespace);
    }
    maker.cables();
    maker.late_routes();
    maker.pieces
}

struct Maker<'a> {
    topology: &'a Topology,
    /// The links in routers, which are closed until they are guarded.
    gates: HashSet<End>,
    /// The far ends of uplinks, in networks outside.
    outsides: HashSet<End>,
    pieces: Vec<Piece>,
}

impl Maker<'_> {
    fn routers(&mut self) {
        for router in &self.topology.routers {
            if let Some(name) = &router.namespace {
                self.pieces.push(namespace(name, true));
            }
        }
    }

    /// A network outside may be at the end of several uplinks.
    fn outsides(&mut self) {
        let mut seen = HashSet::new();
        let mut answered = HashSet::new();
        for outside in self.topology.outsides() {
            let place = Place::namespace(&outside.namespace);
            if seen.insert(&outside.namespace) {
                self.pieces.push(namespace(&outside.namespace, false));
            }
            let answers = outside.answers.iter();
            for answer in answers.filter(|answer| answered.insert((&outside.namespace, **answer))) {
                self.address(End::new(place.clone(), "lo"), Ipv4Net::from(*answer));
            }
        }
    }

    fn bridges(&mut self) {
        for bridge in &self.topology.bridges {
            let end = End::new(Place::of(bridge.router.as_deref()), &bridge.name);
            let mac = Some(Mac::from_names(&[&self.topology.name, &bridge.name]));
            let settings = LinkSettings { mac, mtu: bridge.mtu, up: true, ipv6: Some(false) };
            self.pieces.push(Piece::Bridge { end: end.clone(), settings });
            self.address(end, bridge.address);
        }
    }

    fn uplink(&mut self, uplink: &Uplink) {
        let Some(far) = &uplink.far else { return };
        let own = End::new(Place::of(uplink.router.as_deref()), &uplink.name);
        match far {
            Far::Outside(outside) => {
                let end = End::new(Place::namespace(&outside.namespace), &outside.interface);
                self.cable(own.clone(), end.clone(), None, uplink.mtu);
                // No way back to the lab's subnets: what is not translated gets no answer.
                self.address(end.clone(), outside.address);
                self.routes_beyond(uplink, &end, true);
            }
            Far::Plug(plug) => {
                let bridge = self.topology.bridge(&plug.bridge);
                let place = Place::of(bridge.and_then(|bridge| bridge.router.as_deref()));
                let end = End::new(place, &plug.port);
                let mtu = uplink.mtu.or(bridge.and_then(|bridge| bridge.mtu));
                let bridge = End::new(end.place.clone(), &plug.bridge);
                self.cable(end, own.clone(), Some(plug.bridge.clone()), mtu);
                self.routes_beyond(uplink, &bridge, false);
            }
        }
        for address in &uplink.addresses {
            self.address(own.clone(), *address);
        }
        if let Some(gateway) = uplink.gateway {
            // The first uplink's default route wins, the others stand by.
            let before = self.topology.uplinks_of(uplink.router.as_deref());
            let rank = before.take_while(|other| other.name != uplink.name).count();
            let metric = u32::try_from(rank).unwrap_or(u32::MAX);
            self.default_route(own.place, gateway, metric);
        }
    }

    /// At the far end of an uplink, routes to those of its addresses that are in no subnet there: by
    /// its first address, unless the router there has a route of its own.
    fn routes_beyond(&mut self, uplink: &Uplink, out: &End, waits: bool) {
        let via = uplink.primary().map(|primary| primary.addr());
        let mut routers = self.topology.routers.iter();
        let there = routers.find(|router| Place::of(router.namespace.as_deref()) == out.place);
        let own = there.map_or(&[][..], |router| &router.routes);
        let beyond = uplink.addresses_beyond().map(Ipv4Net::from);
        let beyond = beyond.filter(|to| !own.iter().any(|it| it.to == *to && it.metric == 0));
        self.pieces.extend(beyond.map(|to| {
            let interface = Some(out.interface.clone());
            let route = Route { to, via, interface, metric: 0 };
            Piece::Route { place: out.place.clone(), route, waits }
        }));
    }

    fn namespace(&mut self, namespace: &Namespace) {
        let Namespace { name, plug, forwarding, dns, .. } = namespace;
        let place = Place::namespace(name);
        self.pieces.push(self::namespace(name, *forwarding));
        if let Some(plug) = plug {
            let bridge = self.topology.bridge(&plug.bridge);
            let router = Place::of(bridge.and_then(|bridge| bridge.router.as_deref()));
            let end = End::new(place.clone(), &plug.interface);
            let port = End::new(router, &plug.port);
            self.cable(port, end.clone(), Some(plug.bridge.clone()), plug.mtu);
            self.address(end, plug.address);
            if let Some(gateway) = plug.gateway {
                self.default_route(place.clone(), gateway, 0);
            }
        }
        self.routes(&place, early_routes(namespace));
        if !dns.is_empty() {
            self.pieces.push(Piece::Resolver { namespace: name.clone(), servers: dns.clone() });
        }
    }

    fn cables(&mut self) {
        for cable in &self.topology.cables {
            let end = |end: &CableEnd| End::new(Place::namespace(&end.namespace), &end.interface);
            let (near, far) = self.topology.near_and_far(cable);
            self.cable(end(near), end(far), None, cable.mtu);
            for side in [&cable.a, &cable.b] {
                if let Some(address) = side.address {
                    self.address(end(side), address);
                }
            }
        }
    }

    /// Routes that may lead over cables, which come last.
    fn late_routes(&mut self) {
        for router in &self.topology.routers {
            self.routes(&Place::of(router.namespace.as_deref()), router.routes.iter());
        }
        for namespace in &self.topology.namespaces {
            self.routes(&Place::namespace(&namespace.name), late_routes(namespace));
        }
    }

    fn cable(&mut self, near: End, far: End, bridge: Option<String>, mtu: Option<u32>) {
        let mac = Mac::from_names(&[
            &self.topology.name,
            far.place.name().unwrap_or_default(),
            &far.interface,
        ]);
        let gates =
            [&near, &far].into_iter().filter(|end| self.gates.contains(end)).cloned().collect();
        let waits = self.outsides.contains(&far);
        let settings = |mac, ipv6| LinkSettings {
            mac,
            mtu: Some(mtu.unwrap_or(ETHERNET_MTU)),
            up: true,
            ipv6,
        };
        // In a namespace of the lab IPv6 is off for all links; on the machine it is switched off
        // for ports.
        let far_ipv6 = far.place.name().map(|_| false);
        let settings = [settings(None, Some(false)), settings(Some(mac), far_ipv6)];
        let cable = CablePiece { near, far, settings, bridge, gates, waits };
        self.pieces.push(Piece::Cable(cable));
    }

    fn address(&mut self, end: End, address: Ipv4Net) {
        self.pieces.push(Piece::Address { end, address });
    }

    fn default_route(&mut self, place: Place, gateway: std::net::Ipv4Addr, metric: u32) {
        let to = Ipv4Net::default();
        let route = Route { to, via: Some(gateway), interface: None, metric };
        self.pieces.push(Piece::Route { place, route, waits: false });
    }

    fn routes<'r>(&mut self, place: &Place, routes: impl Iterator<Item = &'r Route>) {
        self.pieces.extend(routes.map(|route| Piece::Route {
            place: place.clone(),
            route: route.clone(),
            waits: false,
        }));
    }
}

fn namespace(name: &str, forwarding: bool) -> Piece {
    Piece::Namespace { name: name.to_owned(), forwarding, lo_up: true, ipv6: false }
}

/// Whether the route only needs the namespace's own cable to its bridge.
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
