//! Checks of the machine's own namespace before a lab is built in it: nothing may be replaced or
//! cut off.

use std::{collections::HashSet, net::Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::{
    lab::{
        error::LabError,
        record::LabRecord,
        resources::{Key, Resource, machine_interfaces, resources},
    },
    net::{BRIDGE, Interface, Link, Netlink, Netns, Route, connections},
    topology::{Bridge, Topology, overlap},
};

/// Links and routes of others that are in the lab's way. `known` are the resources that the lab has
/// already.
pub(in crate::lab) fn conflicts(
    topology: &Topology,
    known: &HashSet<Key>,
) -> Result<Vec<LabError>, LabError> {
    let machine = Netlink::open()?;
    let links = machine.links()?;
    let is_there = |interface: &Interface| links.iter().any(|link| link.name == interface.name);
    let interfaces = machine_interfaces(topology).into_iter();
    let taken = interfaces
        .filter(|interface| is_there(interface) && !known.contains(&Key::Link(interface.clone())));
    let labs = LabRecord::list()?;
    let mut found: Vec<LabError> = taken.map(|interface| taken_by(&labs, interface)).collect();
    found.extend(routes_taken(&machine, topology, known)?);
    Ok(found)
}

fn taken_by(labs: &[LabRecord], link: Interface) -> LabError {
    let has_made = |lab: &&LabRecord| {
        lab.resources().iter().flat_map(Resource::interfaces).any(|interface| *interface == link)
    };
    match labs.iter().find(has_made) {
        Some(lab) => LabError::LinkOfLab { link, lab: lab.name().to_owned() },
        None => LabError::LinkTaken(link),
    }
}

/// Checks that the uplinks exist, and that the machine does not use the subnets of new bridges yet.
pub(in crate::lab) fn check(topology: &Topology, known: &HashSet<Key>) -> Result<(), LabError> {
    let machine = Netlink::open()?;
    let links = machine.links()?;
    let is_there = |name: &str| links.iter().any(|link| link.name == name);
    let is_known = |name: &str| known.contains(&Key::Link(Interface::new(Netns::Machine, name)));
    let simulated =
        |name: &str| topology.uplinks.iter().any(|up| up.name == name && up.far.is_some());
    for uplink in topology.uplinks_of(None) {
        if !is_there(&uplink.name) && !simulated(&uplink.name) {
            let present: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            let present = present.join(", ");
            return Err(LabError::NoUplink { name: uplink.name.clone(), present });
        }
        if let Some(fault) = uplink_fault(&uplink.name, &links).filter(|_| uplink.far.is_none()) {
            return Err(fault);
        }
    }
    let own: HashSet<u32> =
        links.iter().filter(|link| is_known(&link.name)).map(|link| link.index).collect();
    let reachability = Reachability::read(&machine, &links, &own)?;
    let new = topology.bridges_of(None).filter(|bridge| {
        let interface = Interface::new(Netns::Machine, &bridge.name);
        !known.contains(&Key::Address(interface, bridge.address))
    });
    new.into_iter().try_for_each(|bridge| reachability.check(bridge))
}

/// The reason why no packet of a lab could leave by an interface of the machine; `None` also if
/// there is no such interface.
pub(crate) fn uplink_fault(name: &str, links: &[Link]) -> Option<LabError> {
    let link = links.iter().find(|link| link.name == name)?;
    let uplink = name.to_owned();
    // Other masters, such as a VRF or a bond, are not bridges.
    let is_its_bridge =
        |other: &&Link| link.bridge == Some(other.index) && other.kind.as_deref() == Some(BRIDGE);
    if let Some(bridge) = links.iter().find(is_its_bridge) {
        return Some(LabError::UplinkIsPort { uplink, bridge: bridge.name.clone() });
    }
    link.mac.is_none().then_some(LabError::UplinkWithoutEthernet { uplink })
}

/// Routes of the machine that the lab wants to add: it would take them for its own, and delete them
/// with itself.
fn routes_taken(
    machine: &Netlink,
    topology: &Topology,
    known: &HashSet<Key>,
) -> Result<Vec<LabError>, LabError> {
    let there = machine.routes()?;
    let taken = resources(topology).into_iter().filter_map(|resource| {
        let Resource::Route { netns: Netns::Machine, route, .. } = &resource else { return None };
        let is_there =
            |held: &Route| held.destination == IpNet::V4(route.to) && held.metric == route.metric;
        let is_taken = !known.contains(&resource.key()) && there.iter().any(is_there);
        is_taken.then_some(LabError::RouteTaken { to: route.to, metric: route.metric })
    });
    Ok(taken.collect())
}

/// The networks and hosts that the machine reaches, without those on the lab's own links.
#[derive(Debug)]
pub(crate) struct Reachability {
    /// Reachable subnets, and the interface or route.
    reached: Vec<(Ipv4Net, String)>,
    /// Remote addresses of open connections, and a description of each connection.
    peers: Vec<(Ipv4Addr, String)>,
}

impl Reachability {
    /// Reads the calling thread's namespace.
    pub(crate) fn of_machine() -> Result<Self, LabError> {
        let machine = Netlink::open()?;
        let links = machine.links()?;
        Self::read(&machine, &links, &HashSet::new())
    }

    /// The reachable subnets.
    pub(crate) fn networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.reached.iter().map(|(net, _)| *net)
    }

    fn read(machine: &Netlink, links: &[Link], own: &HashSet<u32>) -> Result<Self, LabError> {
        let by = |index: Option<u32>| {
            let link = links.iter().find(|link| Some(link.index) == index);
            link.map_or_else(|| "a route".to_owned(), |link| format!("interface \"{}\"", link.name))
        };
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        };
        let addresses = machine.addresses()?.into_iter().filter(|held| !own.contains(&held.link));
        let mut reached: Vec<(Ipv4Net, String)> =
            addresses.filter_map(|held| Some((v4(held.address)?, by(Some(held.link))))).collect();
        let routes = machine.routes()?;
        let is_other = |route: &&Route| {
            !route.is_default() && !route.link.is_some_and(|link| own.contains(&link))
        };
        reached.extend(
            routes
                .iter()
                .filter(is_other)
                .filter_map(|route| Some((v4(route.destination)?, by(route.link)))),
        );
        let peers = connections::established()?.into_iter().map(|(local, remote)| {
            (*remote.ip(), format!("the connection between {local} and {remote}"))
        });
        Ok(Self { reached, peers: peers.collect() })
    }

    /// Refuses a bridge whose subnet the machine already reaches: it would cut off that way.
    pub(crate) fn check(&self, bridge: &Bridge) -> Result<(), LabError> {
        let subnet = bridge.address.trunc();
        if let Some((net, by)) = self.reached.iter().find(|(net, _)| overlap(subnet, *net)) {
            return Err(LabError::SubnetTaken {
                bridge: bridge.name.clone(),
                subnet,
                other: net.trunc().to_string(),
                by: by.clone(),
            });
        }
        match self.peers.iter().find(|(peer, _)| subnet.contains(peer)) {
            None => Ok(()),
            Some((_, connection)) => Err(LabError::WouldCut {
                bridge: bridge.name.clone(),
                subnet,
                connection: connection.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Bridge {
        let address = "10.1.0.1/24".parse().unwrap();
        Bridge { name: "br0".into(), router: None, address, mtu: None }
    }

    #[test]
    fn a_subnet_in_use_is_refused() {
        let check = |net: &str| {
            let reached = vec![(net.parse().unwrap(), "a route".to_owned())];
            Reachability { reached, peers: Vec::new() }.check(&bridge())
        };
        for net in ["10.1.0.0/24", "10.0.0.0/8", "10.1.0.128/32"] {
            let error = check(net).unwrap_err();
            assert!(matches!(error, LabError::SubnetTaken { .. }), "{error}");
        }
        for net in ["10.1.1.0/24", "192.168.0.0/16"] {
            check(net).unwrap();
        }
    }

    #[test]
    fn a_subnet_that_would_cut_a_connection_is_refused() {
        let check = |peer: &str| {
            let peers = vec![(peer.parse().unwrap(), "the connection to 10.1.0.7".to_owned())];
            Reachability { reached: Vec::new(), peers }.check(&bridge())
        };
        let error = check("10.1.0.7").unwrap_err().to_string();
        assert!(error.contains("would cut off the connection to 10.1.0.7"), "{error}");
        check("10.1.1.7").unwrap();
    }

    #[test]
    fn an_uplink_that_carries_no_packets_of_a_lab_is_refused_with_the_reason() {
        let link = |index, name: &str, kind: Option<&str>, bridge, mac| Link {
            kind: kind.map(str::to_owned),
            mac,
            bridge,
            ..Link::sample(index, name)
        };
        let mac = Some(crate::net::Mac([2; 6]));
        let links = [
            link(1, "lan0", Some("bridge"), None, mac),
            link(2, "eth0", None, Some(1), mac),
            link(3, "eth1", None, None, mac),
            link(4, "tun0", Some("tun"), None, None),
            link(5, "vrf0", Some("vrf"), None, mac),
            link(6, "eth2", None, Some(5), mac),
        ];
        let fault = |name: &str| uplink_fault(name, &links).map(|fault| fault.to_string());
        assert!(fault("eth0").unwrap().contains("is a port of bridge \"lan0\""));
        assert!(fault("tun0").unwrap().contains("has no Ethernet address ("));
        for name in ["lan0", "eth1", "eth2", "nowhere"] {
            assert_eq!(fault(name), None);
        }
    }
}
