//! One test for each thing that can be wrong with a topology file.

use super::*;

/// The smallest lab with everything in it; tests spoil one line each.
const GOOD: &str = r#"name = "lab"

[router]
namespace = "host"

[[uplink]]
name = "ens3"
address = "192.168.1.10/24"
gateway = "192.168.1.1"
outside = { namespace = "lan", interface = "eth0", address = "192.168.1.1/24", answers = ["8.8.8.8"] }

[[bridge]]
name = "v-net-0"
address = "10.0.0.1/24"

[[namespace]]
name = "red"
bridge = "v-net-0"
address = "10.0.0.2/24"

[[namespace]]
name = "blue"
bridge = "v-net-0"
address = "10.0.0.3/24"
interface = "eth0"
port = "blue-port"
gateway = "10.0.0.2"
dns = ["9.9.9.9"]

[[masquerade]]
source = "10.0.0.0/24"
uplink = "ens3"

[[forward]]
protocol = "tcp"
address = "192.168.1.10"
port = 80
target = "10.0.0.3:8080"
"#;

/// A lab in the machine's own namespace.
const OWN: &str = r#"name = "own"

[[uplink]]
name = "auto"

[[bridge]]
name = "br0"
address = "10.9.0.1/24"

[[masquerade]]
source = "10.9.0.0/24"
uplink = "auto"
"#;

fn problems(text: &str) -> Vec<String> {
    let Err(error) = Topology::parse(text, "lab.toml") else {
        panic!("no fault found in:\n{text}")
    };
    error.to_string().lines().map(str::to_owned).collect()
}

/// Replaces the first `from` of the good file and expects this one problem.
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
fn the_lecture_is_as_drawn() {
    let lab = Topology::lecture();
    assert_eq!(lab.name, "lecture");
    assert_eq!(lab.namespace_names().collect::<Vec<_>>(), ["host", "lan", "red", "blue"]);
    assert_eq!(
        lab.router_interfaces().collect::<Vec<_>>(),
        ["veth-red-br", "veth-blue-br", "ens3", "v-net-0"]
    );
    let red = &lab.namespaces[0];
    assert_eq!(
        (red.interface.as_str(), red.gateway.to_string().as_str()),
        ("veth-red", "192.168.15.5")
    );
    assert_eq!(lab.masquerades[0].to_string(), "masquerade 192.168.15.0/24 out of ens3");
    assert_eq!(lab.forwards[0].to_string(), "forward tcp 80 -> 192.168.15.2:80");
}

#[test]
fn a_topology_survives_its_own_file() {
    let nat = "[nat]\nflow_table = 4096\nsource_check = false\n";
    for text in [GOOD.to_owned(), format!("{GOOD}{nat}"), OWN.to_owned(), LECTURE.to_owned()] {
        let lab = Topology::parse(&text, "lab.toml").unwrap();
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
    }
}

#[test]
fn nat_options_are_read() {
    let lab =
        Topology::parse(&format!("{GOOD}[nat]\nflow_table = 4096\nsource_check = false\n"), "f");
    assert_eq!(lab.unwrap().nat, NatOptions { flow_table: 4096, source_check: false });
    assert_eq!(Topology::parse(GOOD, "f").unwrap().nat, NatOptions::default());
}

#[test]
fn auto_is_replaced_in_rules_too() {
    let lab = Topology::parse(OWN, "f").unwrap();
    assert!(lab.has_auto());
    let lab = lab.with_auto("eth7");
    assert!(!lab.has_auto());
    assert_eq!(lab.uplinks[0].name, "eth7");
    assert_eq!(lab.masquerades[0].uplink.as_deref(), Some("eth7"));
}

#[test]
fn unknown_key_that_looks_like_another() {
    spoiled(
        "answers",
        "awnsers",
        "lab.toml:10:80: unknown key \"awnsers\": did you mean \"answers\"?",
    );
    spoiled(
        "[[bridge]]",
        "[[bridges]]",
        "lab.toml:12:3: unknown key \"bridges\": did you mean \"bridge\"?",
    );
}

#[test]
fn unknown_key_that_looks_like_none() {
    spoiled(
        "protocol = ",
        "xyz = 1\nprotocol = ",
        "lab.toml:35:1: unknown key \"xyz\": known here are protocol, address, port, target",
    );
}

