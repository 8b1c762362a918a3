//! From which networks packets reach a router inside the lab.

use std::collections::{HashMap, HashSet};

use ipnet::Ipv4Net;

use super::{
    model::{Bridge, Cable, Namespace, Uplink},
    subnets::overlap,
};

/// The namespace of a router; `None`: the machine.
pub(super) type RouterName<'a> = Option<&'a str>;

/// The ways between the namespaces of a lab, apart from those by networks outside.
#[derive(Debug, Default)]
pub(super) struct Reach<'a> {
    /// Where packets that a namespace forwards can arrive next.
    ways: HashMap<RouterName<'a>, Vec<RouterName<'a>>>,
    /// Networks of namespaces that are no routers: their cables and the destinations of their
    /// routes.
    networks: Vec<(RouterName<'a>, Ipv4Net)>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        uplinks: &[&'a Uplink],
        bridges: &HashMap<&'a str, &'a Bridge>,
        namespaces: &[&'a Namespace],
        cables: &[&'a Cable],
    ) -> Self {
        let mut reach = Self::default();
        let router_of = |bridge: &str| bridges.get(bridge).map(|bridge| bridge.router.as_deref());
        for uplink in uplinks {
            if let Some(router) = uplink.plug().and_then(|plug| router_of(&plug.bridge)) {
                reach.ways.entry(uplink.router.as_deref()).or_default().push(router);
            }
        }
        for cable in cables {
            for (end, far) in [(&cable.a, &cable.b), (&cable.b, &cable.a)] {
                let name = Some(end.namespace.as_str());
                reach.ways.entry(name).or_default().push(Some(&far.namespace));
                let own = end.address.into_iter().map(|address| (name, address));
                reach.networks.extend(own);
            }
        }
        for namespace in namespaces {
            let name = Some(namespace.name.as_str());
            let to = namespace.routes.iter().map(|route| route.to);
            let to = to.filter(|to| to.prefix_len() > 0).map(|to| (name, to));
            reach.networks.extend(to);
            // Only a namespace with another network than the bridge's forwards for it.
            let leads_on = reach.ways.contains_key(&name) || !namespace.routes.is_empty();
            let plug = namespace.plug.as_ref().filter(|_| leads_on);
            if let Some(router) = plug.and_then(|plug| router_of(&plug.bridge)) {
                reach.ways.entry(name).or_default().push(router);
                reach.ways.entry(router).or_default().push(name);
            }
        }
        reach
    }

    /// The namespaces that packets of a network can reach. `leading` are the routers that lead to
    /// the network themselves.
    pub(super) fn reached_from(
        &self,
        network: Ipv4Net,
        leading: impl Iterator<Item = RouterName<'a>>,
    ) -> HashSet<RouterName<'a>> {
        let own = self.networks.iter().filter(|(_, other)| overlap(*other, network));
        let mut open: Vec<RouterName<'a>> = leading.chain(own.map(|(name, _)| *name)).collect();
        let mut reached: HashSet<RouterName<'a>> = open.iter().copied().collect();
        while let Some(name) = open.pop() {
            let next = self.ways.get(&name).into_iter().flatten().copied();
            open.extend(next.filter(|next| reached.insert(*next)));
        }
        reached
    }
}
