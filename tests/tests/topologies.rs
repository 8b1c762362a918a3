//! Other topologies than the lecture's: several routers, routers in a row, point-to-point cables,
//! several outsides, several labs.

use std::{collections::BTreeSet, fs, path::Path};

use netns_tests::{
    LabFile, Machine, Sandbox, Stream, accept, connect_from, count, dropped, inside, lab_file, nat,
    netns, receive_stream, send_stream,
};

#[test]
fn every_lab_in_the_manual_can_be_built() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/topology.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let blocks: Vec<&str> = blocks.collect();
    assert!(blocks.len() >= 6, "too few examples: {}", blocks.len());
    for block in blocks {
        let sandbox = Sandbox::new();
        sandbox.with_uplink("ens3");
        let before = Machine::now();
        lab_file(block).up().success();
        netns(&["status"]).success();
        netns(&["down"]).success();
        before.is_unchanged();
    }
}

#[test]
fn two_routers_can_have_the_same_inside_networks_and_one_outside() {
    let _sandbox = Sandbox::new();
    let mut text = "name = \"twins\"\n".to_owned();
    for number in [1, 2] {
        text += &format!(
            r#"
[[router]]
namespace = "r{number}"
[[uplink]]
name = "up{number}"
router = "r{number}"
address = "198.51.{number}.2/24"
gateway = "198.51.{number}.1"
outside = {{ namespace = "net", interface = "eth{number}", address = "198.51.{number}.1/24", answers = ["8.8.8.8"] }}
[[bridge]]
name = "br{number}"
router = "r{number}"
address = "192.168.1.1/24"
[[namespace]]
name = "in{number}"
bridge = "br{number}"
address = "192.168.1.2/24"
[[masquerade]]
source = "192.168.1.0/24"
uplink = "up{number}"
"#
        );
    }
    lab_file(&text).up().success();
    let mut far = inside("net").web_server("8.8.8.8", 80, "far away");
    for number in [1, 2, 1] {
        inside(&format!("in{number}")).curl("http://8.8.8.8/").success().shows(&["far away"]);
        assert_eq!(far.next_client(), format!("198.51.{number}.2"));
    }
}

#[test]
fn namespaces_with_long_names_have_shortened_ports_that_stay_when_others_come() {
    let _sandbox = Sandbox::new();
    let entry = |name: &str| format!("[[namespace]]\nname = \"{name}\"\nbridge = \"br0\"\n");
    let lab = "name = \"long\"\n[router]\nnamespace = \"gw\"\n[[bridge]]\nname = \"br0\"\naddress \
               = \"10.1.0.1/24\"\n";
    let two = format!("{lab}{}{}", entry("frontend"), entry("database-server"));
    lab_file(&two).up().success();
    let pings = || {
        for name in ["frontend", "database-server"] {
            inside(name).ping("10.1.0.1").success();
        }
    };
    pings();
    lab_file(&two).up().success().shows(&["nothing to do"]);
    // A third one changes nothing of the two.
    let plan = lab_file(&format!("{two}{}", entry("frontier"))).up().success();
    assert!(!plan.stdout.contains("database-server"), "{plan}");
    pings();
    inside("frontier").ping("10.1.0.2").success();
    netns(&["down"]).success();
}

#[test]
fn two_routers_forward_one_port_each_to_the_namespace_that_is_named() {
    let forward = |target: &str| {
        format!("[[forward]]\nprotocol = \"TCP\"\nport = 8080\ntarget = \"{target}:80\"\n")
    };
    for order in [["in1", "in2"], ["in2", "in1"]] {
        let _sandbox = Sandbox::new();
        let mut text = "name = \"pair\"\n".to_owned();
        for number in [1, 2] {
            text += &format!(
                r#"
[[router]]
namespace = "r{number}"
[[uplink]]
name = "up{number}"
router = "r{number}"
address = "198.51.{number}.2/24"
outside = {{ namespace = "net", interface = "eth{number}", address = "198.51.{number}.1/24" }}
[[bridge]]
name = "br{number}"
router = "r{number}"
address = "10.{number}.0.1/24"
[[namespace]]
name = "in{number}"
bridge = "br{number}"
"#
            );
        }
        text += &order.map(forward).concat();
        lab_file(&text).up().success();
        for number in [1, 2] {
            let name = format!("in{number}");
            let _server = inside(&name).web_server(&format!("10.{number}.0.2"), 80, &name);
            let url = format!("http://198.51.{number}.2:8080/");
            inside("net").curl(&url).success().shows(&[&name]);
        }
        netns(&["down"]).success();
    }
}

