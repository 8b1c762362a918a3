//! Several addresses of one uplink: rules that name them, with real sockets, and `up` that adds and
//! removes them.

use std::{
    fs,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    path::Path,
};

use netns_tests::{
    LabFile, Sandbox, UdpEcho, accept, ask, ask_echo, connect_from, exchange, inside, lecture, nat,
    netns, stream_whole,
};

const FIRST: &str = "192.168.1.10/24";
const SECOND: &str = "192.168.1.11/24";
const THIRD: &str = "192.168.1.12/24";
/// An address outside the subnet of the uplink.
const BEYOND: &str = "198.51.100.1/32";

/// The lecture's lab with these addresses at its uplink, and a third namespace.
fn with(addresses: &[&str]) -> LabFile {
    let lab = lecture().namespace("green", "v-net-0", "192.168.15.3/24");
    lab.replace("address = \"192.168.1.10/24\"", &format!("address = {addresses:?}"))
}

fn masquerade(lab: LabFile, source: &str, to: &str) -> LabFile {
    let to = to.split('/').next().expect("an address");
    lab.masquerade(&format!("{source}/32"), "ens3").text(&format!("to = \"{to}\""))
}

fn forward(lab: LabFile, port: u16, address: &str, target: &str) -> LabFile {
    lab.forward("tcp", port, target).text(&format!("address = \"{address}\""))
}

/// A lab in which red uses the second address, blue the third and green the first.
fn three() -> LabFile {
    let lab = with(&[FIRST, SECOND, BEYOND]);
    masquerade(masquerade(lab, "192.168.15.1", SECOND), "192.168.15.2", BEYOND)
}

/// The addresses of the router's uplink in the kernel's order.
fn held() -> Vec<String> {
    let told = inside("host").command("ip", &["-4", "-j", "addr", "show", "dev", "ens3"]).json();
    let all = told[0]["addr_info"].as_array().expect("a list").clone();
    let text = |it: &serde_json::Value| {
        format!("{}/{}", it["local"].as_str().expect("an address"), it["prefixlen"])
    };
    all.iter().map(text).collect()
}

/// The source address of a namespace's datagram outside.
#[track_caller]
fn seen_from(namespace: &str) -> String {
    let (server, client) = (inside("lan").udp("192.168.1.1:0"), inside(namespace).udp("0.0.0.0:0"));
    ask(&client, &server, "who?").ip().to_string()
}

/// An open connection.
struct Connection {
    near: TcpStream,
    far: TcpStream,
}

impl Connection {
    #[track_caller]
    fn new((from, called): (&str, &str), (to, listens): (&str, &str)) -> Self {
        let listener = inside(to).run(|| TcpListener::bind(listens)).expect("a listener");
        let near = inside(from).run(|| connect_from(0, called)).expect("a connection");
        let (far, _) = accept(&listener).expect("a connection");
        Self { near, far }
    }

    /// Sends a word there and back.
    #[track_caller]
    fn lives(&mut self) {
        exchange(&mut self.near, &mut self.far, b"ping");
    }
}

#[track_caller]
fn has_nothing_to_do(lab: &LabFile) {
    let file = lab.write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["nothing to do"]);
    lab.up().success().shows(&["nothing to do"]);
}

#[test]
fn each_namespace_uses_the_uplink_address_of_its_masquerade() {
    let _sandbox = Sandbox::new();
    three().up().success();
    assert_eq!(seen_from("red"), "192.168.1.11");
    assert_eq!(seen_from("blue"), "198.51.100.1");
    assert_eq!(seen_from("green"), "192.168.1.10");
    let lan = inside("lan");
    for (namespace, address, listens) in [
        ("red", "192.168.1.11", "192.168.1.1:5001"),
        ("blue", "198.51.100.1", "192.168.1.1:5002"),
        ("green", "192.168.1.10", "192.168.1.1:5003"),
    ] {
        let seen = stream_whole((&inside(namespace), listens), (&lan, listens), 2);
        assert_eq!(seen.ip().to_string(), address, "{namespace}");
        inside(namespace).ping("8.8.8.8").success();
    }
    netns(&["status"]).success();
    has_nothing_to_do(&three());
}

