//! Routers: the rules, cables and datapaths that belong to each.

use std::net::Ipv4Addr;

use super::model::{Cable, CableEnd, Topology};
use crate::rules::MasqueradeRule;

impl Topology {
    /// The routers that a masquerade is for, by their namespaces (`None`: the machine): that of
    /// its uplink, or without one every router that has an uplink and leads to its source; where
    /// the file names no such router, every router that has an uplink.
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<Option<&str>> {
        self.networks().routers_of_masquerade(rule)
    }

    /// The router that has the target of a forward in the subnet of a bridge or at the other end
    /// of a cable, by its namespace. The inner `None` is the machine, the outer one says that
    /// there is no such router.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<Option<&str>> {
        self.networks().router_of_target(target)
    }

    /// The ends of point-to-point cables in a router's namespace, each with its cable and the
    /// other end. No cable ends in the machine's own namespace.
    pub fn cables_of<'a>(
        &'a self,
        router: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Cable, &'a CableEnd, &'a CableEnd)> {
        let ends = self
            .cables
            .iter()
            .flat_map(|cable| [(cable, &cable.a, &cable.b), (cable, &cable.b, &cable.a)]);
        ends.filter(move |(_, end, _)| Some(end.namespace.as_str()) == router)
    }

    /// The ends of a cable, first the near one: the router's where only one is in a router,
    /// otherwise `a`. The lab gives the far end its Ethernet address, and the kernel the near one:
    /// a router has to know that of a namespace.
    pub fn near_and_far<'a>(&self, cable: &'a Cable) -> (&'a CableEnd, &'a CableEnd) {
        let is_router = |end: &CableEnd| {
            let mut names = self.routers.iter().filter_map(|router| router.namespace.as_deref());
            names.any(|name| name == end.namespace)
        };
        match is_router(&cable.b) && !is_router(&cable.a) {
            true => (&cable.b, &cable.a),
            false => (&cable.a, &cable.b),
        }
    }

    /// Whether a router has somebody to translate for, and therefore a datapath: it has a bridge,
    /// or an uplink and a cable.
    pub fn has_datapath(&self, router: Option<&str>) -> bool {
        let has_uplink = self.uplinks_of(router).next().is_some();
        self.bridges_of(router).next().is_some()
            || (has_uplink && self.cables_of(router).next().is_some())
    }

    /// The name of a router's datapath, which its pins bear: the lab's for the first router,
    /// and for others one that no lab can have. bpffs allows no dots.
    pub fn datapath_of(&self, router: Option<&str>) -> String {
        match router {
            Some(name) if self.first_router() != router => {
                format!("{}@{}", self.name, name.replace('%', "%25").replace('.', "%2e"))
            }
            _ => self.name.clone(),
        }
    }

    /// The names of all datapaths of the lab.
    pub fn datapath_names(&self) -> Vec<String> {
        let routers = self.routers.iter().map(|router| router.namespace.as_deref());
        let busy = routers.filter(|router| self.has_datapath(*router));
        busy.map(|router| self.datapath_of(router)).collect()
    }
}