#[test]
fn missing_key() {
    spoiled("name = \"v-net-0\"\n", "", "lab.toml:12:1: the key \"name\" is missing here: add it");
}

#[test]
fn syntax_error() {
    let found = problems(&GOOD.replacen("port = 80", "port = ", 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("lab.toml:37:"), "{found:?}");
}

#[test]
fn wrong_type() {
    let found = problems(&GOOD.replacen("port = 80", "port = \"80\"", 1));
    assert_eq!(found, ["lab.toml:37:8: invalid type: string \"80\", expected i64"]);
}

#[test]
fn overlapping_bridges() {
    spoiled(
        "[[namespace]]",
        "[[bridge]]\nname = \"v-net-1\"\naddress = \"10.0.0.129/25\"\n\n[[namespace]]",
        "lab.toml:18:11: bridge \"v-net-1\": its subnet 10.0.0.128/25 overlaps that of bridge \
         \"v-net-0\" (line 14): give it another one",
    );
}

#[test]
fn uplink_that_overlaps_a_bridge() {
    let found = problems(&GOOD.replace("192.168.1.", "10.0.0.1"));
    assert!(found[0].contains("its subnet 10.0.0.0/24 overlaps that of bridge"), "{found:?}");
}

#[test]
fn duplicate_names() {
    spoiled(
        "name = \"blue\"",
        "name = \"red\"",
        "lab.toml:22:8: namespace \"red\": a namespace of that name is there already (namespace, \
         line 17): choose another",
    );
    spoiled(
        "namespace = \"lan\"",
        "namespace = \"host\"",
        "lab.toml:10:25: outside \"host\": a namespace of that name is there already (the router, \
         line 4): choose another",
    );
    spoiled(
        "port = \"blue-port\"",
        "port = \"veth-red-br\"",
        "lab.toml:17:8: port \"veth-red-br\": an interface of the router of that name is there \
         already (port, line 26): choose another",
    );
    spoiled(
        "[[namespace]]",
        "[[bridge]]\nname = \"v-net-0\"\naddress = \"10.1.0.1/24\"\n\n[[namespace]]",
        "lab.toml:17:8: bridge \"v-net-0\": an interface of the router of that name is there \
         already (bridge, line 13): choose another",
    );
}

#[test]
fn interface_names() {
    let cases = [
        ("sixteen-letters-", "it has 16 characters, of which Linux allows 15"),
        ("a/b", "it contains '/'"),
        ("a b", "it contains white space"),
        ("", "it is empty"),
        (".", "Linux reserves it"),
        ("..", "Linux reserves it"),
        ("a:0", "it contains ':'"),
        ("e%d", "it contains '%'"),
        ("lo", "every namespace has a loopback interface of that name"),
    ];
    for (name, fault) in cases {
        let expected =
            format!("lab.toml:25:13: interface \"{name}\": it names no interface: {fault}");
        spoiled("interface = \"eth0\"\n", &format!("interface = \"{name}\"\n"), &expected);
        let expected = format!("lab.toml:26:8: port \"{name}\": it names no interface: {fault}");
        spoiled("blue-port", name, &expected);
    }
    spoiled(
        "name = \"red\"",
        "name = \"crimson1\"",
        "lab.toml:17:8: namespace \"crimson1\": the port name that goes with it, \
         \"veth-crimson1-br\", does not fit: it has 16 characters, of which Linux allows 15: set \
         `port`",
    );
    spoiled(
        "name = \"red\"",
        "name = \"crimsonscarlet\"",
        "lab.toml:17:8: namespace \"crimsonscarlet\": the interface name that goes with it, \
         \"veth-crimsonscarlet\", does not fit: it has 19 characters, of which Linux allows 15: \
         set `interface`",
    );
}

#[test]
fn namespace_names() {
    let found = problems(&GOOD.replacen("name = \"red\"", "name = \"a/b\"", 1));
    assert_eq!(found[0], "lab.toml:17:8: namespace: \"a/b\" names no namespace: it contains '/'");
}

#[test]
fn lab_names() {
    let cases = [
        ("", "it is empty"),
        ("../etc", "it contains '.'; letters, digits, '-' and '_' are allowed"),
        ("a/b", "it contains '/'; letters, digits, '-' and '_' are allowed"),
        ("-f", "it begins with '-', like an option"),
    ];
    for (name, fault) in cases {
        let expected = format!("lab.toml:1:8: \"{name}\" cannot name a lab: {fault}");
        spoiled("name = \"lab\"", &format!("name = \"{name}\""), &expected);
    }
}

#[test]
fn address_outside_its_bridges_subnet() {
    spoiled(
        "address = \"10.0.0.2/24\"",
        "address = \"10.0.1.2/24\"",
        "lab.toml:19:11: namespace \"red\": the address 10.0.1.2/24 is not in the subnet of bridge \
         \"v-net-0\", 10.0.0.0/24",
    );
    spoiled(
        "address = \"10.0.0.2/24\"",
        "address = \"10.0.0.2/16\"",
        "lab.toml:19:11: namespace \"red\": the prefix length of 10.0.0.2/16 is not that of bridge \
         \"v-net-0\": write 10.0.0.2/24",
    );
    spoiled(
        "192.168.1.1/24",
        "192.168.2.1/24",
        "lab.toml:10:62: outside \"lan\": the address 192.168.2.1/24 is not in the subnet of uplink \
         \"ens3\", 192.168.1.0/24",
    );
}

#[test]
fn network_and_broadcast_addresses() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.0/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.0/24 is of no use, it is the \
         subnet's own (the network address): choose another",
    );
    spoiled(
        "10.0.0.2/24",
        "10.0.0.255/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.255/24 is of no use, it is the \
         subnet's broadcast address: choose another",
    );
    spoiled(
        "10.0.0.2/24",
        "127.0.0.1/8",
        "lab.toml:19:11: namespace \"red\": the address 127.0.0.1/8 is of no use, no host can have \
         it: choose another",
    );
}

