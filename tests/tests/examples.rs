//! Builds each file in examples/ and checks what its comments promise.

use std::{collections::BTreeSet, fs, path::PathBuf};

use netns_tests::{
    LabFile, Machine, Sandbox, UdpEcho, ask_echo, host_state, inside, ip, lab_file,
    lecture as lecture_file, nat, netns, own, ports_settle,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Checks and builds a file of examples/.
#[track_caller]
fn example_is_up(name: &str) {
    let path = folder().join(name);
    let path = path.to_str().expect("a plain path");
    netns(&["check", path]).success();
    netns(&["up", path]).success();
    netns(&["status"]).success();
}

#[test]
fn every_example_has_a_test() {
    let tests = include_str!("examples.rs");
    let files = fs::read_dir(folder()).expect("examples/").flatten();
    let names: Vec<String> =
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() >= 5, "too few examples: {names:?}");
    for name in names {
        assert!(tests.contains(&format!("example_is_up(\"{name}\");")), "{name} has no test");
    }
}

/// The addresses of a namespace without those of loopback.
fn addresses(namespace: &str) -> Vec<String> {
    let links = inside(namespace).command("ip", &["-json", "-4", "address", "show"]).json();
    let links = links.as_array().expect("a list").iter().filter(|link| link["ifname"] != "lo");
    let all = links.flat_map(|link| link["addr_info"].as_array().into_iter().flatten());
    all.map(|address| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]))
        .collect()
}

#[test]
fn lecture() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    example_is_up("lecture.toml");
    let now = Machine::now();
    assert_eq!(before.links, now.links, "links of the machine itself");
    assert_eq!(before.routes, now.routes, "routes of the machine itself");
    assert_eq!(before.sysctls, now.sysctls, "settings of the machine itself");
    inside("red").ping("192.168.15.2").success();
    inside("blue").ping("192.168.15.1").success();
    assert_eq!(inside("red").hops("8.8.8.8"), ["192.168.15.5", "8.8.8.8"]);
    let mut outside = inside("lan").web_server("8.8.8.8", 80, "from outside");
    inside("red").curl("http://8.8.8.8/").success().shows(&["from outside"]);
    assert_eq!(outside.next_client(), "192.168.1.10");
    let blue = inside("blue").web_server("192.168.15.2", 80, "from blue");
    for from in ["lan", "host", "red"] {
        inside(from).curl("http://192.168.1.10/").success().shows(&["from blue"]);
    }
    ip(&inside("lan"), "route add 192.168.15.0/24 via 192.168.1.10");
    inside("lan").cannot_ping("192.168.15.2");
    drop((outside, blue));
    netns(&["down"]).success();
    before.is_unchanged();
}

/// The topology file in README.md.
fn of_the_readme() -> LabFile {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = fs::read_to_string(path).expect("README.md");
    let block = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    lab_file(block.expect("a topology file"))
}

/// The lecture's lab is written down in several places.
#[test]
fn the_built_in_lab_equals_the_example_the_readme_and_the_lab_of_the_tests() {
    let _sandbox = Sandbox::new();
    netns(&["up"]).success();
    ports_settle();
    let built_in = host_state();
    let example = folder().join("lecture.toml");
    let example = lab_file(&fs::read_to_string(example).expect("the example"));
    for file in [example, of_the_readme(), lecture_file()] {
        let written = file.write();
        let path = written.path().to_str().expect("a plain path");
        netns(&["plan", path]).success().shows(&["lab \"lecture\"", "nothing to do"]);
        netns(&["down"]).success();
        file.up().success();
        ports_settle();
        assert_eq!(host_state(), built_in);
        netns(&["plan"]).success().shows(&["lab \"lecture\"", "nothing to do"]);
    }
}

