//! Networks without a bridge: behind forwarding namespaces, on cables, and behind other routers.

use super::{Topology, problems};

/// `gw` and `edge` have uplinks. `gw` leads to a site behind the namespace `vpn`, to `inner`,
/// which has no uplink, and by a cable to `solo`.
const REACH: &str = r#"name = "reach"

[[router]]
namespace = "gw"
routes = [{ to = "10.99.0.0/24", via = "10.1.0.5" }, { to = "default", via = "192.0.2.1" }]

[[router]]
namespace = "edge"

[[router]]
namespace = "inner"

[[uplink]]
name = "wan"
address = "192.0.2.2/24"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24" }

[[uplink]]
name = "core"
router = "edge"
address = "198.51.100.2/24"
outside = { namespace = "net", interface = "eth1", address = "198.51.100.1/24" }

[[bridge]]
name = "br-gw"
address = "10.1.0.1/24"

[[bridge]]
name = "br-edge"
router = "edge"
address = "10.2.0.1/24"

[[bridge]]
name = "br-inner"
router = "inner"
address = "10.3.0.1/24"

[[namespace]]
name = "vpn"
bridge = "br-gw"
address = "10.1.0.5/24"
forwarding = true
routes = [{ to = "10.98.0.0/24", via = "10.99.0.2" }]

[[namespace]]
name = "site"

[[namespace]]
name = "solo"

[[cable]]
a = { namespace = "vpn", interface = "tun0", address = "10.99.0.1/24" }
b = { namespace = "site", interface = "eth0", address = "10.99.0.2/24" }

[[cable]]
a = { namespace = "solo", interface = "eth0", address = "10.7.0.2/30" }
b = { namespace = "gw", interface = "solo", address = "10.7.0.1/30" }

[[cable]]
a = { namespace = "site", interface = "eth9", address = "10.97.0.1/30" }
b = { namespace = "solo", interface = "eth9", address = "10.97.0.2/30" }
"#;

fn masquerade(source: &str) -> String {
    format!("{REACH}\n[[masquerade]]\nsource = \"{source}\"\n")
}