#[test]
fn a_namespace_with_forwarding_on_is_a_router() {
    let _sandbox = Sandbox::new();
    let chain = lab_file(
        r#"
name = "chain"
[[namespace]]
name = "left"
routes = [{ to = "default", via = "10.0.1.2" }]
[[namespace]]
name = "middle"
forwarding = true
[[namespace]]
name = "right"
routes = [{ to = "10.0.1.0/30", via = "10.0.2.1", interface = "eth0", metric = 7 }]
[[cable]]
a = { namespace = "left", interface = "eth0", address = "10.0.1.1/30" }
b = { namespace = "middle", interface = "eth0", address = "10.0.1.2/30" }
[[cable]]
mtu = 1400
a = { namespace = "middle", interface = "eth1", address = "10.0.2.1/30" }
b = { namespace = "right", interface = "eth0", address = "10.0.2.2/30" }
"#,
    );
    chain.up().success();
    assert_eq!(inside("left").hops("10.0.2.2"), ["10.0.1.2", "10.0.2.2"]);
    assert_eq!(inside("right").hops("10.0.1.1"), ["10.0.2.1", "10.0.1.1"]);
    inside("left").ping_whole("10.0.1.2", 1500).success();
    inside("left").ping_whole("10.0.2.2", 1400).success();
    // The kernel has cached the path MTU and rejects the packet itself.
    let too_long = inside("right").ping_whole("10.0.2.1", 1401);
    assert!(!too_long.status.success(), "{too_long}");
    let refused = inside("left").ping_whole("10.0.2.2", 1401);
    assert!(!refused.status.success(), "{refused}");
    refused.shows(&["mtu = 1400"]);
    let routes = inside("right").command("ip", &["route"]).success();
    routes.shows(&["10.0.1.0/30 via 10.0.2.1 dev eth0", "metric 7"]);
    // Without the key it does not forward.
    chain.replace("forwarding = true\n", "").up().success();
    inside("left").ping("10.0.1.2").success();
    inside("left").cannot_ping("10.0.2.2");
}

/// A site behind a namespace on a bridge; the router has a route to it through that namespace.
fn site_behind_a_namespace(source_check: bool) -> LabFile {
    lab_file(&format!(
        r#"
name = "site"
nat = {{ source_check = {source_check} }}
[[router]]
namespace = "gw"
routes = [{{ to = "10.99.0.0/24", via = "10.1.0.5" }}]
[[bridge]]
name = "br-dmz"
address = "10.1.0.1/29"
[[bridge]]
name = "br-lan"
address = "10.2.0.1/16"
[[namespace]]
name = "vpn"
bridge = "br-dmz"
address = "10.1.0.5/29"
forwarding = true
[[namespace]]
name = "desk"
bridge = "br-lan"
address = "10.2.7.7/16"
[[namespace]]
name = "site"
routes = [{{ to = "default", via = "10.99.0.1" }}]
[[cable]]
a = {{ namespace = "vpn", interface = "tun0", address = "10.99.0.1/24" }}
b = {{ namespace = "site", interface = "eth0", address = "10.99.0.2/24" }}
"#
    ))
}

#[test]
fn routes_of_a_router_in_the_file_are_applied() {
    let _sandbox = Sandbox::new();
    site_behind_a_namespace(false).up().success();
    assert_eq!(inside("desk").hops("10.99.0.2"), ["10.2.0.1", "10.1.0.5", "10.99.0.2"]);
    inside("site").ping("10.2.7.7").success();
    // Packets that a namespace forwards have other source addresses, so the source check drops
    // them.
    site_behind_a_namespace(true).up().success();
    inside("desk").cannot_ping("10.99.0.2");
    assert!(dropped("spoofed-source") > 0, "{:#}", nat());
    inside("desk").ping("10.1.0.5").success();
}

