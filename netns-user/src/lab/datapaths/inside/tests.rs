//! Which networks are behind a router.

use super::*;

/// A router `gw` with a bridge 10.1.0.0/24, a cable 10.7.0.0/30 and an uplink 10.8.0.2/24.
fn inside_with(routes: &str) -> Vec<String> {
    inside_of(&lab(routes), "gw")
}

fn lab(routes: &str) -> String {
    format!(
        r#"
name = "inside"
[[router]]
namespace = "gw"
routes = [{routes}]
[[router]]
namespace = "home"
[[uplink]]
name = "wan"
address = "10.8.0.2/24"
gateway = "10.8.0.1"
outside = {{ namespace = "net", interface = "eth0", address = "10.8.0.1/24" }}
[[bridge]]
name = "br0"
address = "10.1.0.1/24"
[[bridge]]
name = "br-home"
router = "home"
address = "10.6.0.1/24"
[[namespace]]
name = "solo"
[[cable]]
a = {{ namespace = "solo", interface = "eth0", address = "10.7.0.2/30" }}
b = {{ namespace = "gw", interface = "to-solo", address = "10.7.0.1/30" }}
[[cable]]
a = {{ namespace = "solo", interface = "eth1", address = "10.5.0.2/32" }}
b = {{ namespace = "gw", interface = "to-solo2", address = "10.5.0.9/32" }}
"#
    )
}

#[track_caller]
fn inside_of(text: &str, router: &str) -> Vec<String> {
    let lab = Topology::parse(text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    let router = lab.routers.iter().find(|other| other.namespace.as_deref() == Some(router));
    inside(&lab, router.unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn subnets_of_bridges_and_cables_are_inside() {
    assert_eq!(inside_with(""), ["10.1.0.0/24", "10.5.0.2/32", "10.5.0.9/32", "10.7.0.0/30"]);
    assert_eq!(inside_of(&lab(""), "home"), ["10.6.0.0/24"]);
}

#[test]
fn destinations_of_routes_that_lead_inside_are_inside() {
    let has = |routes: &str, prefix: &str| inside_with(routes).contains(&prefix.to_owned());
    assert!(has(r#"{ to = "10.99.0.0/24", via = "10.1.0.5" }"#, "10.99.0.0/24"), "by the bridge");
    assert!(has(r#"{ to = "10.99.0.0/24", via = "10.7.0.2" }"#, "10.99.0.0/24"), "by the cable");
    assert!(has(r#"{ to = "10.99.0.0/24", interface = "br0" }"#, "10.99.0.0/24"));
    assert!(has(r#"{ to = "10.99.0.0/24", interface = "to-solo2" }"#, "10.99.0.0/24"));
    assert!(!has(r#"{ to = "10.99.0.0/24", via = "10.8.0.1" }"#, "10.99.0.0/24"), "by the uplink");
    assert!(!has(r#"{ to = "10.99.0.0/24", interface = "wan" }"#, "10.99.0.0/24"));
    assert!(!has(r#"{ to = "default", via = "10.1.0.5", metric = 9 }"#, "0.0.0.0/0"));
}

#[test]
fn prefixes_are_merged_and_that_of_the_first_bridge_comes_first() {
    let routes = r#"{ to = "10.1.0.128/25", via = "10.1.0.5" },
                    { to = "10.7.0.0/24", via = "10.7.0.2" },
                    { to = "10.0.0.0/24", via = "10.1.0.5" },
                    { to = "10.1.1.0/24", via = "10.1.0.5" }"#;
    let routes = routes.replace('\n', " ");
    let expected = ["10.1.0.0/23", "10.0.0.0/24", "10.5.0.2/32", "10.5.0.9/32", "10.7.0.0/24"];
    assert_eq!(inside_with(&routes), expected);
}

#[test]
fn the_network_of_an_uplink_is_not_inside() {
    let routes = r#"{ to = "10.0.0.0/8", via = "10.1.0.5" },
                    { to = "10.8.0.0/25", via = "10.1.0.5" },
                    { to = "10.8.0.128/25", via = "10.1.0.5" }"#;
    let expected = ["10.1.0.0/24", "10.5.0.2/32", "10.5.0.9/32", "10.7.0.0/30", "10.8.0.128/25"];
    assert_eq!(inside_with(&routes.replace('\n', " ")), expected);
}

#[test]
fn the_address_of_a_plugged_in_uplink_is_inside_for_the_router_of_the_bridge() {
    let wan = r#"
[[uplink]]
name = "way"
router = "home"
address = ["10.1.0.7/24", "10.1.0.8/24", "203.0.113.9/32"]
plug = { bridge = "br0" }
"#;
    let text =
        lab("").replace("[[bridge]]\nname = \"br0\"", &format!("{wan}[[bridge]]\nname = \"br0\""));
    let inside = inside_of(&text, "gw");
    assert_eq!(
        inside,
        ["10.1.0.0/24", "10.5.0.2/32", "10.5.0.9/32", "10.7.0.0/30", "203.0.113.9/32"]
    );
    assert_eq!(inside_of(&text, "home"), ["10.6.0.0/24"]);
}