#[test]
fn the_outside_reaches_every_address_of_an_uplink() {
    let _sandbox = Sandbox::new();
    three().up().success();
    for address in ["192.168.1.10", "192.168.1.11", "198.51.100.1"] {
        inside("lan").ping(address).success();
    }
}

#[test]
fn a_forward_applies_only_to_its_address() {
    let _sandbox = Sandbox::new();
    let lab = forward(three(), 8080, "192.168.1.11", "192.168.15.2:8080");
    let lab = forward(lab, 8080, "198.51.100.1", "192.168.15.3:8080");
    let lab = forward(lab, 8081, "192.168.1.11", "192.168.15.2:8081");
    let lab = forward(lab, 8081, "198.51.100.1", "192.168.15.3:8081");
    lab.up().success();
    for (from, called, to, target) in [
        ("lan", "192.168.1.11:8080", "blue", "192.168.15.2:8080"),
        ("lan", "198.51.100.1:8080", "green", "192.168.15.3:8080"),
        ("red", "192.168.1.11:8081", "blue", "192.168.15.2:8081"),
        ("red", "198.51.100.1:8081", "green", "192.168.15.3:8081"),
    ] {
        stream_whole((&inside(from), called), (&inside(to), target), 2);
    }
    let refused =
        inside("lan").run(|| connect_from(0, "192.168.1.10:8080")).expect_err("no forward");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    has_nothing_to_do(&lab);
}

/// An address for one namespace alone: a masquerade and forwards of all ports.
#[test]
fn a_namespace_can_have_an_uplink_address_to_itself() {
    let _sandbox = Sandbox::new();
    let all = |lab: LabFile, protocol: &str| {
        lab.text("[[forward]]")
            .text(&format!("protocol = \"{protocol}\""))
            .text("address = \"198.51.100.1\"\nport = \"1-65535\"\ntarget = \"192.168.15.2:1\"")
    };
    let lab = all(all(three(), "tcp"), "udp");
    lab.up().success();
    let (lan, blue) = (inside("lan"), inside("blue"));
    for port in [22, 5001, 65_535] {
        let (called, target) = (format!("198.51.100.1:{port}"), format!("192.168.15.2:{port}"));
        stream_whole((&lan, &called), (&blue, &target), 1);
    }
    let _echo = UdpEcho::start("blue", "192.168.15.2:53");
    ask_echo(&lan.udp("0.0.0.0:0"), "198.51.100.1:53");
    assert_eq!(seen_from("blue"), "198.51.100.1");
    assert_eq!(seen_from("red"), "192.168.1.11");
    has_nothing_to_do(&lab);
}

#[test]
fn up_adds_and_removes_uplink_addresses_without_ending_other_connections() {
    let _sandbox = Sandbox::new();
    let by_second = |addresses: &[&str]| masquerade(with(addresses), "192.168.15.1", SECOND);
    let lab = by_second(&[FIRST, SECOND, BEYOND]);
    forward(lab, 8080, "198.51.100.1", "192.168.15.3:8080").up().success();
    let mut by_rule = Connection::new(("red", "192.168.1.1:6001"), ("lan", "192.168.1.1:6001"));
    let mut by_first = Connection::new(("green", "192.168.1.1:6002"), ("lan", "192.168.1.1:6002"));
    let mut called = Connection::new(("lan", "192.168.1.10:80"), ("blue", "192.168.15.2:80"));
    let all = [&mut by_rule, &mut by_first, &mut called];
    let [by_rule, by_first, called] = all.map(|connection| {
        connection.lives();
        connection
    });
    // One address is removed and one is added.
    let lab = by_second(&[FIRST, SECOND, THIRD]);
    let file = lab.write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&[
        "-  address  198.51.100.1/32 ",
        "+  address  192.168.1.12/24 ",
        "1 to add, 0 to change, 3 to remove",
    ]);
    lab.up().success().shows(&["is changed"]);
    assert_eq!(held(), [FIRST, SECOND, THIRD]);
    for connection in [by_rule, by_first, called] {
        connection.lives();
    }
    has_nothing_to_do(&lab);
    let refused = inside("lan").run(|| connect_from(0, "198.51.100.1:8080"));
    assert!(refused.is_err(), "the address is gone");
    assert_eq!(seen_from("red"), "192.168.1.11");
}

