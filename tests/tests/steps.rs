//! Commands for single steps: cables, bridges, addresses, routes, links. Checked with `ip`.

use std::collections::BTreeSet;

use netns_tests::{
    Machine, Sandbox, inside, ipv4_of_link, is_link_up, lab_is_up, netns, netns_line, own,
};
use netns_user::{
    net::{Interface, Netns},
    step::{Step, apply_all},
};
use serde_json::Value;

/// Makes namespaces with these names.
fn namespaces(names: &[&str]) {
    names.iter().for_each(|name| drop(netns(&["add", name]).success()));
}

/// The JSON of an interface, from `ip -j addr`.
#[track_caller]
fn link(namespace: &str, interface: &str) -> Value {
    let shown =
        inside(namespace).command("ip", &["-j", "-d", "addr", "show", "dev", interface]).json();
    shown[0].clone()
}

fn ipv4_routes(namespace: &str) -> BTreeSet<String> {
    let routes = inside(namespace).command("ip", &["-j", "-4", "route", "show"]).json();
    let routes = routes.as_array().expect("routes").iter();
    routes
        .map(|route| {
            let part = |key: &str| route[key].as_str().unwrap_or("-").to_owned();
            let (to, via, dev) = (part("dst"), part("gateway"), part("dev"));
            format!("{to} {via} {dev} {} {}", part("scope"), route["metric"])
        })
        .collect()
}

#[test]
fn a_cable_joins_two_namespaces() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue"]);
    let before = Machine::now();
    netns_line("cable add red:veth-red blue:veth-blue")
        .success()
        .shows(&["added: cable red:veth-red - blue:veth-blue"]);
    for (namespace, interface) in [("red", "veth-red"), ("blue", "veth-blue")] {
        let link = link(namespace, interface);
        assert_eq!(link["linkinfo"]["info_kind"], "veth", "{link:#}");
        assert!(
            !is_link_up(&link) && ipv4_of_link(&link).is_empty(),
            "more than was asked for: {link:#}"
        );
    }
    netns_line("addr add 192.168.15.1/24 red:veth-red").success();
    netns_line("addr add 192.168.15.2/24 blue:veth-blue").success();
    netns_line("link set red:veth-red up").success();
    netns_line("link set blue:veth-blue up").success();
    inside("red").ping("192.168.15.2").success();
    // Deleted by its other end.
    netns_line("cable del blue:veth-blue")
        .success()
        .shows(&["deleted: cable blue:veth-blue - red:veth-red"]);
    assert!(inside("red").interfaces().is_empty() && inside("blue").interfaces().is_empty());
    before.is_unchanged();
}

#[test]
fn cable_add_can_set_addresses_and_bring_both_ends_up() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue"]);
    let ends = "red:veth-red=192.168.15.1/24 blue:veth-blue=192.168.15.2/24";
    netns_line(&format!("cable add {ends} --up --mtu 1400")).success();
    inside("red").ping("192.168.15.2").success();
    let link = link("blue", "veth-blue");
    assert_eq!(link["mtu"], 1400, "{link:#}");
    assert_eq!(ipv4_of_link(&link), ["192.168.15.2/24"]);
}

#[test]
fn the_list_finds_both_ends_of_each_cable() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue", "green", "grey", "lost"]);
    // Interface indexes repeat in each namespace: by index alone, blue's first interface could be
    // an end of the first or of the second cable.
    let pairs = [("red", "blue"), ("green", "grey"), ("blue", "green"), ("green", "red")];
    for (one, other) in pairs {
        netns_line(&format!("cable add {one}:to-{other} {other}:to-{one}")).success();
    }
    netns_line("cable add red:here-a red:here-b").success();
    netns_line("cable add mine red:yours").success();
    netns_line("bridge add red:br").success();
    netns_line("bridge attach red:br red:here-a").success();
    // The far end is in a namespace without a name, so only one end can be listed.
    netns_line("cable add red:alone lost:far").success();
    let holder = inside("lost").start("sleep", &["1000"]);
    netns_line("del lost").success();
    let list = netns_line("cable list --json").json();
    let name = |end: &Value| {
        let place = end["namespace"].as_str().unwrap_or("-");
        format!("{place}:{}", end["interface"].as_str().expect("a name"))
    };
    let found: BTreeSet<BTreeSet<String>> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|cable| cable["ends"].as_array().expect("ends").iter().map(name).collect())
        .collect();
    let cable = |one: &str, other: &str| BTreeSet::from([one.to_owned(), other.to_owned()]);
    let expected = BTreeSet::from([
        cable("red:to-blue", "blue:to-red"),
        cable("green:to-grey", "grey:to-green"),
        cable("blue:to-green", "green:to-blue"),
        cable("green:to-red", "red:to-green"),
        cable("red:here-a", "red:here-b"),
        cable("-:mine", "red:yours"),
    ]);
    assert_eq!(found, expected, "{list:#}");
    let of_green = netns_line("cable list green").success();
    assert_eq!(of_green.stdout.lines().count(), 4, "{of_green}");
    netns_line("cable list").success().shows(&["red:here-a", "br"]);
    netns_line("cable del red:alone").success().shows(&["without a name"]);
    drop(holder);
}

