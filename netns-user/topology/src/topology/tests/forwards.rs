//! Forwards of two routers, of several protocols, and to the names of namespaces.

use super::{GOOD, LARGE, Topology, problems};
use crate::rules::ForwardTarget;

/// Two routers with equal namespaces behind them.
const TWO: &str = r#"name = "two"
[[router]]
namespace = "gw1"
[[router]]
namespace = "gw2"
[[uplink]]
name = "wan1"
router = "gw1"
address = "192.0.2.10/24"
outside = { namespace = "net", interface = "eth1", address = "192.0.2.1/24" }
[[uplink]]
name = "wan2"
router = "gw2"
address = "198.51.100.10/24"
outside = { namespace = "net", interface = "eth2", address = "198.51.100.1/24" }
[[bridge]]
name = "br1"
router = "gw1"
address = "10.1.0.1/24"
[[bridge]]
name = "br2"
router = "gw2"
address = "10.2.0.1/24"
[[namespace]]
name = "red"
bridge = "br1"
address = "10.1.0.10/24"
[[namespace]]
name = "blue"
bridge = "br2"
address = "10.2.0.10/24"
"#;

fn forward(port: &str, target: &str) -> String {
    format!("[[forward]]\nprotocol = \"tcp\"\nport = {port}\ntarget = \"{target}\"\n")
}

#[test]
fn two_routers_can_forward_the_same_port_in_either_order_of_the_file() {
    let (red, blue) = ("10.1.0.10:80", "10.2.0.10:80");
    for port in ["8080", "\"8000-8099\""] {
        for (one, other) in [(red, blue), (blue, red)] {
            let text = format!("{TWO}{}{}", forward(port, one), forward(port, other));
            let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(lab.forwards.len(), 2);
            // A second one at either router is one too many.
            for target in [red, blue] {
                let error = Topology::parse(&format!("{text}{}", forward(port, target)), "f");
                assert_eq!(error.unwrap_err().problems().len(), 1, "{port} {target}");
            }
        }
    }
}

#[test]
fn ports_of_two_routers_can_overlap_and_those_of_one_router_cannot() {
    let ranges = |one: &str, other: &str| {
        let text = forward("\"8000-8099\"", one) + &forward("\"8050-8150\"", other);
        Topology::parse(&format!("{TWO}{text}"), "lab.toml")
    };
    ranges("10.2.0.10:1", "10.1.0.10:1").unwrap();
    ranges("10.1.0.10:1", "10.2.0.10:1").unwrap();
    let error = ranges("10.2.0.10:1", "10.2.0.10:200").unwrap_err().to_string();
    assert!(error.contains("ports 8050-8150 overlap"), "{error}");
}

#[test]
fn the_address_of_a_forward_is_one_of_the_router_that_the_target_is_behind() {
    let with = |address: &str, target: &str| {
        format!("{TWO}{}address = \"{address}\"\n", forward("80", target))
    };
    Topology::parse(&with("198.51.100.10", "blue:80"), "lab.toml").unwrap();
    assert_eq!(
        problems(&with("198.51.100.10", "red:80")),
        ["lab.toml:36:11: forward: 198.51.100.10 is an address of router \"gw2\", and the target \
          10.1.0.10 is behind router \"gw1\": use an address of that router, or leave it out for \
          all of its addresses"]
    );
}

#[test]
fn a_forward_can_name_the_namespace_that_it_leads_to() {
    let text = format!("{TWO}{}{}", forward("80", "red:8080"), forward("80", "blue:80"));
    let lab = Topology::parse(&text, "lab.toml").unwrap();
    let targets: Vec<_> = lab.forwards.iter().map(|rule| rule.target.to_string()).collect();
    assert_eq!(targets, ["10.1.0.10:8080", "10.2.0.10:80"]);
    // The record of a lab has the address.
    assert!(lab.to_toml().contains("target = \"10.2.0.10:80\""), "{}", lab.to_toml());
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
}

#[test]
fn members_of_a_count_far_ends_of_cables_and_plugged_in_routers_are_named_too() {
    let count = "[[namespace]]\nname = \"web\"\nbridge = \"br2\"\ncount = 4\n";
    let lab = Topology::parse(&format!("{TWO}{count}{}", forward("80", "web-3:80")), "f").unwrap();
    let web = lab.plugged().find(|(namespace, _)| namespace.name == "web-3").unwrap().1;
    assert_eq!(*lab.forwards[0].target.ip(), web.address.addr());

    let solo = "[[namespace]]\nname = \"solo\"\n[[cable]]\n\
                a = { namespace = \"solo\", interface = \"eth0\", address = \"10.7.0.2/30\" }\n\
                b = { namespace = \"gw1\", interface = \"solo\", address = \"10.7.0.1/30\" }\n";
    let lab = Topology::parse(&format!("{TWO}{solo}{}", forward("80", "solo:80")), "f").unwrap();
    assert_eq!(lab.forwards[0].target.to_string(), "10.7.0.2:80");

    let text = LARGE.replacen("target = \"10.10.0.2:", "target = \"home:", 1);
    assert_ne!(text, LARGE);
    assert_eq!(Topology::parse(&text, "f").unwrap(), Topology::parse(LARGE, "f").unwrap());
}