#[test]
fn two_bridges() {
    let _sandbox = Sandbox::new();
    example_is_up("two-bridges.toml");
    assert_eq!(addresses("alice"), ["10.1.0.2/24"]);
    assert_eq!(addresses("bob"), ["10.1.0.3/24"]);
    // In both directions through the router, without translation.
    assert_eq!(inside("alice").hops("10.2.0.10"), ["10.1.0.1", "10.2.0.10"]);
    assert_eq!(inside("print").hops("10.1.0.3"), ["10.2.0.1", "10.1.0.3"]);
    for (server, address, client, client_address) in
        [("print", "10.2.0.11", "bob", "10.1.0.3"), ("alice", "10.1.0.2", "files", "10.2.0.10")]
    {
        let mut web = inside(server).web_server(address, 80, "here");
        inside(client).curl(&format!("http://{address}/")).success().shows(&["here"]);
        assert_eq!(web.next_client(), client_address);
    }
    let nat = nat();
    assert_eq!(nat["masquerades"].as_array().map(Vec::len), Some(0), "{nat:#}");
    assert_eq!(nat["forwards"].as_array().map(Vec::len), Some(0), "{nat:#}");
}

#[test]
fn two_bridges_of_two_sizes() {
    let _sandbox = Sandbox::new();
    example_is_up("two-bridges.toml");
    // The IPv4 header has 20 bytes, the ICMP header 8.
    inside("files").ping_whole("10.2.0.11", 9000).success();
    inside("alice").ping_whole("10.1.0.3", 1500).success();
    inside("alice").ping_whole("10.2.0.10", 1500).success();
    // The router tells the servers the smaller MTU of the office.
    let refused = inside("files").ping_whole("10.1.0.2", 9000);
    assert!(!refused.status.success(), "{refused}");
    refused.shows(&["From 10.2.0.1", "mtu = 1500"]);
    let mut router = inside("gw").capture("any");
    inside("files").ping("10.3.0.2").success();
    inside("files").ping("10.2.0.1").success();
    router.wait_for("10.2.0.1 > 10.2.0.10");
    let seen = router.stop();
    assert!(!seen.iter().any(|line| line.contains("10.3.0.")), "{seen:#?}");
}

#[test]
fn many() {
    let _sandbox = Sandbox::new();
    example_is_up("many.toml");
    let name = |number: u32| format!("w-{number}");
    let all: Vec<String> = (1..=200).flat_map(|number| addresses(&name(number))).collect();
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), 200, "{all:?}");
    assert_eq!((all[0].as_str(), all[199].as_str()), ("10.40.0.2/22", "10.40.0.201/22"));
    for (from, to) in [(1, 200), (200, 1), (57, 143), (143, 58)] {
        let to = all[to - 1].split('/').next().expect("an address");
        inside(&name(from)).ping(to).success();
    }
    let ports = inside("many-gw").interfaces();
    assert_eq!(ports.iter().filter(|port| port.starts_with('p')).count(), 200, "{ports:?}");
    assert!(ports.contains(&"p1".to_owned()) && ports.contains(&"p200".to_owned()), "{ports:?}");
    // One rule covers all of them.
    let rules = nat();
    assert_eq!(rules["masquerades"].as_array().map(Vec::len), Some(1), "{rules:#}");
    let mut outside = inside("many-net").web_server("8.8.8.8", 80, "from outside");
    for number in [1, 100, 200] {
        inside(&name(number)).curl("http://8.8.8.8/").success().shows(&["from outside"]);
        assert_eq!(outside.next_client(), "192.168.7.2");
        let servers = netns(&["exec", &name(number), "--", "cat", "/etc/resolv.conf"]).success();
        servers.shows(&["nameserver 8.8.8.8"]);
    }
    assert_eq!(inside("w-77").hops("8.8.8.8"), ["10.40.0.1", "8.8.8.8"]);
    inside("w-3").ping_whole("10.40.0.5", 1400).success();
    let too_long = inside("w-3").ping_whole("10.40.0.5", 1401);
    assert!(!too_long.status.success(), "{too_long}");
    let _first = inside("w-1").web_server("10.40.0.2", 80, "from the first");
    inside("many-net").curl("http://192.168.7.2:8080/").success().shows(&["from the first"]);
}