#[test]
fn a_bridge_is_made_and_interfaces_are_plugged_in_and_out() {
    let _sandbox = Sandbox::new();
    namespaces(&["host", "red"]);
    netns_line("bridge add host:v-net-0=192.168.15.5/24 --up --mtu 1400").success();
    let bridge = link("host", "v-net-0");
    assert_eq!(bridge["linkinfo"]["info_kind"], "bridge", "{bridge:#}");
    assert_eq!(bridge["mtu"], 1400, "{bridge:#}");
    assert_eq!(ipv4_of_link(&bridge), ["192.168.15.5/24"]);
    assert!(is_link_up(&bridge), "{bridge:#}");
    netns_line("cable add red:veth-red host:veth-red-br").success();
    netns_line("bridge attach host:v-net-0 host:veth-red-br").success();
    assert_eq!(link("host", "veth-red-br")["master"], "v-net-0");
    netns_line("bridge list").success().shows(&["host:v-net-0", "veth-red-br (closed)"]);
    netns_line("bridge detach host:veth-red-br").success();
    assert_eq!(link("host", "veth-red-br")["master"], Value::Null);
    netns_line("bridge attach host:v-net-0 host:veth-red-br").success();
    let list = netns_line("bridge list host --json").json();
    assert_eq!(list[0]["bridge"], "v-net-0", "{list:#}");
    assert_eq!(list[0]["addresses"][0], "192.168.15.5/24", "{list:#}");
    assert_eq!(list[0]["ports"][0]["interface"], "veth-red-br", "{list:#}");
    netns_line("bridge del host:v-net-0").success().shows(&["detached ports: host:veth-red-br"]);
    assert_eq!(inside("host").interfaces(), ["veth-red-br"]);
}

#[test]
fn a_step_without_a_namespace_applies_to_the_machine() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    netns_line("add red").success();
    netns_line("bridge add v-net-0=192.168.15.5/24 --up").success();
    netns_line("cable add red:veth-red=192.168.15.1/24 veth-red-br --bridge v-net-0 --up")
        .success();
    own().ping("192.168.15.1").success();
    netns_line("route add 10.9.0.0/16 --via 192.168.15.1").success();
    own().command("ip", &["route", "get", "10.9.0.1"]).success().shows(&["via 192.168.15.1"]);
    netns_line("route del 10.9.0.0/16").success();
    netns_line("cable del veth-red-br").success();
    netns_line("bridge del v-net-0").success();
    netns_line("del red").success();
    before.is_unchanged();
}

#[test]
fn the_first_packet_through_a_new_bridge_port_arrives() {
    let _sandbox = Sandbox::new();
    namespaces(&["host", "red"]);
    netns_line("bridge add host:br=10.0.0.254/24 --up").success();
    for round in 0..10 {
        netns_line("cable add red:r=10.0.0.1/24 host:p --bridge host:br").success();
        // Either end may be the last one that comes up.
        let ends = if round % 2 == 0 { ["red:r", "host:p"] } else { ["host:p", "red:r"] };
        for end in ends {
            netns(&["link", "set", end, "up"]).success();
        }
        // Less time than the interval between two ARP requests.
        let ping = ["-n", "-c", "1", "-W", "0.7", "10.0.0.254"];
        inside("red").command("ping", &ping).success();
        netns_line("cable del red:r").success();
    }
}

#[test]
fn addresses_can_be_added_and_deleted() {
    let _sandbox = Sandbox::new();
    netns_line("add red").success();
    netns_line("addr add 8.8.8.8/32 red:lo").success();
    netns_line("addr add 10.0.0.1/24 red:lo").success();
    assert_eq!(ipv4_of_link(&link("red", "lo")), ["8.8.8.8/32", "10.0.0.1/24"]);
    netns_line("addr add 8.8.8.8/32 red:lo").fails_with(&["red:lo", "8.8.8.8/32", "already"]);
    netns_line("addr del 8.8.8.8/32 red:lo").success();
    netns_line("addr del 8.8.8.8/32 red:lo").fails_with(&["red:lo", "it has 10.0.0.1/24"]);
    assert_eq!(ipv4_of_link(&link("red", "lo")), ["10.0.0.1/24"]);
}