#[test]
fn a_name_that_leads_nowhere_is_reported_with_what_to_write() {
    let solo = "[[namespace]]\nname = \"solo\"\n";
    let fault = |target: &str| {
        let found = problems(&format!("{TWO}{solo}{}", forward("80", target)));
        assert_eq!(found.len(), 1, "{found:?}");
        let begin = format!("lab.toml:37:10: forward: the target \"{target}\": ");
        let message = found[0].strip_prefix(&begin);
        message.unwrap_or_else(|| panic!("{found:?}")).to_owned()
    };
    assert_eq!(
        fault("bleu:80"),
        "no namespace behind a router has the name \"bleu\": did you mean \"blue\"?"
    );
    assert_eq!(
        fault("zzz:80"),
        "no namespace behind a router has the name \"zzz\": there are blue, red, solo"
    );
    assert_eq!(
        fault("solo:80"),
        "namespace \"solo\" has no address: plug it into a bridge with `bridge`"
    );
    assert_eq!(fault("blue"), "its port is missing: write it like blue:80");
    assert_eq!(fault("blue:http"), "\"http\" is not a port: use 1 to 65535");
    assert_eq!(
        fault("[2001:db8::1]:80"),
        "labs have no IPv6 yet: write an IPv4 address like 192.168.15.2:80"
    );
}

#[test]
fn a_name_is_not_reported_where_its_namespace_could_not_be_read() {
    let text = TWO.replacen("10.1.0.10/24", "10.1.0.300/24", 1);
    let found = problems(&format!("{text}{}", forward("80", "red:80")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("10.1.0.300"), "{found:?}");
}

#[test]
fn a_target_is_resolved_in_a_lab_that_is_read() {
    let lab = Topology::parse(TWO, "lab.toml").unwrap();
    let resolved = |text: &str| lab.resolve(&text.parse::<ForwardTarget>().unwrap());
    assert_eq!(resolved("blue:80"), Ok("10.2.0.10:80".parse().unwrap()));
    assert_eq!(resolved("10.9.9.9:80"), Ok("10.9.9.9:80".parse().unwrap()));
    let unknown = resolved("bleu:80").unwrap_err();
    assert_eq!(
        unknown,
        "no namespace behind a router has the name \"bleu\": did you mean \"blue\"?"
    );
}

#[test]
fn a_forward_of_several_protocols_is_a_rule_for_each() {
    let rules = |protocol: &str| {
        let text = GOOD.replacen("protocol = \"tcp\"", &format!("protocol = {protocol}"), 1);
        let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml").as_ref(), Ok(&lab));
        lab.forwards.iter().map(|rule| rule.protocol.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(rules("\"TCP\""), ["tcp"]);
    assert_eq!(rules("\"UdpLite\""), ["udplite"]);
    for several in ["\"tcp,udp\"", "\"TCP, udp\"", "[\"tcp\", \"UDP\"]"] {
        assert_eq!(rules(several), ["tcp", "udp"], "{several}");
    }
    assert_eq!(rules("[\"tcp,udp\", \"sctp\"]"), ["tcp", "udp", "sctp"]);
}

#[test]
fn each_protocol_of_a_forward_must_be_known_and_there_once() {
    let fault = |protocol: &str| {
        problems(&GOOD.replacen("protocol = \"tcp\"", &format!("protocol = {protocol}"), 1))
    };
    let unknown =
        "unknown protocol \"dccp\": use tcp, udp, sctp or udplite, or several, such as tcp,udp";
    assert_eq!(fault("\"tcp,dccp\""), [format!("lab.toml:35:12: forward: {unknown}")]);
    assert_eq!(fault("[\"tcp\", \"dccp\"]"), [format!("lab.toml:35:20: forward: {unknown}")]);
    let twice = "the protocol tcp is there twice: leave one out";
    assert_eq!(fault("\"tcp,TCP\""), [format!("lab.toml:35:12: forward: {twice}")]);
    assert_eq!(
        fault("[]"),
        ["lab.toml:35:12: forward: its list of protocols is empty: add one, as \"tcp\""]
    );
    assert_eq!(
        fault("7"),
        [
            "lab.toml:35:12: 7 is a number: write a protocol in quotes, as \"tcp\", or a list of them \
          in [ ]"
        ]
    );
}

#[test]
fn each_protocol_of_a_forward_has_its_ports_for_itself() {
    let udp = "[[forward]]\nprotocol = \"udp,sctp\"\naddress = \"192.168.1.10\"\nport = 80\n\
               target = \"blue:80\"\n";
    Topology::parse(&format!("{GOOD}\n{udp}"), "lab.toml").unwrap();
    let both = udp.replacen("udp,sctp", "udp,tcp", 1);
    assert_eq!(
        problems(&format!("{GOOD}\n{both}")),
        ["lab.toml:43:8: forward: tcp port 80 is already forwarded (line 37): choose another port"]
    );
}
