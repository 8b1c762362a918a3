//! The networks behind a router.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::topology::{Route, Router, Topology, Uplink};

/// The networks behind a router, as few prefixes as possible: the subnets of its bridges and
/// cables, the destinations of its routes into these subnets, and the additional addresses of
/// uplinks that are plugged in there. A prefix that contains the address of one of the router's own
/// uplinks is left out: otherwise the network outside would count as inside.
pub(in crate::lab) fn inside(topology: &Topology, router: &Router) -> Vec<Ipv4Net> {
    let namespace = router.namespace.as_deref();
    let bridges = topology.bridges_of(namespace).map(|bridge| bridge.address.trunc());
    // Interfaces with a prefix of 32 bits have a subnet each.
    let ends = topology.cables_of(namespace).flat_map(|(_, near, far)| [near.address, far.address]);
    let subnets: Vec<Ipv4Net> = bridges.chain(ends.flatten().map(|end| end.trunc())).collect();
    let bridges = topology.bridges_of(namespace).map(|bridge| bridge.name.as_str());
    let ends = topology.cables_of(namespace).map(|(_, near, _)| near.interface.as_str());
    let interfaces: Vec<&str> = bridges.chain(ends).collect();
    let leads_inside = |route: &&Route| {
        let via = |via: Ipv4Addr| subnets.iter().any(|subnet| subnet.contains(&via));
        let interface = |name: &String| interfaces.contains(&name.as_str());
        route.via.is_some_and(via) || route.interface.as_ref().is_some_and(interface)
    };
    let routes = router.routes.iter().filter(|route| route.to.prefix_len() > 0);
    let destinations = routes.filter(leads_inside).map(|route| route.to);
    let plugged = topology.uplinks.iter().filter(|uplink| {
        uplink.plug().is_some_and(|plug| topology.has_bridge(namespace, &plug.bridge))
    });
    let beyond = plugged.flat_map(Uplink::addresses_beyond).map(Ipv4Net::from);
    let is_outside = |net: &Ipv4Net| {
        let mut addresses = topology.uplinks_of(namespace).flat_map(|uplink| &uplink.addresses);
        addresses.any(|address| net.contains(&address.addr()))
    };
    let inside = subnets.iter().copied().chain(destinations).chain(beyond);
    let inside = inside.filter(|net| !is_outside(net));
    let mut prefixes = Ipv4Net::aggregate(&inside.collect());
    // The programs compare with the first prefix first: most packets that do not go to an uplink go
    // to a neighbour on a bridge.
    if let Some(bridge) = topology.bridges_of(namespace).next() {
        prefixes.sort_by_key(|net| !net.contains(&bridge.address.addr()));
    }
    prefixes
}

#[cfg(test)]
mod tests;