#[test]
fn routes_can_be_added_and_deleted() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue"]);
    netns_line("cable add red:r=10.0.0.1/24 blue:b=10.0.0.2/24 --up").success();
    netns_line("route add red:default --via 10.0.0.2").success();
    netns_line("route add red:10.9.0.0/16 --dev r --metric 7").success();
    netns_line("route add red:10.9.0.0/16 --via 10.0.0.2 --dev r --metric 8").success();
    assert_eq!(
        ipv4_routes("red"),
        BTreeSet::from([
            "10.0.0.0/24 - r link null".to_owned(),
            "10.9.0.0/16 - r link 7".to_owned(),
            "10.9.0.0/16 10.0.0.2 r - 8".to_owned(),
            "default 10.0.0.2 r - null".to_owned(),
        ])
    );
    netns_line("route add red:default --via 10.0.0.9").fails_with(&[
        "red",
        "default",
        "via 10.0.0.2",
        "netns route del red:default",
    ]);
    netns_line("route del red:10.9.0.0/16").fails_with(&["several", "metric 7", "metric 8"]);
    netns_line("route del red:10.9.0.0/16 --metric 7").success();
    netns_line("route del red:10.9.0.0/16").success();
    netns_line("route del red:default").success();
    netns_line("route del red:default").fails_with(&["red", "default", "10.0.0.0/24"]);
    assert_eq!(ipv4_routes("red").len(), 1);
}

#[test]
fn the_error_for_an_unreachable_gateway_says_what_to_do() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue"]);
    netns_line("cable add red:r=10.0.0.1/24 blue:b").success();
    // While the link is down no network is reachable.
    let unreachable = ["10.0.0.2", "namespace \"red\"", "netns addr add", "netns link set"];
    netns_line("route add red:default --via 10.0.0.2").fails_with(&unreachable);
    netns_line("link set red:r up").success();
    netns_line("route add red:default --via 10.0.0.2").success();
    netns_line("route add red:10.9.0.0/16 --via 10.1.0.1").fails_with(&["10.1.0.1", "no network"]);
    netns_line("route add red:10.9.0.0/16 --via 10.0.0.1").fails_with(&["10.0.0.1", "itself"]);
    netns_line("route add red:10.9.0.0/16").fails_with_code(2, &["--via", "--dev"]);
    netns_line("route add blue:default --dev b")
        .fails_with(&["blue:b is down", "link set blue:b up"]);
}

#[test]
fn links_can_be_switched_on_and_off_and_get_an_mtu() {
    let _sandbox = Sandbox::new();
    netns_line("add red").success();
    netns_line("link set red:lo up").success().shows(&["set: red:lo up"]);
    assert!(is_link_up(&link("red", "lo")));
    netns_line("link set red:lo down --mtu 9000").success();
    let lo = link("red", "lo");
    assert!(!is_link_up(&lo) && lo["mtu"] == 9000, "{lo:#}");
    netns_line("cable add red:a red:b").success();
    netns_line("link set red:a --mtu 70000").fails_with(&["red:a", "68 to 65535", "70000"]);
    netns_line("link set red:a").fails_with_code(2, &["STATE", "--mtu"]);
}

