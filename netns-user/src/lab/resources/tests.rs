//! The pieces that a topology is made of, and their order.

use super::*;
use crate::{net::Mac, topology::Topology};

fn commands(resources: &[Resource]) -> Vec<String> {
    resources.iter().flat_map(Resource::create_steps).flat_map(|step| step.commands()).collect()
}

#[test]
fn the_lecture_is_made_in_an_order_that_works() {
    let all = commands(&resources(&Topology::lecture()));
    let position = |part: &str| {
        let at = all.iter().position(|line| line.contains(part));
        at.unwrap_or_else(|| panic!("no {part:?} in\n{}", all.join("\n")))
    };
    assert!(position("netns add host") < position("link add v-net-0"));
    assert!(position("link add v-net-0") < position("set veth-red-br master v-net-0"));
    assert!(position("netns add red") < position("peer name veth-red"));
    assert!(position("disable_ipv6=1") < position("link set lo up"));
    let address = position("ip -n red addr add 192.168.15.1/24 dev veth-red");
    assert!(position("ip -n red link set veth-red up") < address);
    assert!(address < position("ip -n red route add default via 192.168.15.5"));
    assert!(position("netns exec host sysctl -qw net.ipv4.ip_forward=1") < address);
}

#[test]
fn the_rest_of_a_cable_says_that_its_other_end_is_missing() {
    let lecture = resources(&Topology::lecture());
    let cable = lecture.iter().find_map(|resource| match resource {
        Resource::Cable(cable) => Some(cable),
        _ => None,
    });
    let cable = cable.unwrap();
    let whole = Resource::Cable(cable.clone()).describe();
    assert_eq!(whole.1, format!("{} - {}", cable.near, cable.far));
    let rest = Resource::Cable(cable.broken(&cable.near)).describe();
    assert_eq!(rest.1, cable.near.to_string());
    assert_eq!(rest.2, "its other end is missing");
}

/// One outside behind two uplinks, which has the same additional address for both.
const SHARED: &str = r#"
name = "shared"
router = { namespace = "gw" }
[[uplink]]
name = "a"
address = "192.0.2.2/24"
outside = { namespace = "net", interface = "a", address = "192.0.2.1/24", answers = ["8.8.8.8"] }
[[uplink]]
name = "b"
address = "198.51.100.2/24"
outside = { namespace = "net", interface = "b", address = "198.51.100.1/24", answers = ["8.8.8.8", "9.9.9.9"] }
"#;

#[test]
fn no_resource_appears_twice() {
    for lab in [Topology::lecture(), Topology::parse(SHARED, "shared.toml").unwrap()] {
        no_piece_of_is_there_twice(&lab);
    }
}

fn no_piece_of_is_there_twice(lab: &Topology) {
    let all = resources(lab);
    let keys: std::collections::HashSet<Key> = all.iter().map(Resource::key).collect();
    assert_eq!(keys.len(), all.len());
}

#[test]
fn an_uplink_has_its_addresses_in_their_order_and_the_outside_a_route_to_those_beyond() {
    let several = r#"["192.0.2.2/24", "192.0.2.3/24", "203.0.113.9/32"]"#;
    let lab = Topology::parse(&SHARED.replace(r#""192.0.2.2/24""#, several), "lab.toml").unwrap();
    no_piece_of_is_there_twice(&lab);
    let all = resources(&lab);
    let made = commands(&all);
    let added = made.iter().filter(|line| line.starts_with("ip -n gw addr add"));
    assert_eq!(
        added.collect::<Vec<_>>(),
        [
            "ip -n gw addr add 192.0.2.2/24 dev a",
            "ip -n gw addr add 192.0.2.3/24 dev a",
            "ip -n gw addr add 203.0.113.9/32 dev a",
            "ip -n gw addr add 198.51.100.2/24 dev b",
        ]
    );
    // Its link is switched on last.
    let route = "ip -n net route add 203.0.113.9/32 via 192.0.2.2 dev a";
    assert!(!made.contains(&route.to_owned()), "{made:#?}");
    let late: Vec<String> = all
        .iter()
        .flat_map(Resource::guarded_steps)
        .flat_map(|step| step.commands())
        .filter(|line| line.starts_with("ip -n net"))
        .collect();
    let expected =
        ["ip -n net link set dev a up", route, "ip -n net link set dev b up"].map(str::to_owned);
    assert_eq!(late, expected);
}

#[test]
fn a_route_of_the_file_to_an_address_beyond_is_the_only_one() {
    let text = r#"
name = "lab"
[[router]]
namespace = "street"
routes = [{ to = "203.0.113.9/32", via = "10.1.0.3" }]
[[router]]
namespace = "home"
[[bridge]]
name = "br0"
address = "10.1.0.1/24"
[[uplink]]
name = "wan"
router = "home"
address = ["10.1.0.2/24", "203.0.113.9/32", "203.0.113.8/32"]
plug = { bridge = "br0" }
"#;
    let lab = Topology::parse(text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    no_piece_of_is_there_twice(&lab);
    let routes = commands(&resources(&lab)).into_iter().filter(|line| line.contains("route add"));
    assert_eq!(
        routes.collect::<Vec<_>>(),
        [
            "ip -n street route add 203.0.113.8/32 via 10.1.0.2 dev br0",
            "ip -n street route add 203.0.113.9/32 via 10.1.0.3",
        ]
    );
}

/// A router's cable to a namespace, written from either end.
#[test]
fn the_end_of_a_cable_that_is_in_a_namespace_gets_its_address_from_the_lab() {
    let gw = "{ namespace = \"gw\", interface = \"x\" }";
    let solo = "{ namespace = \"solo\", interface = \"y\" }";
    let mac = Mac::from_names(&["lab", "solo", "y"]);
    for (a, b) in [(gw, solo), (solo, gw)] {
        let text = format!(
            "name = \"lab\"\nrouter = {{ namespace = \"gw\" }}\n[[namespace]]\nname = \"solo\"\n\
             [[cable]]\na = {a}\nb = {b}\n"
        );
        let all = commands(&resources(&Topology::parse(&text, "lab.toml").unwrap()));
        let made = format!("ip -n gw link add x type veth peer name y address {mac} netns solo");
        assert!(all.contains(&made), "{all:#?}");
    }
}

#[test]
fn ethernet_addresses_are_locally_administered_and_of_one_station() {
    let macs: Vec<Mac> =
        ["red", "blue", "green"].map(|name| Mac::from_names(&["lab", name])).to_vec();
    for mac in &macs {
        assert_eq!(mac.0[0] & 0b11, 0b10, "{mac}");
    }
    assert_eq!(macs[0], Mac::from_names(&["lab", "red"]));
    assert!(macs[0] != macs[1] && macs[1] != macs[2]);
    // The separation between names counts.
    assert_ne!(Mac::from_names(&["ab", "c"]), Mac::from_names(&["a", "bc"]));
}
