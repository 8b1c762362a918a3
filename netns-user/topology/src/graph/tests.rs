//! Sample labs, and tests of the graph and its drawings.

use super::*;
use crate::rules::MasqueradeRule;
use crate::topology::{
    Bridge, Cable, CableEnd, Far, Namespace, NamespacePlug, NatOptions, Outside, Plug, Router,
    Topology, Uplink,
};

pub(super) fn empty(name: &str) -> Topology {
    Topology {
        name: name.into(),
        nat: NatOptions::default(),
        routers: Vec::new(),
        uplinks: Vec::new(),
        bridges: Vec::new(),
        namespaces: Vec::new(),
        cables: Vec::new(),
        masquerades: Vec::new(),
        forwards: Vec::new(),
    }
}

pub(super) fn router(name: &str) -> Router {
    Router { namespace: Some(name.into()), routes: Vec::new() }
}

pub(super) fn bridge(router: &str, name: &str, address: &str) -> Bridge {
    Bridge {
        name: name.into(),
        router: Some(router.into()),
        address: address.parse().unwrap(),
        mtu: None,
    }
}

pub(super) fn plain_namespace(name: &str) -> Namespace {
    Namespace {
        name: name.into(),
        plug: None,
        forwarding: false,
        routes: Vec::new(),
        dns: Vec::new(),
    }
}

pub(super) fn namespace(name: &str, bridge: &str, address: &str) -> Namespace {
    let plug = NamespacePlug {
        bridge: bridge.into(),
        address: address.parse().unwrap(),
        interface: "eth0".into(),
        port: format!("{name}-br"),
        gateway: None,
        mtu: None,
        source_check: None,
        quota: None,
    };
    Namespace { plug: Some(plug), ..plain_namespace(name) }
}

pub(super) fn uplink(router: &str, name: &str, address: &str, far: Far) -> Uplink {
    Uplink {
        name: name.into(),
        router: Some(router.into()),
        addresses: vec![address.parse().unwrap()],
        gateway: None,
        mtu: None,
        redirect_peer: false,
        routed: Vec::new(),
        far: Some(far),
    }
}

pub(super) fn outside(namespace: &str, interface: &str, address: &str) -> Far {
    Far::Outside(Outside {
        namespace: namespace.into(),
        interface: interface.into(),
        address: address.parse().unwrap(),
        answers: Vec::new(),
    })
}

pub(super) fn plug(bridge: &str, port: &str) -> Far {
    Far::Plug(Plug { bridge: bridge.into(), port: port.into(), source_check: None })
}

pub(super) fn cable(a: (&str, &str, &str), b: (&str, &str, &str)) -> Cable {
    let end = |(namespace, interface, address): (&str, &str, &str)| CableEnd {
        namespace: namespace.into(),
        interface: interface.into(),
        address: address.parse().ok(),
    };
    Cable { a: end(a), b: end(b), mtu: None }
}

/// A router at home behind the router of a provider, and a cable between two machines at home.
pub(super) fn plugged() -> Topology {
    let mut lab = empty("home");
    lab.routers = vec![router("isp"), router("home")];
    lab.bridges =
        vec![bridge("isp", "cgn", "100.64.0.1/24"), bridge("home", "lan", "192.168.0.1/24")];
    lab.uplinks = vec![
        uplink("isp", "eth0", "203.0.113.2/24", outside("internet", "eth0", "203.0.113.1/24")),
        uplink("home", "wan", "100.64.0.2/24", plug("cgn", "home-wan")),
    ];
    lab.uplinks[1].gateway = Some("100.64.0.1".parse().unwrap());
    lab.namespaces = vec![
        namespace("neighbour", "cgn", "100.64.0.9/24"),
        namespace("pc", "lan", "192.168.0.10/24"),
        namespace("nas", "lan", "192.168.0.11/24"),
    ];
    lab.cables = vec![cable(("pc", "eth1", "10.9.9.1/30"), ("nas", "eth1", "10.9.9.2/30"))];
    lab.masquerades = vec![
        MasqueradeRule::new("100.64.0.0/24".parse().unwrap(), Some("eth0".into())),
        MasqueradeRule::new("192.168.0.0/24".parse().unwrap(), Some("wan".into())),
    ];
    lab
}