#[test]
fn rules_can_use_a_new_uplink_address_at_once() {
    let _sandbox = Sandbox::new();
    with(&[FIRST]).up().success();
    let lab = forward(three(), 8080, "198.51.100.1", "192.168.15.3:8080");
    lab.up().success().shows(&["is changed"]);
    assert_eq!(seen_from("blue"), "198.51.100.1");
    let (lan, green) = (inside("lan"), inside("green"));
    stream_whole((&lan, "198.51.100.1:8080"), (&green, "192.168.15.3:8080"), 1);
    has_nothing_to_do(&lab);
    // Back again: the rules are removed with their addresses.
    with(&[FIRST]).up().success().shows(&["is changed"]);
    assert_eq!(held(), [FIRST]);
    assert_eq!(seen_from("blue"), "192.168.1.10");
    let routes = inside("lan").command("ip", &["route"]).success();
    assert!(!routes.stdout.contains("198.51.100.1"), "{routes}");
}

#[test]
fn secondary_addresses_survive_the_removal_of_the_primary_one() {
    let _sandbox = Sandbox::new();
    let by_second = |addresses: &[&str]| masquerade(with(addresses), "192.168.15.1", SECOND);
    by_second(&[FIRST, SECOND, THIRD]).up().success();
    let mut connection = Connection::new(("red", "192.168.1.1:6001"), ("lan", "192.168.1.1:6001"));
    connection.lives();
    assert_eq!(seen_from("green"), "192.168.1.10");
    let lab = by_second(&[SECOND, THIRD]);
    lab.up().success().shows(&["is changed"]);
    assert_eq!(held(), [SECOND, THIRD]);
    connection.lives();
    // A rule without an address uses the first one.
    assert_eq!(seen_from("green"), "192.168.1.11");
    has_nothing_to_do(&lab);
}

#[test]
fn up_can_make_another_address_the_primary_one() {
    let _sandbox = Sandbox::new();
    let lab = |addresses: &[&str]| masquerade(with(addresses), "192.168.15.1", BEYOND);
    lab(&[FIRST, SECOND, BEYOND]).up().success();
    let mut by_rule = Connection::new(("red", "192.168.1.1:6001"), ("lan", "192.168.1.1:6001"));
    let mut called = Connection::new(("lan", "192.168.1.10:80"), ("blue", "192.168.15.2:80"));
    by_rule.lives();
    called.lives();
    let swapped = lab(&[SECOND, FIRST, BEYOND]);
    let file = swapped.write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["~  address ", "192.168.1.10/24 ", "after the first"]);
    swapped.up().success().shows(&["is changed"]);
    assert_eq!(seen_from("green"), "192.168.1.11");
    assert_eq!(seen_from("red"), "198.51.100.1");
    by_rule.lives();
    called.lives();
    has_nothing_to_do(&swapped);
    // A new address before all others.
    let new = lab(&[THIRD, SECOND, FIRST, BEYOND]);
    new.up().success().shows(&["is changed"]);
    assert_eq!(seen_from("green"), "192.168.1.12");
    by_rule.lives();
    has_nothing_to_do(&new);
}

#[test]
fn up_restores_an_address_removed_by_hand() {
    let _sandbox = Sandbox::new();
    let lab = three();
    lab.up().success();
    for taken in [SECOND, BEYOND, FIRST] {
        netns(&["addr", "del", taken, "host:ens3", "--force"]).success();
        let status = netns(&["status"]);
        assert!(!status.status.success(), "{status}");
        assert!(format!("{status}").contains(taken), "{status}");
        lab.up().success().shows(&["is changed"]);
        assert_eq!(held(), [FIRST, BEYOND, SECOND]);
        assert_eq!(seen_from("red"), "192.168.1.11");
        assert_eq!(seen_from("blue"), "198.51.100.1");
        assert_eq!(seen_from("green"), "192.168.1.10");
        has_nothing_to_do(&lab);
    }
}

