//! Addresses for namespaces to which the file gives none: the next free one of their bridge.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use super::values::has_edges;
use crate::topology::{
    file::TopologyFile,
    model::{Bridge, Cable, Uplink},
};

/// The addresses that the file gives to something, by the router in whose networks they are.
/// What another router has is in nobody's way.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    by_router: HashMap<Option<&'a str>, HashSet<Ipv4Addr>>,
    /// Of cables, which may be anywhere.
    everywhere: HashSet<Ipv4Addr>,
}

impl<'a> Given<'a> {
    pub(super) fn new(
        bridges: &'a [Option<Bridge>],
        uplinks: &'a [Option<Uplink>],
        cables: &'a [Option<Cable>],
    ) -> Self {
        let mut given = Self::default();
        let routers: HashMap<&str, Option<&str>> = bridges
            .iter()
            .flatten()
            .map(|bridge| (bridge.name.as_str(), bridge.router.as_deref()))
            .collect();
        for bridge in bridges.iter().flatten() {
            given.add(bridge.router.as_deref(), bridge.address.addr());
        }
        for uplink in uplinks.iter().flatten() {
            let router = uplink.router.as_deref();
            uplink.addresses.iter().for_each(|own| given.add(router, own.addr()));
            if let Some(outside) = uplink.outside() {
                given.add(router, outside.address.addr());
                outside.answers.iter().for_each(|answer| given.add(router, *answer));
            }
            let plugged = uplink.plug().and_then(|plug| routers.get(plug.bridge.as_str()));
            if let Some(router) = plugged {
                uplink.addresses.iter().for_each(|own| given.add(*router, own.addr()));
            }
        }
        let ends = cables.iter().flatten().flat_map(|cable| [&cable.a, &cable.b]);
        given.everywhere = ends.filter_map(|end| Some(end.address?.addr())).collect();
        given
    }

    pub(super) fn add(&mut self, router: Option<&'a str>, address: Ipv4Addr) {
        self.by_router.entry(router).or_default().insert(address);
    }

    fn contains(&self, router: Option<&str>, address: Ipv4Addr) -> bool {
        self.everywhere.contains(&address)
            || self.by_router.get(&router).is_some_and(|given| given.contains(&address))
    }
}

/// The subnet of a bridge, from which addresses are handed out upwards.
#[derive(Debug)]
pub(super) struct Supply<'a> {
    router: Option<&'a str>,
    net: Ipv4Net,
    /// `None`: the subnet is used up.
    next: Option<u32>,
    handed_out: u32,
}

impl<'a> Supply<'a> {
    pub(super) fn new(bridge: &'a Bridge) -> Self {
        let net = bridge.address;
        let first = u32::from(net.network());
        let next = if has_edges(net) { first + 1 } else { first };
        Self { router: bridge.router.as_deref(), net, next: Some(next), handed_out: 0 }
    }

    /// How many it has handed out; all there were, once it has none.
    pub(super) fn handed_out(&self) -> u32 {
        self.handed_out
    }

    /// The next free address, with the length of the subnet.
    pub(super) fn take(&mut self, given: &Given<'_>) -> Option<Ipv4Net> {
        let last = last_host(self.net);
        while let Some(next) = self.next.filter(|next| *next <= last) {
            self.next = next.checked_add(1);
            let address = Ipv4Addr::from(next);
            if !given.contains(self.router, address) {
                self.handed_out += 1;
                return Ipv4Net::new(address, self.net.prefix_len()).ok();
            }
        }
        None
    }
}

/// The highest address of the subnet that a host can have.
pub(super) fn last_host(net: Ipv4Net) -> u32 {
    let broadcast = u32::from(net.broadcast());
    if has_edges(net) { broadcast - 1 } else { broadcast }
}

/// The bridges that could be read, by their names, with their places in the file.
pub(super) fn by_name<'a>(
    file: &TopologyFile,
    bridges: &'a [Option<Bridge>],
) -> HashMap<&'a str, (usize, &'a Bridge)> {
    debug_assert_eq!(file.bridges.len(), bridges.len());
    let all = bridges.iter().enumerate();
    // Of two with one name, which is reported, the first counts.
    let known = all.rev().filter_map(|(place, bridge)| Some((place, bridge.as_ref()?)));
    known.map(|(place, bridge)| (bridge.name.as_str(), (place, bridge))).collect()
}