/// Many similar web servers, and one namespace that is different.
pub(super) fn crowd(count: usize) -> Topology {
    let mut lab = empty("crowd");
    lab.routers = vec![router("host")];
    lab.bridges = vec![bridge("host", "v-net-0", "10.0.255.254/16")];
    lab.uplinks =
        vec![uplink("host", "ens3", "192.168.1.10/24", outside("lan", "eth0", "192.168.1.1/24"))];
    lab.namespaces = (1..=count)
        .map(|number| {
            let address = format!("10.0.{}.{}/16", number / 250, number % 250);
            namespace(&format!("web-{number}"), "v-net-0", &address)
        })
        .collect();
    lab.namespaces.push(namespace("monitor", "v-net-0", "10.0.255.1/16"));
    lab
}

/// A name with characters that are special in the drawings' languages. The kernel allows all of
/// them.
pub(super) const NASTY: &str = "\"<b>&amp;#;`\\n*]";

/// A lab in which everything has such a name.
pub(super) fn nasty() -> Topology {
    let mut lab = empty("nasty");
    lab.routers = vec![router(&format!("r{NASTY}"))];
    let host = lab.routers[0].namespace.clone().unwrap();
    lab.bridges = vec![bridge(&host, &format!("b{NASTY}"), "10.0.0.254/24")];
    let far = outside(&format!("o{NASTY}"), &format!("i{NASTY}"), "192.168.1.1/24");
    lab.uplinks = vec![uplink(&host, &format!("u{NASTY}"), "192.168.1.2/24", far)];
    lab.namespaces = vec![
        namespace(&format!("n{NASTY}"), &lab.bridges[0].name, "10.0.0.1/24"),
        plain_namespace(&format!("p{NASTY}")),
    ];
    let interface = format!("c{NASTY}");
    let end = |place: usize| (lab.namespaces[place].name.as_str(), interface.as_str(), "");
    lab.cables = vec![cable(end(0), end(1))];
    let uplink = Some(lab.uplinks[0].name.clone());
    lab.masquerades = vec![MasqueradeRule::new("10.0.0.0/24".parse().unwrap(), uplink)];
    lab
}

/// A chain of namespaces, each with a cable to the next.
pub(super) fn chain(length: usize) -> Topology {
    let mut lab = empty("chain");
    lab.routers = vec![Router::default()];
    lab.namespaces = (0..length).map(|place| plain_namespace(&format!("hop-{place}"))).collect();
    lab.cables = lab
        .namespaces
        .windows(2)
        .map(|pair| cable((&pair[0].name, "right", ""), (&pair[1].name, "left", "")))
        .collect();
    lab
}

fn namespaces(graph: &Graph) -> Vec<(&str, usize)> {
    graph.of(Kind::Namespace).map(|node| (node.name.as_str(), node.count)).collect()
}

#[test]
fn an_uplink_has_its_first_address_and_its_further_ones() {
    let mut lab = Topology::lecture();
    lab.uplinks[0].addresses.push("198.51.100.1/32".parse().unwrap());
    let graph = Graph::new(&lab, true);
    let uplink = graph.of(Kind::Uplink).next().unwrap();
    assert_eq!(uplink.address.as_deref(), Some("192.168.1.10/24"));
    assert_eq!(uplink.further_addresses, ["198.51.100.1/32"]);
    assert_eq!(&uplink.details()[..2], ["192.168.1.10/24", "198.51.100.1/32"]);
    // A rule that names no address has the first one.
    assert!(graph.rules[0].text.ends_with("as 192.168.1.10"), "{}", graph.rules[0].text);
}

#[test]
fn rules_name_untranslated_sources_and_the_namespace_at_the_end_of_a_cable() {
    let mut lab = Topology::lecture();
    lab.uplinks[0].routed = vec!["10.9.0.0/16".parse().unwrap()];
    lab.cables = vec![cable(("host", "x", "10.7.0.1/30"), ("solo", "y", "10.7.0.2/30"))];
    lab.forwards[0].target = "10.7.0.2:80".parse().unwrap();
    let rules = Graph::new(&lab, false).rules;
    let text = |place: usize| format!("{} {}", rules[place].kind, rules[place].text);
    assert_eq!(text(1), "routed 10.9.0.0/16 leaves by ens3 untranslated");
    assert_eq!(text(2), "forward tcp port 80 of the host leads to 10.7.0.2:80 in solo");
}