#[test]
fn two_uplinks() {
    let _sandbox = Sandbox::new();
    example_is_up("two-uplinks.toml");
    let mut resolver = inside("internet").web_server("8.8.8.8", 80, "far away");
    let mut partner = inside("internet").web_server("203.0.113.1", 80, "the partner");
    for client in ["desk", "shop"] {
        inside(client).curl("http://8.8.8.8/").success().shows(&["far away"]);
        assert_eq!(resolver.next_client(), "192.0.2.2");
        inside(client).curl("http://203.0.113.1/").success().shows(&["the partner"]);
        assert_eq!(partner.next_client(), "198.51.100.2");
        inside(client).ping("198.51.100.1").success();
        inside(client).ping("192.0.2.1").success();
    }
    // The second uplink has a smaller MTU, and a sender learns it.
    inside("desk").ping_whole("8.8.8.8", 1500).success();
    let refused = inside("desk").ping_whole("203.0.113.1", 1500);
    assert!(!refused.status.success(), "{refused}");
    refused.shows(&["mtu = 1492"]);
    inside("desk").ping_whole("203.0.113.1", 1492).success();
    // The shop is published on the first uplink only, also for callers from inside.
    let _shop = inside("shop").web_server("10.50.0.20", 443, "the shop");
    for from in ["internet", "desk"] {
        inside(from).curl("http://192.0.2.2:443/").success().shows(&["the shop"]);
        inside(from)
            .command("curl", &["-sS", "-m20", "http://198.51.100.2:443/"])
            .fails_with_code(7, &[]);
    }
}

#[test]
fn each_of_two_uplinks_takes_over_when_the_other_fails() {
    let _sandbox = Sandbox::new();
    example_is_up("two-uplinks.toml");
    let mut far = inside("internet").web_server("8.8.8.8", 80, "far away");
    let edge = |line: &str| {
        inside("edge").command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    };
    let mut client_is_seen_as = |expected: &str| {
        inside("desk").curl("http://8.8.8.8/").success().shows(&["far away"]);
        assert_eq!(far.next_client(), expected);
    };
    client_is_seen_as("192.0.2.2");
    edge("route del default via 192.0.2.1");
    client_is_seen_as("198.51.100.2");
    edge("route add default via 192.0.2.1");
    client_is_seen_as("192.0.2.2");
    edge("link set isp-a down");
    client_is_seen_as("198.51.100.2");
    // `up` restores the routes that were lost.
    edge("link set isp-a up");
    example_is_up("two-uplinks.toml");
    client_is_seen_as("192.0.2.2");
}

#[test]
fn lab_host() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("enp3s0");
    let before = Machine::now();
    example_is_up("lab-host.toml");
    let status = netns(&["status", "--json"]).json();
    assert!(status.to_string().contains("enp3s0"), "{status:#}");
    for (name, server) in [("lab-web", "9.9.9.9"), ("lab-dns", "127.0.0.1")] {
        let servers = netns(&["exec", name, "--", "cat", "/etc/resolv.conf"]).success();
        servers.shows(&[&format!("nameserver {server}")]);
    }
    let mut outside = inside("outside").web_server("192.168.1.1", 80, "from outside");
    inside("lab-web").curl("http://192.168.1.1/").success().shows(&["from outside"]);
    assert_eq!(outside.next_client(), "192.168.1.10");
    inside("lab-db").ping("192.168.1.1").fails_with_code(2, &["Network is unreachable"]);
    inside("lab-db").ping("10.60.0.10").success();
    inside("lab-db").ping("10.60.0.1").success();
    // The forward works from outside, from the machine itself, and from a namespace.
    let web = inside("lab-web").web_server("10.60.0.10", 80, "from the lab");
    for (place, url) in [
        (inside("outside"), "http://192.168.1.10:8080/"),
        (own(), "http://192.168.1.10:8080/"),
        (own(), "http://127.0.0.1:8080/"),
        (inside("lab-dns"), "http://192.168.1.10:8080/"),
    ] {
        place.curl(url).success().shows(&["from the lab"]);
    }
    drop(web);
    let names = UdpEcho::start("lab-dns", "10.60.0.11:53");
    for place in [inside("outside"), own()] {
        ask_echo(&place.udp("0.0.0.0:0"), "192.168.1.10:5353");
        let _ = names.next_peer();
    }
    drop(names);
    drop(outside);
    netns(&["down"]).success();
    before.is_unchanged();
}
