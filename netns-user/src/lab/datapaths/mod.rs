//! The datapaths of a lab: one for each router that has something to translate.
//!
//! Pure: this folder makes the description of each datapath from the topology alone.

mod inside;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netns_common::abi::{HALF_OPEN_PART, Limits, OTHER_NATS_PART, SAMPLE, Timeouts};

use crate::{
    datapath::{CableSpec, DatapathSpec, RoutedPrefix},
    net::Mac,
    rules::{ForwardRule, MasqueradeRule},
    topology::{Far, NatOptions, Networks, Outside, Router, Topology, Uplink},
};
use inside::inside;

/// Stands for an Ethernet address that the kernel chooses.
const UNKNOWN_MAC: [u8; 6] = [0; 6];

/// The datapath of a router.
#[derive(Clone, Debug)]
pub(in crate::lab) struct RouterDatapath {
    /// The router's namespace; `None` is the machine's own.
    pub(in crate::lab) router: Option<String>,
    pub(in crate::lab) spec: DatapathSpec,
}

/// The datapaths of a lab, in the order of its routers.
pub(in crate::lab) fn datapaths(topology: &Topology) -> Vec<RouterDatapath> {
    let networks = topology.networks();
    let routers = topology.routers.iter();
    let busy = routers.filter(|router| topology.has_datapath(router.namespace.as_deref()));
    busy.map(|router| RouterDatapath {
        router: router.namespace.clone(),
        spec: spec(topology, &networks, router),
    })
    .collect()
}

fn spec(topology: &Topology, networks: &Networks<'_>, router: &Router) -> DatapathSpec {
    let namespace = router.namespace.as_deref();
    let is_here = |bridge: &str| topology.has_bridge(namespace, bridge);
    let cable =
        |port: &str, bridge: &str, owner: &str, interface: &str, addresses: Vec<Ipv4Addr>| {
            CableSpec {
                port: port.to_owned(),
                bridge: bridge.to_owned(),
                addresses,
                mac: Mac::from_names(&[&topology.name, owner, interface]).0,
                source_check: None,
                quota: None,
            }
        };
    let namespaces = topology.plugged().filter(|(_, plug)| is_here(&plug.bridge));
    let namespaces = namespaces.map(|(namespace, plug)| CableSpec {
        source_check: plug.source_check,
        quota: plug.quota,
        ..cable(
            &plug.port,
            &plug.bridge,
            &namespace.name,
            &plug.interface,
            vec![plug.address.addr()],
        )
    });
    // The uplinks of other routers that are plugged in here.
    let routers = topology.uplinks.iter().filter_map(|uplink| {
        let plug = uplink.plug().filter(|plug| is_here(&plug.bridge))?;
        let owner = uplink.router.as_deref().unwrap_or_default();
        let addresses = uplink.addresses.iter().map(Ipv4Net::addr).collect();
        Some(CableSpec {
            source_check: plug.source_check,
            ..cable(&plug.port, &plug.bridge, owner, &uplink.name, addresses)
        })
    });
    DatapathSpec {
        lab: topology.datapath_of(namespace),
        flow_capacity: topology.nat.flow_table,
        limits: limits(&topology.nat),
        uplinks: topology.uplinks_of(namespace).map(|uplink| uplink.name.clone()).collect(),
        primary_addresses: topology
            .uplinks_of(namespace)
            .filter_map(|uplink| Some((uplink.name.clone(), uplink.primary()?.addr())))
            .collect(),
        far_ends: topology
            .uplinks_of(namespace)
            .filter_map(|uplink| far_end(topology, uplink))
            .collect(),
        lab_links: topology
            .bridges_of(namespace)
            .map(|bridge| bridge.name.clone())
            .chain(direct_cables(topology, namespace).map(|cable| cable.port))
            .collect(),
        own_namespace: namespace.is_some(),
        cables: namespaces.chain(routers).chain(direct_cables(topology, namespace)).collect(),
        inside: inside(topology, router),
        routed: routed(topology, namespace),
        masquerades: masquerades(topology, networks, namespace),
        forwards: forwards(topology, networks, namespace),
        timeouts: Timeouts::from(&topology.nat.timeouts),
        ports: topology.nat.ports,
        keep_parity: topology.nat.keep_parity,
        keep_class: topology.nat.keep_class,
        source_check: topology.nat.source_check,
        via_stack: topology.nat.via_stack,
    }
}

/// The point-to-point cables of a router. A namespace at the other end may route for others, so its
/// sources are not checked.
fn direct_cables<'a>(
    topology: &'a Topology,
    router: Option<&'a str>,
) -> impl Iterator<Item = CableSpec> {
    topology.cables_of(router).map(|(cable, near, far)| {
        let is_known = topology.near_and_far(cable).1 == far;
        let mac = || Mac::from_names(&[&topology.name, &far.namespace, &far.interface]).0;
        CableSpec {
            port: near.interface.clone(),
            bridge: near.interface.clone(),
            addresses: far.address.iter().map(|address| address.addr()).collect(),
            mac: if is_known { mac() } else { UNKNOWN_MAC },
            source_check: Some(false),
            quota: None,
        }
    })
}

fn routed(topology: &Topology, router: Option<&str>) -> Vec<RoutedPrefix> {
    let sources = topology.uplinks_of(router).flat_map(|uplink| {
        let sources = uplink.routed.iter();
        sources.map(|source| RoutedPrefix { uplink: uplink.name.clone(), source: *source })
    });
    sources.collect()
}

/// The far end of an uplink to which packets are redirected directly.
fn far_end(topology: &Topology, uplink: &Uplink) -> Option<(String, [u8; 6])> {
    let mac = match uplink.far.as_ref().filter(|_| uplink.redirect_peer)? {
        Far::Outside(Outside { namespace, interface, .. }) => {
            Mac::from_names(&[&topology.name, namespace, interface])
        }
        Far::Plug(plug) => Mac::from_names(&[&topology.name, &plug.bridge]),
    };
    Some((uplink.name.clone(), mac.0))
}

/// Half of the flow table is kept for answered connections, whichever namespace has them.
fn limits(nat: &NatOptions) -> Limits {
    // If the file gives each namespace more than half of the table, it may use that.
    let unreplied_share = nat.unreplied.max(nat.flow_table / 2);
    Limits {
        quota: nat.quota,
        unreplied: nat.unreplied,
        unreplied_share,
        half_open: nat.unreplied.max(nat.flow_table / HALF_OPEN_PART),
        other_nats: nat.flow_table / OTHER_NATS_PART,
        sample: SAMPLE,
    }
}

fn masquerades(
    topology: &Topology,
    networks: &Networks<'_>,
    router: Option<&str>,
) -> Vec<MasqueradeRule> {
    let is_its = |rule: &&MasqueradeRule| networks.routers_of_masquerade(rule).contains(&router);
    topology.masquerades.iter().filter(is_its).cloned().collect()
}

fn forwards(
    topology: &Topology,
    networks: &Networks<'_>,
    router: Option<&str>,
) -> Vec<ForwardRule> {
    let is_its = |rule: &&ForwardRule| networks.router_of_target(*rule.target.ip()) == Some(router);
    topology.forwards.iter().filter(is_its).cloned().collect()
}

#[cfg(test)]
mod tests;