#[test]
fn duplicate_addresses() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.1/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.1 is that of bridge \"v-net-0\" \
         already (line 14): choose another",
    );
}

#[test]
fn unknown_bridge() {
    spoiled(
        "bridge = \"v-net-0\"",
        "bridge = \"v-net-9\"",
        "lab.toml:18:10: namespace \"red\": there is no bridge \"v-net-9\": did you mean \"v-net-0\"?",
    );
}

#[test]
fn unknown_uplink() {
    spoiled(
        "uplink = \"ens3\"",
        "uplink = \"ens4\"",
        "lab.toml:32:10: masquerade: there is no uplink \"ens4\": did you mean \"ens3\"?",
    );
}

#[test]
fn forward_to_nobody() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.9:8080",
        "lab.toml:38:10: forward: no namespace has the target address 10.0.0.9: use the address of \
         one of them",
    );
}

#[test]
fn forward_on_an_address_that_the_router_lacks() {
    spoiled(
        "address = \"192.168.1.10\"\n",
        "address = \"192.168.1.11\"\n",
        "lab.toml:36:11: forward: 192.168.1.11 is no address of the router: use one of an uplink or \
         a bridge, or leave it out for all",
    );
}

#[test]
fn ports_that_do_not_exist() {
    for port in ["0", "65536", "-1"] {
        let expected =
            format!("lab.toml:37:8: forward: the port {port} does not exist: use 1 to 65535");
        spoiled("port = 80\n", &format!("port = {port}\n"), &expected);
    }
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3:0",
        "lab.toml:38:10: forward: the target 10.0.0.3:0 has the port 0: use 1 to 65535",
    );
}

#[test]
fn target_without_port() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3",
        "lab.toml:38:10: forward: the target \"10.0.0.3\" is not ADDRESS:PORT: write it like \
         192.168.15.2:80",
    );
}

#[test]
fn unknown_protocol() {
    spoiled(
        "\"tcp\"",
        "\"sctp\"",
        "lab.toml:35:12: forward: unknown protocol \"sctp\": use tcp or udp",
    );
}

#[test]
fn the_same_forward_twice() {
    let again = "\n[[forward]]\nprotocol = \"tcp\"\naddress = \"192.168.1.10\"\nport = 80\ntarget = \"10.0.0.2:80\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:43:8: forward: tcp port 80 is forwarded already (line 37): choose another port"]
    );
    let other_protocol = again.replace("tcp", "udp");
    Topology::parse(&format!("{GOOD}{other_protocol}"), "lab.toml").unwrap();
}

#[test]
fn the_same_masquerade_twice() {
    let again = "\n[[masquerade]]\nsource = \"10.0.0.0/24\"\nuplink = \"ens3\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:41:10: the same masquerade is in line 31: leave one out"]
    );
}