#[test]
fn errors_name_missing_and_conflicting_objects() {
    let _sandbox = Sandbox::new();
    namespaces(&["red", "blue"]);
    netns_line("bridge add red:br").success();
    netns_line("cable add red:veth-red blue:veth-blue").success();
    own().command("ip", &["-n", "red", "tuntap", "add", "tap0", "mode", "tap"]).success();
    let before = Machine::now();
    let inside_before = netns_line("show red --json").json();
    let failures: [(&str, &[&str]); 20] = [
        ("cable add rde:x blue:y", &["no namespace \"rde\"", "did you mean \"red\"?"]),
        ("cable add green:x blue:y", &["no namespace \"green\"", "netns add green"]),
        (
            "cable add red:veth-red blue:y",
            &["red:veth-red already exists", "cable del red:veth-red"],
        ),
        ("cable add red:x red:x", &["both ends", "red:x"]),
        ("cable add red:a-name-of-16-lett blue:y", &["a-name-of-16-lett", "15"]),
        ("cable add red:x=10.0.0.1/24 blue:y=10.0.0.1/24", &["10.0.0.1", "both ends"]),
        ("cable add red:x blue:y --bridge red:brr", &["red", "\"brr\"", "did you mean \"br\"?"]),
        (
            "cable add red:x blue:y --bridge red:veth-red",
            &["red:veth-red", "not a bridge", "has br"],
        ),
        ("cable add host-end blue:y --bridge red:br", &["red:br", "neither end"]),
        ("cable del red:veth-rde", &["veth-rde", "did you mean \"veth-red\"?"]),
        ("cable del red:br", &["red:br is a bridge", "netns bridge del red:br"]),
        ("cable del red:lo", &["red:lo is the loopback interface", "not a cable"]),
        ("cable del red:tap0", &["red:tap0", "kind tun", "not a cable"]),
        ("cable list rde", &["rde", "did you mean"]),
        ("bridge add red:br", &["red:br already exists", "netns bridge del red:br"]),
        ("bridge del blue:veth-blue", &["blue:veth-blue", "not a bridge", "netns bridge add"]),
        (
            "bridge attach red:br blue:veth-blue",
            &["red:br", "blue:veth-blue", "in the namespace of its bridge"],
        ),
        ("bridge attach red:br red:lo", &["red:lo", "cannot be a port of a bridge"]),
        ("bridge detach red:veth-red", &["red:veth-red", "not a port of a bridge"]),
        ("addr add 10.0.0.1/24 red:veth", &["red", "\"veth\"", "it has", "veth-red"]),
    ];
    for (line, parts) in failures {
        netns_line(line).fails_with(parts);
    }
    let mistypes: [(&str, &[&str]); 7] = [
        ("cable add red:x=10.0.0.1 blue:y", &["10.0.0.1/24"]),
        ("cable add red:x=10.0.0.0/24 blue:y", &["network address"]),
        ("cable add red:x blue:y --mtu 67", &["68 to 65535"]),
        ("cable add :x blue:y", &["the namespace before the colon is missing"]),
        ("addr add red:veth-red 10.0.0.1/24", &["not an IPv4 address"]),
        ("route add red:10.0.0.1/24 --via 10.0.0.2", &["did you mean 10.0.0.0/24?"]),
        ("link set red:veth-red on", &["up, down"]),
    ];
    for (line, parts) in mistypes {
        netns_line(line).fails_with_code(2, parts);
    }
    before.is_unchanged();
    assert_eq!(netns_line("show red --json").json(), inside_before);
}

#[test]
fn a_network_card_is_never_deleted() {
    let _sandbox = Sandbox::new();
    // A tap interface plays the network card: no command of netns makes one either.
    own().command("ip", &["tuntap", "add", "eth7", "mode", "tap"]).success();
    netns_line("cable del eth7").fails_with(&["eth7", "not a cable"]);
    netns_line("bridge del eth7").fails_with(&["eth7", "not a bridge"]);
    assert_eq!(own().interfaces(), ["eth7"]);
}

#[test]
fn steps_refuse_to_delete_objects_of_a_lab() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for line in [
        "cable del red:veth-red",
        "cable del host:veth-red-br",
        "cable del host:ens3",
        "bridge del host:v-net-0",
        "bridge del host:v-net-0 --dry-run",
    ] {
        netns_line(line).fails_with(&["belongs to lab \"lecture\"", "netns down lecture"]);
    }
    inside("red").ping("192.168.15.2").success();
    // A cable that was added by hand does not belong to the lab.
    netns_line("cable add red:own blue:own").success();
    netns_line("cable del red:own").success();
}

#[test]
fn steps_that_fail_half_way_are_rolled_back() {
    let _sandbox = Sandbox::new();
    netns_line("add red").success();
    let before = Machine::now();
    let bridge = Interface::new(Netns::named("red"), "br");
    let missing = Interface::new(Netns::named("red"), "missing");
    let address = "10.0.0.1/24".parse().expect("an address");
    let steps = [
        Step::AddNamespace { name: "blue".into() },
        Step::AddBridge { interface: bridge.clone(), mac: None, mtu: None, up: true },
        Step::AddAddress { interface: bridge, address },
        Step::AddAddress { interface: missing, address },
    ];
    let error = apply_all(&steps).expect_err("there is no such interface").to_string();
    assert!(error.contains("missing"), "{error}");
    before.is_unchanged();
    assert!(inside("red").interfaces().is_empty());
}