#[test]
fn a_lab_that_can_be_drawn_in_full_is_not_folded() {
    let lab = crowd(MAX_DRAWN - 1);
    assert_eq!(Graph::new(&lab, true), Graph::new(&lab, false));
    assert_eq!(Graph::new(&lab, true).of(Kind::Namespace).count(), MAX_DRAWN);
}

#[test]
fn namespaces_that_differ_only_by_a_number_share_a_node() {
    for count in [200, 1000] {
        let graph = Graph::new(&crowd(count), true);
        let last = format!("web-1 … web-{count}");
        assert_eq!(namespaces(&graph), [(&*last, count), ("monitor", 1)]);
    }
    let graph = Graph::new(&crowd(200), true);
    let crowd = graph.of(Kind::Namespace).next().unwrap();
    let interface = &crowd.interfaces[0];
    assert_eq!(interface.name, "eth0");
    assert_eq!(interface.address.as_deref(), Some("10.0.0.1 - 10.0.0.200"));
    let edge = &graph.edges[0];
    assert_eq!((edge.count, &*edge.b.interface), (200, "200 ports"));
}

#[test]
fn a_range_of_addresses_with_gaps_is_written_with_dots() {
    let mut lab = crowd(40);
    lab.namespaces.remove(20);
    let graph = Graph::new(&lab, true);
    let crowd = graph.of(Kind::Namespace).next().unwrap();
    assert_eq!(crowd.interfaces[0].address.as_deref(), Some("10.0.0.1 … 10.0.0.40"));
}

#[test]
fn namespaces_that_differ_by_more_than_a_number_have_their_own_nodes() {
    let mut lab = crowd(200);
    lab.namespaces[5].forwarding = true;
    lab.namespaces[7].plug.as_mut().unwrap().mtu = Some(9000);
    let graph = Graph::new(&lab, true);
    assert_eq!(
        namespaces(&graph),
        [("web-1 … web-200", 198), ("web-6", 1), ("web-8", 1), ("monitor", 1)]
    );
}

#[test]
fn without_numbers_in_names_the_fullest_bridge_is_folded() {
    let mut lab = empty("names");
    lab.routers = vec![router("host")];
    lab.bridges =
        vec![bridge("host", "full", "10.0.0.254/24"), bridge("host", "few", "10.1.0.254/24")];
    let letters = || ('a'..='z').flat_map(|one| ('a'..='d').map(move |two| format!("{one}{two}")));
    lab.namespaces = letters().map(|name| namespace(&name, "full", "10.0.0.1/24")).collect();
    lab.namespaces.extend(["x", "y"].map(|name| namespace(name, "few", "10.1.0.1/24")));
    assert_eq!(namespaces(&Graph::new(&lab, true)), [("aa … zd", 104), ("x", 1), ("y", 1)]);
}

#[test]
fn folding_neither_loses_nor_invents_a_namespace() {
    for lab in [Topology::lecture(), plugged(), crowd(1000), nasty(), chain(100)] {
        for folded in [true, false] {
            let graph = Graph::new(&lab, folded);
            let all: usize = graph.of(Kind::Namespace).map(|node| node.count).sum();
            assert_eq!(all, lab.namespaces.len(), "{}", lab.name);
            let nodes = graph.of(Kind::Namespace).count();
            assert!(!folded || nodes <= MAX_DRAWN, "{}: {nodes}", lab.name);
        }
    }
}

#[test]
fn cables_of_folded_namespaces_are_counted() {
    let graph = Graph::new(&chain(100), true);
    assert_eq!(namespaces(&graph), [("hop-0 … hop-99", 100)]);
    assert_eq!(graph.nodes[0].notes, ["99 cables among them"]);
    assert_eq!(graph.edges, []);

    // Two bridges full of namespaces, each with a cable to one on the other.
    let mut lab = empty("ladder");
    lab.routers = vec![router("host")];
    lab.bridges = vec![bridge("host", "l", "10.0.0.254/24"), bridge("host", "r", "10.1.0.254/24")];
    for place in 0..20 {
        let (left, right) = (format!("left-{place}"), format!("right-{place}"));
        lab.namespaces.push(namespace(&left, "l", &format!("10.0.0.{}/24", place + 1)));
        lab.namespaces.push(namespace(&right, "r", &format!("10.1.0.{}/24", place + 1)));
        lab.cables.push(cable((&left, "x", ""), (&right, "x", "")));
    }
    // Folding one bridge is enough to get below the limit.
    let graph = Graph::new(&lab, true);
    let ladder: usize = graph.direct().map(|edge| edge.count).sum();
    assert_eq!((graph.of(Kind::Namespace).count(), ladder), (21, 20));
}

