//! Routers: which rules, cables and datapaths belong to each.

use std::net::Ipv4Addr;

use super::model::{Cable, CableEnd, Topology};
use crate::rules::MasqueradeRule;

impl Topology {
    /// The routers that a masquerade is for, by their namespaces (`None`: the machine). See
    /// [`Networks::routers_of_masquerade`](super::Networks::routers_of_masquerade).
    pub fn routers_of_masquerade(&self, rule: &MasqueradeRule) -> Vec<Option<&str>> {
        self.networks().routers_of_masquerade(rule)
    }

    /// The router with the target of a forward in the subnet of a bridge or at the other end of a
    /// cable, by its namespace. The inner `None` is the machine, and the outer one means that no
    /// router has it.
    pub fn router_of_target(&self, target: Ipv4Addr) -> Option<Option<&str>> {
        self.networks().router_of_target(target)
    }

    /// The ends of cables in a router's namespace, each as the cable, this end and the other end.
    /// No cable ends in the machine's own namespace.
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

    /// The near and the far end of a cable. Where only one end is in a router, that is the near
    /// end, otherwise `a` is. The lab chooses the Ethernet address of the far end, since a router
    /// has to know that of a namespace, and the kernel chooses that of the near end.
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

    /// Whether a router has namespaces to translate for, and therefore a datapath: it has a bridge,
    /// or an uplink and a cable.
    pub fn has_datapath(&self, router: Option<&str>) -> bool {
        let has_uplink = self.uplinks_of(router).next().is_some();
        self.bridges_of(router).next().is_some()
            || (has_uplink && self.cables_of(router).next().is_some())
    }

    /// The name of a router's datapath, which is also the name of its pins: for the first router
    /// the lab's name, and for others a name that no lab can have. bpffs refuses dots.
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
        let translating = routers.filter(|router| self.has_datapath(*router));
        translating.map(|router| self.datapath_of(router)).collect()
    }
}