#[test]
fn masquerade_of_nobody() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.1.0.0/24\"",
        "lab.toml:31:10: masquerade: nobody inside has an address of 10.1.0.0/24: the bridges have \
         10.0.0.0/24",
    );
}

#[test]
fn masquerade_of_host_bits() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.0.0.7/24\"",
        "lab.toml:31:10: masquerade: the source 10.0.0.7/24 is neither a subnet nor one address: \
         write 10.0.0.0/24 for the subnet or 10.0.0.7/32 for the address",
    );
}

#[test]
fn bad_addresses() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.2",
        "lab.toml:19:11: namespace \"red\": 10.0.0.2 has no prefix length: write it like \
         10.0.0.2/24, or 10.0.0.2/32 for the address alone",
    );
    spoiled(
        "10.0.0.2/24",
        "10.0.0.2/33",
        "lab.toml:19:11: namespace \"red\": \"10.0.0.2/33\" is no IPv4 address with a prefix \
         length: write it like 192.168.15.1/24",
    );
    spoiled(
        "8.8.8.8",
        "dns.example",
        "lab.toml:10:91: outside \"lan\": \"dns.example\" is no IPv4 address: write it like \
         192.168.15.1",
    );
}

#[test]
fn a_gateway_that_is_nobody() {
    spoiled(
        "gateway = \"192.168.1.1\"",
        "gateway = \"192.168.1.2\"",
        "lab.toml:9:11: uplink \"ens3\": nobody is its gateway 192.168.1.2: outside has the address \
         192.168.1.1",
    );
    spoiled(
        "gateway = \"10.0.0.2\"",
        "gateway = \"10.0.0.3\"",
        "lab.toml:27:11: namespace \"blue\": its gateway 10.0.0.3 is not another address of the \
         subnet of bridge \"v-net-0\", 10.0.0.0/24",
    );
}

#[test]
fn a_simulated_uplink_needs_a_router_namespace() {
    let outside =
        "outside = { namespace = \"lan\", interface = \"eth0\", address = \"10.7.0.1/24\" }";
    spoiled_in(
        OWN,
        "name = \"auto\"",
        &format!("name = \"auto\"\naddress = \"10.7.0.2/24\"\n{outside}"),
        &[
            "lab.toml:5:11: uplink \"auto\": its `address` is the machine's own affair: leave it \
             out, or set router.namespace",
            "lab.toml:6:11: uplink \"auto\": `outside` simulates a network, but the router is the \
             machine itself: leave it out, or set router.namespace",
        ],
    );
}

#[test]
fn a_router_namespace_needs_simulated_uplinks() {
    spoiled_in(
        OWN,
        "[[uplink]]",
        "[router]\nnamespace = \"host\"\n\n[[uplink]]",
        &[
            "lab.toml:7:8: uplink \"auto\" is the machine's own, but the router has a namespace of \
             its own: name an interface, or leave router.namespace out",
            "lab.toml:7:8: uplink \"auto\": in a router namespace there is nothing at its other \
             end: give it an `address` and an `outside`",
        ],
    );
}

#[test]
fn sizes_of_the_flow_table() {
    for size in ["0", "63", "16777217", "-5"] {
        let found = problems(&format!("{GOOD}[nat]\nflow_table = {size}\n"));
        assert_eq!(
            found,
            [format!(
                "lab.toml:40:14: nat: a flow table of {size} connections: use 64 to 16777216"
            )]
        );
    }
}

#[test]
fn too_many_bridges() {
    let bridges: String = (1..=16)
        .map(|n| format!("[[bridge]]\nname = \"br{n}\"\naddress = \"10.{n}.0.1/24\"\n"))
        .collect();
    assert_eq!(
        problems(&format!("{GOOD}{bridges}")),
        ["lab.toml:1:8: 17 bridges: a lab can have 16"]
    );
}

#[test]
fn all_faults_are_reported_at_once_from_the_top() {
    let text = GOOD
        .replacen("name = \"lab\"", "name = \"\"", 1)
        .replacen("10.0.0.2/24", "10.5.0.2/24", 1)
        .replacen("port = 80\n", "port = 0\n", 1);
    let found = problems(&text);
    let lines: Vec<&str> = found.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["1", "19", "37"]);
}