#[test]
fn counts_and_templates_allocate_addresses_in_order() {
    let _sandbox = Sandbox::new();
    lab_file(
        r#"
name = "farm"
[router]
namespace = "gw"
[[bridge]]
name = "br0"
address = "10.1.0.3/24"
mtu = 1450
dns = ["10.1.0.9"]
[template.server]
bridge = "br0"
interface = "eth0"
dns = ["10.1.0.8", "1.1.1.1"]
[[namespace]]
name = "web"
template = "server"
count = 3
[[namespace]]
name = "db{}"
template = "server"
address = "10.1.0.4/24"
gateway = false
count = 2
[[namespace]]
name = "plain"
bridge = "br0"
dns = []
mtu = 1300
[[namespace]]
name = "usual"
bridge = "br0"
"#,
    )
    .up()
    .success();
    let given = ["web-1", "web-2", "web-3", "db1", "db2", "plain", "usual"];
    let addresses = given.map(|name| {
        let links = inside(name).command("ip", &["-json", "-4", "addr", "show", "up"]).json();
        let links = links.as_array().expect("a list").clone();
        let link = links.into_iter().find(|link| link["ifname"] != "lo").expect("a cable");
        let address = link["addr_info"][0]["local"].as_str().expect("an address").to_owned();
        (address, link["mtu"].as_u64().expect("an MTU"))
    });
    // From the lowest address, without that of the bridge and those given explicitly.
    let expected = [1, 2, 6, 4, 5, 7, 8].map(|last| format!("10.1.0.{last}"));
    assert_eq!(addresses.clone().map(|(address, _)| address), expected);
    let mtus = addresses.map(|(_, mtu)| mtu);
    assert_eq!(mtus, [1450, 1450, 1450, 1450, 1450, 1300, 1450]);
    assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), given.len());
    for (name, servers) in [
        ("web-3", &["nameserver 10.1.0.8", "nameserver 1.1.1.1"][..]),
        ("usual", &["nameserver 10.1.0.9"]),
    ] {
        let file = netns(&["exec", name, "--", "cat", "/etc/resolv.conf"]).success();
        let lines: Vec<_> =
            file.stdout.lines().filter(|line| line.starts_with("nameserver")).collect();
        assert_eq!(lines, servers, "{name}");
    }
    assert!(!Path::new("/etc/netns/plain/resolv.conf").exists(), "a file without name servers");
    let default = |name: &str| inside(name).command("ip", &["route", "show", "default"]).stdout;
    assert!(default("web-1").contains("via 10.1.0.3"), "{}", default("web-1"));
    assert_eq!(default("db1"), "");
    inside("db2").ping("10.1.0.6").success();
    inside("web-1").ping_whole("10.1.0.4", 1450).success();
    assert!(!inside("web-1").ping_whole("10.1.0.4", 1451).status.success(), "past its own MTU");
    inside("plain").ping_whole("10.1.0.4", 1300).success();
}

/// One of several labs with the same networks and different names.
fn lab_number(number: u8) -> LabFile {
    lab_file(&format!(
        r#"
name = "lab{number}"
[router]
namespace = "gw{number}"
[[uplink]]
name = "up0"
address = "192.168.1.10/24"
gateway = "192.168.1.1"
outside = {{ namespace = "net{number}", interface = "eth0", address = "192.168.1.1/24" }}
[[bridge]]
name = "br0"
address = "192.168.15.5/24"
[[namespace]]
name = "red{number}"
bridge = "br0"
address = "192.168.15.1/24"
[[namespace]]
name = "blue{number}"
bridge = "br0"
address = "192.168.15.2/24"
[[masquerade]]
source = "192.168.15.0/24"
uplink = "up0"
[[forward]]
protocol = "tcp"
port = 80
target = "192.168.15.2:80"
"#
    ))
}

#[test]
fn three_labs_do_not_affect_each_other() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    for number in 1..=3 {
        lab_number(number).up().success();
    }
    netns(&["nat"]).fails_with(&["lab1", "lab2", "lab3"]);
    let mut servers = Vec::new();
    for number in 1..=3 {
        let text = format!("from lab {number}");
        servers.push(inside(&format!("blue{number}")).web_server("192.168.15.2", 80, &text));
    }
    let works = |number: u8| {
        let text = format!("from lab {number}");
        for (from, url) in [("net", "http://192.168.1.10/"), ("red", "http://192.168.15.2/")] {
            inside(&format!("{from}{number}")).curl(url).success().shows(&[&text]);
        }
        inside(&format!("red{number}")).ping("192.168.1.1").success();
        let nat = netns(&["nat", &format!("lab{number}"), "--json"]).json();
        assert_eq!(count(&nat["forwards"][0], "flows"), 1, "{nat:#}");
    };
    (1..=3).for_each(works);
    // When one lab goes down, the others and their connections stay.
    let bind = || std::net::TcpListener::bind("192.168.1.1:7000");
    let listener = inside("net3").run(bind).expect("a listener");
    let mut client =
        inside("red3").run(|| connect_from(0, "192.168.1.1:7000")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    drop(servers.remove(1));
    netns(&["down", "lab2"]).success();
    let receiver = std::thread::spawn(move || receive_stream(&mut served, &Stream::new()));
    send_stream(&mut client, &Stream::new(), |blocks| blocks < 4).expect("a stream");
    receiver.join().expect("the same bytes").expect("a stream");
    for number in [1, 3] {
        netns(&["status", &format!("lab{number}")]).success();
    }
    drop(servers);
    drop(listener);
    for lab in ["lab1", "lab3"] {
        netns(&["down", lab]).success();
    }
    before.is_unchanged();
}