/// An address that was added by hand belongs to the lab, with its rules, once the file names it.
#[test]
fn up_adopts_an_address_added_by_hand() {
    let _sandbox = Sandbox::new();
    with(&[FIRST]).up().success();
    netns(&["addr", "add", SECOND, "host:ens3", "--force"]).success();
    let add = ["masquerade", "add", "192.168.15.1/32", "--uplink", "ens3", "--to", "192.168.1.11"];
    netns(&add).success();
    assert_eq!(seen_from("red"), "192.168.1.11");
    let mut connection = Connection::new(("red", "192.168.1.1:6001"), ("lan", "192.168.1.1:6001"));
    connection.lives();
    let lab = masquerade(with(&[FIRST, SECOND]), "192.168.15.1", SECOND);
    lab.up().success();
    connection.lives();
    let rules = nat()["masquerades"].clone();
    assert!(rules.to_string().contains("192.168.1.11"), "{rules}");
    assert_eq!(held(), [FIRST, SECOND]);
    has_nothing_to_do(&lab);
    // Now the address belongs to the lab.
    with(&[FIRST]).up().success().shows(&["is changed"]);
    assert_eq!(held(), [FIRST]);
}

/// The record of a lab is a topology file. A record of an older version has one address.
#[test]
fn a_record_of_an_older_version_with_one_address_is_read() {
    let _sandbox = Sandbox::new();
    with(&[FIRST]).up().success();
    let record = fs::read_to_string("/run/netns-labs/lecture/topology.toml").expect("a record");
    assert!(record.contains("\naddress = \"192.168.1.10/24\"\n"), "{record}");
    lecture()
        .namespace("green", "v-net-0", "192.168.15.3/24")
        .up()
        .success()
        .shows(&["nothing to"]);
    three().up().success().shows(&["is changed"]);
}

#[test]
fn every_command_that_shows_an_uplink_shows_all_its_addresses() {
    let _sandbox = Sandbox::new();
    let lab = three();
    let file = lab.write();
    let path = file.path().to_str().expect("a plain path");
    let script = netns(&["up", "--dry-run", path]).success();
    script.shows(&[
        "ip -n host addr add 192.168.1.10/24 dev ens3",
        "ip -n host addr add 192.168.1.11/24 dev ens3",
        "ip -n host addr add 198.51.100.1/32 dev ens3",
        "ip -n lan route add 198.51.100.1/32 via 192.168.1.10 dev eth0",
    ]);
    netns(&["plan", path]).success().shows(&[FIRST, SECOND, BEYOND]);
    lab.up().success();
    netns(&["status"]).success().shows(&["192.168.1.10/24, 192.168.1.11/24, 198.51.100.1/32"]);
    for form in [&["--format", "text"][..], &["--format", "mermaid"], &["--format", "dot"]] {
        netns(&[&["graph", path], form].concat()).success().shows(&[FIRST, SECOND, BEYOND]);
    }
    netns(&["graph", path, "--format", "svg"]).success().shows(&[FIRST, SECOND, BEYOND]);
    let nodes = netns(&["graph", path, "--json"]).json()["nodes"].clone();
    let nodes = nodes.as_array().expect("nodes").clone();
    let uplink = nodes.iter().find(|node| node["kind"] == "uplink").expect("the uplink");
    assert_eq!(uplink["address"], FIRST);
    assert_eq!(uplink["further_addresses"], serde_json::json!([SECOND, BEYOND]));
    netns(&["addr", "list", "host"]).success().shows(&[FIRST, SECOND, BEYOND]);
    netns(&["show", "host"]).success().shows(&[FIRST, SECOND, BEYOND]);
    netns(&["down"]).success();
    assert!(!Path::new("/run/netns/host").exists());
}