#[test]
fn a_masquerade_is_for_the_routers_that_lead_to_its_source() {
    let routers = |source: &str| {
        let lab = Topology::parse(&masquerade(source), "lab.toml");
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        let found = lab.routers_of_masquerade(&lab.masquerades[0]);
        found.into_iter().map(|router| router.unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(routers("10.1.0.0/24"), ["gw"], "its bridge");
    assert_eq!(routers("10.2.0.7/32"), ["edge"], "its bridge");
    assert_eq!(routers("10.99.0.0/25"), ["gw"], "behind the namespace vpn, by a route");
    assert_eq!(routers("10.7.0.2/32"), ["gw"], "on its cable");
    let both = ["gw", "edge"];
    assert_eq!(routers("10.3.0.0/24"), both, "on a bridge of a router without an uplink");
    assert_eq!(routers("10.98.0.0/24"), both, "only a namespace has a route");
    assert_eq!(routers("10.97.0.0/30"), both, "on a cable between namespaces");
    assert_eq!(routers("10.0.0.0/8"), both, "in bridges of both");
}

#[test]
fn a_masquerade_is_for_the_router_of_its_uplink() {
    let text = format!("{}uplink = \"core\"\n", masquerade("10.2.0.0/25"));
    let lab = Topology::parse(&text, "lab.toml").unwrap();
    assert_eq!(lab.routers_of_masquerade(&lab.masquerades[0]), [Some("edge")]);
}

#[test]
fn the_source_of_a_masquerade_must_reach_the_router_of_its_uplink() {
    let fault = |source: &str, uplink: &str| {
        problems(&format!("{}uplink = \"{uplink}\"\n", masquerade(source)))
    };
    let behind = |source: &str, uplink: &str, router: &str, other: &str| {
        let expected = format!(
            "lab.toml:65:10: masquerade: the source {source} does not reach uplink \"{uplink}\" of \
             router \"{router}\": it is behind {other}"
        );
        assert_eq!(fault(source, uplink), [expected]);
    };
    behind("10.1.0.0/24", "core", "edge", "router \"gw\": use \"wan\"");
    behind("10.2.0.0/24", "wan", "gw", "router \"edge\": use \"core\"");
    behind("10.99.0.0/24", "core", "edge", "router \"gw\": use \"wan\"");
    behind("10.97.0.0/30", "core", "edge", "router \"gw\": use \"wan\"");
    behind("10.98.0.0/24", "core", "edge", "router \"gw\": use \"wan\"");
    behind("10.3.0.0/24", "wan", "gw", "router \"inner\": give that router an uplink");
    for source in ["10.99.0.0/24", "10.97.0.0/30", "10.98.0.0/24", "10.7.0.2/32", "10.0.0.0/8"] {
        let text = format!("{}uplink = \"wan\"\n", masquerade(source));
        Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_source_of_a_masquerade_may_be_behind_another_router() {
    let plugged = "[[uplink]]\nname = \"up\"\nrouter = \"inner\"\naddress = \"10.1.0.9/24\"\n\
                   plug = { bridge = \"br-gw\" }\n";
    let cable = "[[cable]]\na = { namespace = \"inner\", interface = \"x\", address = \
                 \"10.8.0.1/30\" }\nb = { namespace = \"gw\", interface = \"x\", address = \
                 \"10.8.0.2/30\" }\n";
    for way in [plugged, cable] {
        let text =
            |uplink: &str| format!("{}uplink = \"{uplink}\"\n{way}", masquerade("10.3.0.0/24"));
        Topology::parse(&text("wan"), "lab.toml").unwrap_or_else(|error| panic!("{error}"));
        let error = Topology::parse(&text("core"), "lab.toml").unwrap_err().to_string();
        assert!(error.contains("does not reach uplink \"core\" of router \"edge\""), "{error}");
    }
}

#[test]
fn the_routers_for_a_masquerade_are_named_where_another_is_asked_for() {
    let lab = Topology::parse(REACH, "lab.toml").unwrap();
    let networks = lab.networks();
    let instead =
        |router, source: &str| networks.routers_instead_of(Some(router), source.parse().unwrap());
    assert_eq!(instead("gw", "10.1.0.0/24"), None);
    assert_eq!(instead("edge", "10.1.0.0/24"), Some(vec![Some("gw")]));
    assert_eq!(instead("inner", "10.0.0.0/8"), None);
    assert_eq!(instead("edge", "172.16.0.0/12"), None, "the lab does not say where it is");
}

#[test]
fn the_source_of_a_masquerade_must_be_in_the_lab() {
    let expected = "masquerade: nothing inside has an address of 10.96.0.0/24: the bridges have \
                    10.1.0.0/24, 10.2.0.0/24, 10.3.0.0/24";
    assert_eq!(problems(&masquerade("10.96.0.0/24")), [format!("lab.toml:64:10: {expected}")]);
}

fn forward(target: &str) -> String {
    format!("{REACH}\n[[forward]]\nprotocol = \"tcp\"\nport = 80\ntarget = \"{target}:80\"\n")
}

#[test]
fn a_forward_can_lead_to_the_other_end_of_a_routers_cable() {
    let lab = Topology::parse(&forward("10.7.0.2"), "lab.toml").unwrap();
    assert_eq!(lab.router_of_target(*lab.forwards[0].target.ip()), Some(Some("gw")));
    // The router's own end, and ends of cables between other namespaces.
    for target in ["10.7.0.1", "10.99.0.2", "10.97.0.2"] {
        let expected = format!(
            "lab.toml:66:10: forward: no namespace has the target address {target}: use the \
             address of a namespace"
        );
        assert_eq!(problems(&forward(target)), [expected]);
    }
}

#[test]
fn the_router_of_a_forward_is_the_one_where_a_namespace_has_the_target() {
    let text = forward("10.2.0.9").replacen("10.7.0.2/30", "10.2.0.9/30", 1);
    let text = text.replacen("10.7.0.1/30", "10.2.0.10/30", 1);
    let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lab.router_of_target("10.2.0.9".parse().unwrap()), Some(Some("gw")));
    // Where the other router has it too, the target does not say which of them is meant.
    let twin = "[[namespace]]\nname = \"twin\"\nbridge = \"br-edge\"\naddress = \"10.2.0.9/24\"\n";
    assert_eq!(
        problems(&format!("{text}{twin}")),
        ["lab.toml:66:10: forward: the target address 10.2.0.9 is behind 2 routers: give their \
          bridges and cables different subnets"]
    );
}
