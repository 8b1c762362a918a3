//! Tests of reading and checking topology files, by the subject of the fault.

mod addresses;
mod counts;
mod faults_shown;
mod files;
mod forwards;
mod large;
mod made_names;
mod names;
mod networks;
mod routed;
mod rules;
mod schema;
mod syntax;
mod toml_faults;
mod uplink_addresses;

use super::*;
use crate::rules::Ports;

/// The smallest lab with every kind of part. Tests spoil one line of it.
const GOOD: &str = include_str!("labs/good.toml");

/// A lab in the machine's own namespace.
const OWN: &str = include_str!("labs/own.toml");

/// A lab with every key that a file can have.
const LARGE: &str = include_str!("labs/large.toml");

fn problems(text: &str) -> Vec<String> {
    let Err(error) = Topology::parse(text, "lab.toml") else {
        panic!("no fault found in:\n{text}")
    };
    let found = error.problems().iter();
    found.map(|it| format!("lab.toml:{}:{}: {}", it.line, it.column, it.message)).collect()
}

/// Replaces the first `from` of the good file, and expects this one problem.
#[track_caller]
fn spoiled(from: &str, to: &str, expected: &str) {
    spoiled_in(GOOD, from, to, &[expected]);
}

#[track_caller]
fn spoiled_in(good: &str, from: &str, to: &str, expected: &[&str]) {
    assert!(good.contains(from), "{from}");
    assert_eq!(problems(&good.replacen(from, to, 1)), expected);
}

#[test]
fn the_lecture_has_the_names_addresses_and_rules_of_the_drawing() {
    let lab = Topology::lecture();
    assert_eq!(lab.name, "lecture");
    assert_eq!(lab.namespace_names().collect::<Vec<_>>(), ["host", "lan", "red", "blue"]);
    assert_eq!(lab.first_router(), Some("host"));
    let red = lab.namespaces[0].plug.as_ref().unwrap();
    assert_eq!((red.interface.as_str(), red.port.as_str()), ("veth-red", "veth-red-br"));
    assert_eq!(red.gateway, "192.168.15.5".parse().ok());
    assert_eq!(lab.masquerades[0].to_string(), "masquerade 192.168.15.0/24 out of ens3");
    assert_eq!(lab.forwards[0].to_string(), "forward tcp 80 -> 192.168.15.2:80");
}

#[test]
fn a_topology_is_unchanged_when_it_is_written_and_read_again() {
    let nat = "[nat]\nflow_table = 4096\nquota = 1000\nunreplied = 100\n\
               source_check = false\nvia_stack = true\nports = \"40000-49999\"\nkeep_parity = true\nkeep_class = true\n\
               [nat.timeouts]\nudp = 30\n";
    let entering = LECTURE.replacen("[[uplink]]", "[[uplink]]\nredirect_peer = true", 1);
    assert!(Topology::parse(&entering, "lab.toml").unwrap().uplinks[0].redirect_peer);
    let texts = [GOOD.to_owned(), format!("{GOOD}{nat}"), OWN.to_owned(), LECTURE.to_owned()];
    for text in texts.into_iter().chain([entering]) {
        let lab = Topology::parse(&text, "lab.toml").unwrap();
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
    }
}

