//! Interfaces of the machine that routes lead to and that no uplink of a lab covers. The datapath
//! drops the packets of the lab that the machine routes there.

use std::collections::{HashMap, HashSet};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    datapath::is_reassemblers,
    lab::{error::LabError, record::LabRecord, resources},
    net::{Link, Netlink, RoutingRule, TableRoute},
    topology::{Topology, overlap},
};

/// An interface of the machine that has routes and is no uplink of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct UncoveredInterface {
    /// Its name.
    pub(crate) interface: String,
    /// An example of the networks behind it: one with the shortest prefix.
    #[schemars(with = "String")]
    pub(crate) destination: Ipv4Net,
}

impl UncoveredInterface {
    /// Whether its example is the default route.
    pub(crate) fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

/// The interfaces of the calling thread's namespace that no uplink of the lab covers, sorted by
/// their destination, the widest first. `topology` must name the interface that "auto" stands for.
pub(crate) fn uncovered(topology: &Topology) -> Result<Vec<UncoveredInterface>, LabError> {
    // Without a bridge on the machine, it routes no packets of the lab.
    if topology.bridges_of(None).next().is_none() {
        return Ok(Vec::new());
    }
    let machine = Netlink::open()?;
    let (rules, routes) = (machine.routing_rules()?, machine.routes_of_all_tables()?);
    Ok(judge(topology, &machine.links()?, &rules, &routes))
}

/// The interfaces of the machine that belong to labs other than `own`, as far as their records can
/// be read.
pub(crate) fn interfaces_of_other_labs(own: &str) -> HashSet<String> {
    let labs = LabRecord::list().unwrap_or_default();
    let others = labs.iter().filter(|lab| lab.name() != own);
    others.flat_map(|lab| machine_interfaces(&lab.topology)).collect()
}

/// Finds the uncovered interfaces. It may find one too many, since it ignores the order of the
/// rules: an earlier rule may lead all packets elsewhere.
fn judge(
    topology: &Topology,
    links: &[Link],
    rules: &[RoutingRule],
    routes: &[TableRoute],
) -> Vec<UncoveredInterface> {
    let concerning = rules.iter().filter(|rule| may_concern(rule, topology));
    let tables: HashSet<u32> = concerning.map(|rule| rule.table).collect();
    let routes: Vec<&TableRoute> =
        routes.iter().filter(|route| tables.contains(&route.table)).collect();
    let widest = widest_destinations(&routes);
    let own: HashSet<String> = machine_interfaces(topology).collect();
    let is_covered =
        |link: &Link| link.name == "lo" || own.contains(&link.name) || is_reassemblers(link);
    let uncovered = links.iter().filter(|link| !is_covered(link)).filter_map(|link| {
        let destination = *widest.get(&link.index)?;
        Some(UncoveredInterface { interface: link.name.clone(), destination })
    });
    let mut uncovered: Vec<UncoveredInterface> = uncovered.collect();
    uncovered.sort_by_key(|found| found.destination.prefix_len());
    uncovered
}

/// Whether the table of a rule may be used for packets of the lab. Machines with several network
/// cards have a rule for the address of each card, which does not concern the lab.
fn may_concern(rule: &RoutingRule, topology: &Topology) -> bool {
    let comes_in_by = |name: &String| topology.bridges_of(None).any(|bridge| bridge.name == *name);
    let may_be_sent_from = |net: &Ipv4Net| {
        let mut subnets = topology.bridges.iter().map(|bridge| bridge.address.trunc());
        subnets.any(|subnet| overlap(subnet, *net))
    };
    rule.inverted
        || rule.bound_to.is_none()
            && rule.incoming.as_ref().is_none_or(comes_in_by)
            && rule.source.as_ref().is_none_or(may_be_sent_from)
}

/// The network with the shortest prefix behind each link, by the link's index. Of several routes of
/// a table to the same network, only the one with the lowest metric is in use.
fn widest_destinations(routes: &[&TableRoute]) -> HashMap<u32, Ipv4Net> {
    let mut lowest: HashMap<(u32, Ipv4Net), u32> = HashMap::new();
    for route in routes {
        let metric = lowest.entry((route.table, route.destination)).or_insert(route.metric);
        *metric = route.metric.min(*metric);
    }
    let mut widest: HashMap<u32, Ipv4Net> = HashMap::new();
    for route in routes {
        if lowest[&(route.table, route.destination)] < route.metric {
            continue;
        }
        for link in &route.links {
            let destination = widest.entry(*link).or_insert(route.destination);
            if route.destination.prefix_len() < destination.prefix_len() {
                *destination = route.destination;
            }
        }
    }
    widest
}

/// The interfaces of the machine that a lab makes, or has as uplinks.
fn machine_interfaces(topology: &Topology) -> impl Iterator<Item = String> {
    let made = resources::machine_interfaces(topology).into_iter().map(|interface| interface.name);
    made.chain(topology.uplinks_of(None).map(|uplink| uplink.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mac;

    const MAIN: u32 = 254;

    /// A lab on the machine, into whose bridge a namespace and another router are plugged.
    fn lab() -> Topology {
        let text = r#"name = "own"
            [[router]]
            [[router]]
            namespace = "home"
            [[uplink]]
            name = "wan0"
            [[uplink]]
            name = "out"
            router = "home"
            address = "10.9.1.9/24"
            plug = { bridge = "br-a" }
            [[bridge]]
            name = "br-a"
            address = "10.9.1.1/24"
            [[namespace]]
            name = "red"
            bridge = "br-a""#;
        Topology::parse(text, "own.toml").unwrap()
    }

    /// The links of a machine, with their positions in the list as indexes.
    fn links(names: &[&str]) -> Vec<Link> {
        (1..).zip(names).map(|(index, name)| Link::sample(index, name)).collect()
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn route(destination: &str, links: &[u32]) -> TableRoute {
        TableRoute { table: MAIN, destination: net(destination), metric: 0, links: links.to_vec() }
    }

    fn rule(table: u32) -> RoutingRule {
        RoutingRule { table, ..RoutingRule::default() }
    }

    /// The uncovered interfaces with their examples, where every packet is looked up in the main
    /// table.
    fn found(links: &[Link], routes: &[TableRoute]) -> Vec<(String, String)> {
        found_by(&[rule(MAIN)], links, routes)
    }

    fn found_by(
        rules: &[RoutingRule],
        links: &[Link],
        routes: &[TableRoute],
    ) -> Vec<(String, String)> {
        let found = judge(&lab(), links, rules, routes).into_iter();
        found.map(|one| (one.interface, one.destination.to_string())).collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn links_of_the_lab_its_uplinks_and_loopback_are_covered() {
        let links = links(&["lo", "wan0", "br-a", "veth-red-br", "veth-out-br"]);
        let routes = [
            route("127.0.0.0/8", &[1]),
            route("0.0.0.0/0", &[2]),
            route("10.9.1.0/24", &[3]),
            route("10.9.1.2/32", &[4]),
            route("10.9.1.9/32", &[5]),
        ];
        assert_eq!(found(&links, &routes), expected(&[]));
    }

    #[test]
    fn the_shortest_prefix_is_the_example_and_comes_first() {
        let links = links(&["wan0", "docker0", "wg0", "idle0"]);
        let routes = [
            route("172.17.0.0/16", &[2]),
            route("10.8.3.0/24", &[3]),
            route("0.0.0.0/0", &[3]),
            route("10.8.4.0/24", &[3]),
        ];
        let both = expected(&[("wg0", "0.0.0.0/0"), ("docker0", "172.17.0.0/16")]);
        assert_eq!(found(&links, &routes), both);
        assert!(judge(&lab(), &links, &[rule(MAIN)], &routes)[0].is_default());
    }

    #[test]
    fn each_next_hop_of_a_multipath_route_counts() {
        let links = links(&["wan0", "wan1", "wan2"]);
        let routes = [route("0.0.0.0/0", &[1, 2, 3])];
        let both = expected(&[("wan1", "0.0.0.0/0"), ("wan2", "0.0.0.0/0")]);
        assert_eq!(found(&links, &routes), both);
    }

    #[test]
    fn a_route_behind_one_with_a_lower_metric_is_not_in_use() {
        let links = links(&["wan0", "wlan0"]);
        let standby = TableRoute { metric: 600, ..route("0.0.0.0/0", &[2]) };
        let routes = [standby.clone(), route("0.0.0.0/0", &[1])];
        assert_eq!(found(&links, &routes), expected(&[]));
        let elsewhere = TableRoute { table: 7, ..route("0.0.0.0/0", &[1]) };
        let in_use = expected(&[("wlan0", "0.0.0.0/0")]);
        assert_eq!(found(&links, &[standby, elsewhere]), in_use);
    }

    #[test]
    fn only_tables_of_rules_that_may_match_packets_of_the_lab_count() {
        let links = links(&["wan0", "wg0"]);
        let routes = [TableRoute { table: 51820, ..route("0.0.0.0/0", &[2]) }];
        let wg0 = expected(&[("wg0", "0.0.0.0/0")]);
        let to_table = rule(51820);
        let from = |source: &str| RoutingRule { source: Some(net(source)), ..to_table.clone() };
        let by = |name: &str| RoutingRule { incoming: Some(name.into()), ..to_table.clone() };
        let concerning = [
            from("10.9.0.0/16"),
            from("10.9.1.2/32"),
            by("br-a"),
            RoutingRule { inverted: true, ..from("10.8.0.2/32") },
        ];
        for rule in concerning {
            assert_eq!(found_by(std::slice::from_ref(&rule), &links, &routes), wg0, "{rule:?}");
        }
        let bound = RoutingRule { bound_to: Some("wg0".into()), ..to_table.clone() };
        for rule in [rule(MAIN), from("10.8.0.2/32"), by("docker0"), bound] {
            assert_eq!(
                found_by(std::slice::from_ref(&rule), &links, &routes),
                expected(&[]),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn the_link_to_a_reassembler_counts_as_covered() {
        let mut links = links(&["wan0", "frag-03040506"]);
        links[1].kind = Some(crate::net::VETH.to_owned());
        links[1].mac = Some(Mac([2, 1, 3, 4, 5, 6]));
        assert_eq!(found(&links, &[route("169.254.0.0/16", &[2])]), expected(&[]));
        links[1].mac = None;
        let stranger = expected(&[("frag-03040506", "169.254.0.0/16")]);
        assert_eq!(found(&links, &[route("169.254.0.0/16", &[2])]), stranger);
    }
}
