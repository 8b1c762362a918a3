//! Allocates addresses to namespaces for which the file sets none: the next free one of the
//! bridge's subnet.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use crate::topology::{
    model::{Bridge, Cable, Uplink},
    subnets::{first_host, last_host},
};

/// The addresses that the file sets, by the router in whose networks they are. The same address in
/// the networks of another router is no conflict.
#[derive(Debug, Default)]
pub(super) struct UsedAddresses<'a> {
    by_router: HashMap<Option<&'a str>, HashSet<Ipv4Addr>>,
    /// Addresses of cables, which can be in any network.
    everywhere: HashSet<Ipv4Addr>,
}

impl<'a> UsedAddresses<'a> {
    pub(super) fn new(
        bridges: &'a [Option<Bridge>],
        uplinks: &'a [Option<Uplink>],
        cables: &'a [Option<Cable>],
    ) -> Self {
        let mut used = Self::default();
        let routers: HashMap<&str, Option<&str>> = bridges
            .iter()
            .flatten()
            .map(|bridge| (bridge.name.as_str(), bridge.router.as_deref()))
            .collect();
        for bridge in bridges.iter().flatten() {
            used.add(bridge.router.as_deref(), bridge.address.addr());
        }
        for uplink in uplinks.iter().flatten() {
            let router = uplink.router.as_deref();
            uplink.addresses.iter().for_each(|own| used.add(router, own.addr()));
            if let Some(outside) = uplink.outside() {
                used.add(router, outside.address.addr());
                outside.answers.iter().for_each(|answer| used.add(router, *answer));
            }
            let plugged = uplink.plug().and_then(|plug| routers.get(plug.bridge.as_str()));
            if let Some(router) = plugged {
                uplink.addresses.iter().for_each(|own| used.add(*router, own.addr()));
            }
        }
        let ends = cables.iter().flatten().flat_map(|cable| [&cable.a, &cable.b]);
        used.everywhere = ends.filter_map(|end| Some(end.address?.addr())).collect();
        used
    }

    pub(super) fn add(&mut self, router: Option<&'a str>, address: Ipv4Addr) {
        self.by_router.entry(router).or_default().insert(address);
    }

    fn contains(&self, router: Option<&str>, address: Ipv4Addr) -> bool {
        self.everywhere.contains(&address)
            || self.by_router.get(&router).is_some_and(|used| used.contains(&address))
    }
}

/// The subnet of a bridge, from which addresses are allocated upwards.
#[derive(Debug)]
pub(super) struct AddressPool<'a> {
    router: Option<&'a str>,
    net: Ipv4Net,
    /// `None`: the subnet is used up.
    next: Option<u32>,
    allocated: u32,
}

impl<'a> AddressPool<'a> {
    pub(super) fn new(bridge: &'a Bridge) -> Self {
        let (router, net) = (bridge.router.as_deref(), bridge.address);
        Self { router, net, next: Some(first_host(net)), allocated: 0 }
    }

    /// How many addresses it has allocated.
    pub(super) fn allocated(&self) -> u32 {
        self.allocated
    }

    /// The next free address, with the prefix length of the subnet.
    pub(super) fn allocate(&mut self, used: &UsedAddresses<'_>) -> Option<Ipv4Net> {
        let last = last_host(self.net);
        while let Some(next) = self.next.filter(|next| *next <= last) {
            self.next = next.checked_add(1);
            let address = Ipv4Addr::from(next);
            if !used.contains(self.router, address) {
                self.allocated += 1;
                return Ipv4Net::new(address, self.net.prefix_len()).ok();
            }
        }
        None
    }
}
