//! Which routers have a datapath, and what each is configured with.

use super::*;

/// `gw` has no bridge: an uplink, a namespace at a cable, and another router at a second one.
const CABLES: &str = r#"
name = "cables"
[[router]]
namespace = "gw"
[[router]]
namespace = "inner"
[[router]]
namespace = "idle"
[[uplink]]
name = "wan"
address = "192.0.2.2/24"
routed = ["10.99.0.0/24", "0.0.0.0/0"]
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24" }
[[uplink]]
name = "wan-idle"
router = "idle"
address = "198.51.100.2/24"
routed = ["10.98.0.0/24"]
outside = { namespace = "net", interface = "eth1", address = "198.51.100.1/24" }
[[bridge]]
name = "br-inner"
router = "inner"
address = "10.3.0.1/24"
[[namespace]]
name = "solo"
[[cable]]
a = { namespace = "solo", interface = "eth0", address = "10.7.0.2/30" }
b = { namespace = "gw", interface = "to-solo", address = "10.7.0.1/30" }
[[cable]]
a = { namespace = "gw", interface = "to-inner", address = "10.7.1.1/30" }
b = { namespace = "inner", interface = "to-gw" }
[[masquerade]]
source = "10.7.0.0/30"
[[forward]]
protocol = "tcp"
port = 80
target = "10.7.0.2:80"
"#;

fn lab() -> Topology {
    Topology::parse(CABLES, "lab.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn spec_of(router: &str) -> DatapathSpec {
    let mut all = datapaths(&lab()).into_iter();
    all.find(|datapath| datapath.router.as_deref() == Some(router)).unwrap().spec
}

#[test]
fn a_router_has_a_datapath_with_a_bridge_or_with_an_uplink_and_a_cable() {
    let all = datapaths(&lab());
    let names: Vec<&str> = all.iter().map(|datapath| datapath.spec.lab.as_str()).collect();
    assert_eq!(names, ["cables", "cables@inner"]);
    assert_eq!(lab().datapath_names(), names);
}

#[test]
fn each_cable_of_a_router_is_a_port_without_a_bridge() {
    let gw = spec_of("gw");
    let cables: Vec<_> = gw
        .cables
        .iter()
        .map(|cable| (cable.port.as_str(), cable.bridge.as_str(), cable.addresses.clone()))
        .collect();
    let address = Ipv4Addr::new(10, 7, 0, 2);
    assert_eq!(
        cables,
        [("to-solo", "to-solo", vec![address]), ("to-inner", "to-inner", Vec::new())]
    );
    assert!(gw.cables.iter().all(|cable| cable.source_check == Some(false)));
    let inner = spec_of("inner");
    let address = Ipv4Addr::new(10, 7, 1, 1);
    assert_eq!(inner.cables[0].port, "to-gw");
    assert_eq!(inner.cables[0].addresses, [address]);
}

#[test]
fn the_ethernet_address_of_a_far_end_is_known_if_the_lab_sets_it() {
    let gw = spec_of("gw");
    assert_eq!(gw.cables[0].mac, Mac::from_names(&["cables", "solo", "eth0"]).0);
    assert_eq!(gw.cables[1].mac, Mac::from_names(&["cables", "inner", "to-gw"]).0);
    // Between two routers only one end has an address from the lab.
    assert_eq!(spec_of("inner").cables[0].mac, UNKNOWN_MAC);
}

#[test]
fn an_uplink_that_is_plugged_in_has_all_its_addresses_behind_its_port() {
    let plugged = r#"
[[uplink]]
name = "way"
router = "idle"
address = ["10.3.0.7/24", "10.3.0.8/24", "203.0.113.9/32"]
plug = { bridge = "br-inner" }
[[bridge]]
name = "br-idle"
router = "idle"
address = "10.6.0.1/24"
"#;
    let text = CABLES.replace("[[namespace]]", &format!("{plugged}[[namespace]]"));
    let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    let spec = |router: &str| {
        let mut all = datapaths(&lab).into_iter();
        all.find(|datapath| datapath.router.as_deref() == Some(router)).unwrap().spec
    };
    let inner = spec("inner");
    let cable = inner.cables.iter().find(|cable| cable.port == "veth-way-br").unwrap();
    let addresses: Vec<String> = cable.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.3.0.7", "10.3.0.8", "203.0.113.9"]);
    // The router sends from the first one.
    let primary = |uplink: &str, address: &str| (uplink.to_owned(), address.parse().unwrap());
    let idle = spec("idle").primary_addresses;
    assert_eq!(idle, [primary("wan-idle", "198.51.100.2"), primary("way", "10.3.0.7")]);
}

#[test]
fn rules_for_a_namespace_at_a_cable_belong_to_its_router() {
    let gw = spec_of("gw");
    assert_eq!((gw.masquerades.len(), gw.forwards.len()), (1, 1));
    let inner = spec_of("inner");
    assert_eq!((inner.masquerades.len(), inner.forwards.len()), (0, 0));
}

#[test]
fn each_router_has_the_untranslated_sources_of_its_own_uplinks() {
    let routed: Vec<String> = spec_of("gw").routed.iter().map(ToString::to_string).collect();
    assert_eq!(routed, ["routed 10.99.0.0/24 out of wan", "routed 0.0.0.0/0 out of wan"]);
    assert_eq!(spec_of("inner").routed, []);
}