#[test]
fn nat_options_are_read() {
    let nat = "[nat]\nflow_table = 4096\nquota = 1000\nunreplied = 100\n\
               source_check = false\nvia_stack = true\nports = \"40000-49999\"\nkeep_parity = true\nkeep_class = true\n\
               [nat.timeouts]\nudp = 30\ntcp_established = 86400\n";
    let lab = Topology::parse(&format!("{GOOD}{nat}"), "f").unwrap();
    let expected = NatOptions {
        flow_table: 4096,
        quota: 1000,
        unreplied: 100,
        source_check: false,
        via_stack: true,
        ports: Ports::new(40_000, 49_999).unwrap(),
        keep_parity: true,
        keep_class: true,
        timeouts: NatTimeouts { udp: 30, tcp_established: 86_400, ..NatTimeouts::default() },
    };
    assert_eq!(lab.nat, expected);
    let faulty = |line: &str| Topology::parse(&format!("{GOOD}[nat]\n{line}\n"), "f").unwrap_err();
    let fault = faulty("timeouts = { udp = 0 }").to_string();
    assert!(fault.contains("a timeout udp of 0 seconds: use 1 to 604800"), "{fault}");
    let fault = faulty("timeouts = { upd = 3 }").to_string();
    assert!(fault.contains("did you mean \"udp\"?"), "{fault}");
    let fault = faulty("ports = \"9-5\"").to_string();
    assert!(fault.contains("nat: the ports 9-5 run backwards: write 5-9"), "{fault}");
    assert_eq!(Topology::parse(GOOD, "f").unwrap().nat, NatOptions::default());
}

#[test]
fn a_namespace_and_a_plug_can_set_their_own_source_check() {
    let text = r#"
name = "checks"
[[router]]
namespace = "gw"
[[router]]
namespace = "home"
[[bridge]]
name = "br0"
address = "10.1.0.1/24"
[[uplink]]
name = "wan"
router = "home"
address = "10.1.0.2/24"
plug = { bridge = "br0", source_check = false }
[template.open]
bridge = "br0"
source_check = false
[[namespace]]
name = "red"
bridge = "br0"
[[namespace]]
name = "blue"
template = "open"
[[namespace]]
name = "green"
template = "open"
source_check = true
"#;
    let lab = Topology::parse(text, "f").unwrap();
    let checks = lab.plugged().map(|(_, plug)| plug.source_check).collect::<Vec<_>>();
    assert_eq!(checks, [None, Some(false), Some(true)]);
    assert_eq!(lab.uplinks[0].plug().unwrap().source_check, Some(false));
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
    let stray = "name = \"s\"\n[[namespace]]\nname = \"red\"\nsource_check = false\n";
    let message = "namespace \"red\": `source_check` belongs to the cable to a bridge: add \
                   `bridge`, or leave it out and add a [[cable]]";
    assert_eq!(problems(stray), [format!("lab.toml:4:16: {message}")]);
}

#[test]
fn default_quotas_follow_the_flow_table_and_a_namespace_can_set_its_own() {
    let text = r#"
name = "quotas"
[router]
namespace = "gw"
[nat]
flow_table = 4096
[[bridge]]
name = "br0"
address = "10.1.0.1/24"
[template.busy]
bridge = "br0"
quota = 3000
[[namespace]]
name = "red"
bridge = "br0"
[[namespace]]
name = "blue"
template = "busy"
[[namespace]]
name = "green"
template = "busy"
quota = 7
"#;
    let lab = Topology::parse(text, "f").unwrap();
    assert_eq!((lab.nat.quota, lab.nat.unreplied), (2048, 512));
    let quotas = lab.plugged().map(|(_, plug)| plug.quota).collect::<Vec<_>>();
    assert_eq!(quotas, [None, Some(3000), Some(7)]);
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
    let stray = "name = \"s\"\n[[namespace]]\nname = \"red\"\nquota = 7\n";
    let message = "namespace \"red\": `quota` belongs to the cable to a bridge: add `bridge`, or \
                   leave it out and add a [[cable]]";
    assert_eq!(problems(stray), [format!("lab.toml:4:9: {message}")]);
}

#[test]
fn auto_is_replaced_also_in_rules() {
    let lab = Topology::parse(OWN, "f").unwrap();
    assert!(lab.has_auto());
    let lab = lab.with_auto("eth7");
    assert!(!lab.has_auto());
    assert_eq!(lab.uplinks[0].name, "eth7");
    assert_eq!(lab.masquerades[0].uplink.as_deref(), Some("eth7"));
}

#[test]
fn a_large_lab_is_unchanged_when_it_is_written_and_read_again() {
    let lab = Topology::parse(LARGE, "large.toml").unwrap();
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
}