#[test]
fn every_edge_of_the_serialised_graph_connects_two_nodes() {
    for lab in [Topology::lecture(), plugged(), crowd(200), nasty(), chain(5)] {
        let data = serde_json::to_value(Graph::new(&lab, true)).unwrap();
        let nodes = data["nodes"].as_array().unwrap();
        let is_node = |id: &serde_json::Value| nodes.iter().any(|node| node["id"] == *id);
        for edge in data["edges"].as_array().unwrap() {
            assert!(is_node(&edge["a"]["node"]) && is_node(&edge["b"]["node"]), "{edge}");
        }
    }
}

#[test]
fn the_lecture_is_drawn_in_mermaid() {
    let expected = r#"flowchart LR
  subgraph router_n0["host"]
    n0{{"routing and NAT"}}:::router
    n1["v-net-0<br/>192.168.15.5/24"]:::bridge
    n2(["ens3<br/>192.168.1.10/24<br/>via 192.168.1.1"]):::uplink
    n1 --- n0
    n0 --- n2
  end
  n3("red<br/>veth-red 192.168.15.1/24"):::namespace
  n4("blue<br/>veth-blue 192.168.15.2/24"):::namespace
  n5[["lan<br/>eth0 192.168.1.1/24<br/>8.8.8.8"]]:::outside
  n3 ---|"veth-red-br"| n1
  n4 ---|"veth-blue-br"| n1
  n2 ---|"eth0"| n5
  rules[/"masquerade 192.168.15.0/24 leaves by ens3 as 192.168.1.10<br/>forward tcp port 80 of the host leads to 192.168.15.2:80 in blue"/]
"#;
    let text = mermaid(&Graph::new(&Topology::lecture(), true));
    assert_eq!(text.split_once("  classDef").unwrap().0, expected);
}

#[test]
fn special_characters_in_names_are_escaped_in_mermaid() {
    let text = mermaid(&Graph::new(&nasty(), true));
    for label in text.split('"').skip(1).step_by(2) {
        let plain = label.replace("<br/>", "");
        assert!(!plain.contains(['<', '>', '&', '`', '\\', '*']), "{label}");
        // An entity is a number between these two.
        for entity in plain.split('#').skip(1) {
            let (number, _) = entity.split_once(';').unwrap_or_else(|| panic!("{label}"));
            assert!(number.parse::<u32>().is_ok(), "{label}");
        }
    }
}

#[test]
fn the_lecture_is_drawn_in_dot() {
    let expected = r##"  subgraph cluster_n0 {
    label="host"; style=rounded; color="#94a3b8"
    n0 [label="routing and NAT", shape=hexagon, style=filled, fillcolor="#e2e8f0"]
    n1 [label="v-net-0\n192.168.15.5/24", style=filled, fillcolor="#ccfbf1"]
    n2 [label="ens3\n192.168.1.10/24\nvia 192.168.1.1", fillcolor="#fef3c7"]
    n1 -- n0
    n0 -- n2
  }
  n3 [label="red\nveth-red 192.168.15.1/24", fillcolor="#dbeafe"]
  n4 [label="blue\nveth-blue 192.168.15.2/24", fillcolor="#dbeafe"]
  n5 [label="lan\neth0 192.168.1.1/24\n8.8.8.8", fillcolor="#ede9fe", peripheries=2]
  n3 -- n1 [label="veth-red - veth-red-br"]
  n4 -- n1 [label="veth-blue - veth-blue-br"]
  n2 -- n5 [label="ens3 - eth0"]
  label="masquerade 192.168.15.0/24 leaves by ens3 as 192.168.1.10\lforward tcp port 80 of the host leads to 192.168.15.2:80 in blue\l"; labelloc=b; labeljust=l
}
"##;
    let text = dot(&Graph::new(&Topology::lecture(), true));
    assert!(text.starts_with("graph \"lecture\" {\n"), "{text}");
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn special_characters_in_names_are_escaped_in_dot() {
    let text = dot(&Graph::new(&nasty(), true));
    assert!(text.contains(r##"label="r\"<b>&amp;amp;#;`\\n*]""##), "{text}");
}
