//! A lab on a machine with an uplink, a firewall, strict settings and an SSH connection changes
//! none of them.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
};

use netns_tests::{
    LabFile, Machine, Sandbox, accept, connect_from, exchange, inside, lab, netns, own,
};

const DOCKER: &str = "
    IPTABLES -P FORWARD DROP
    IPTABLES -N DOCKER
    IPTABLES -N DOCKER-USER
    IPTABLES -A DOCKER-USER -j RETURN
    IPTABLES -A FORWARD -j DOCKER-USER
    IPTABLES -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    IPTABLES -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
    IPTABLES -t nat -N DOCKER
    IPTABLES -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    IPTABLES -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    IPTABLES -t nat -A DOCKER -i docker0 -j RETURN";

/// Runs lines of commands on the machine.
#[track_caller]
fn machine(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        own().command(words[0], &words[1..]).success();
    }
}

fn setting(key: &str) -> String {
    let path = format!("/proc/sys/net/{key}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

fn set(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{key}"), value).expect("a setting");
}

/// A machine with an uplink `ens3` to the namespace `outside`, and a bridge like Docker's.
fn with_work_of_its_own() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("ens3");
    machine(
        "ip link add docker0 type bridge
         ip addr add 172.17.0.1/16 dev docker0
         ip link set docker0 up
         ip route add 10.77.0.0/16 via 192.168.1.1",
    );
    for link in ["all", "default", "ens3", "docker0", "lo"] {
        set(&format!("ipv4/conf/{link}/rp_filter"), "1");
    }
    sandbox
}

/// A lab on the machine with two namespaces, at the uplink of the default route.
fn own_lab() -> LabFile {
    lab("own")
        .own_uplink("auto")
        .bridge("br-own", "10.60.0.1/24")
        .namespace("red", "br-own", "10.60.0.2/24")
        .namespace("blue", "br-own", "10.60.0.3/24")
        .masquerade("10.60.0.0/24", "auto")
        .forward("tcp", 8080, "10.60.0.2:80")
}

/// A connection from outside to a server on the machine, like one of SSH.
struct Session {
    client: TcpStream,
    server: TcpStream,
}

impl Session {
    fn open() -> Self {
        let listener = TcpListener::bind("192.168.1.10:22").expect("a listener");
        let connect = || connect_from(50_022, "192.168.1.10:22");
        let client = inside("outside").run(connect).expect("a connection");
        let (server, _) = accept(&listener).expect("a connection");
        Self { client, server }
    }

    /// Sends bytes in both directions over the connection.
    #[track_caller]
    fn goes_on(&mut self) {
        exchange(&mut self.client, &mut self.server, b"whoami");
    }
}

/// All rules of all firewalls, without their counters.
fn firewall() -> Vec<String> {
    [
        &["iptables-nft-save"][..],
        &["iptables-legacy-save"],
        &["nft", "--stateless", "list", "ruleset"],
    ]
    .into_iter()
    .flat_map(|tool| {
        let rules = own().command(tool[0], &tool[1..]).success().stdout;
        let lines = rules.lines().filter(|line| !line.starts_with('#'));
        // `:FORWARD DROP [1:84]`
        let bare = |line: &str| line.split(" [").next().unwrap_or(line).to_owned();
        lines.map(bare).collect::<Vec<_>>()
    })
    .collect()
}

/// Builds a lab, sends traffic of every kind, changes the lab and takes it down, and checks that
/// the machine is unchanged.
#[track_caller]
fn a_lab_comes_and_goes() {
    let mut session = Session::open();
    session.goes_on();
    let (before, rules) = (Machine::now(), firewall());
    own_lab().up().success();
    session.goes_on();
    assert_eq!(setting("ipv4/conf/br-own/forwarding"), "1");
    let mut far = inside("outside").web_server("192.168.1.1", 80, "from outside");
    inside("blue").curl("http://192.168.1.1/").success().shows(&["from outside"]);
    assert_eq!(far.next_client(), "192.168.1.10");
    own().curl("http://192.168.1.1/").success().shows(&["from outside"]);
    let web = inside("red").web_server("10.60.0.2", 80, "from red");
    for (place, url) in [
        (inside("outside"), "http://192.168.1.10:8080/"),
        (inside("blue"), "http://192.168.1.10:8080/"),
        (own(), "http://127.0.0.1:8080/"),
        (own(), "http://10.60.0.2/"),
    ] {
        place.curl(url).success().shows(&["from red"]);
    }
    inside("red").ping("10.60.0.1").success();
    session.goes_on();
    own_lab().namespace("green", "br-own", "10.60.0.4/24").up().success();
    inside("green").ping("192.168.1.1").success();
    session.goes_on();
    assert_eq!(firewall(), rules, "the firewall while the lab is up");
    drop((web, far));
    netns(&["down"]).success();
    session.goes_on();
    assert_eq!(firewall(), rules, "the firewall before and after");
    before.is_unchanged();
}

#[test]
fn a_lab_leaves_a_machine_without_a_firewall_unchanged() {
    let _sandbox = with_work_of_its_own();
    a_lab_comes_and_goes();
}

#[test]
fn a_lab_leaves_an_nftables_firewall_unchanged_and_works_beside_it() {
    let _sandbox = with_work_of_its_own();
    machine(&DOCKER.replace("IPTABLES", "iptables-nft"));
    a_lab_comes_and_goes();
}

#[test]
fn a_lab_leaves_an_iptables_firewall_unchanged_and_works_beside_it() {
    let _sandbox = with_work_of_its_own();
    machine(&DOCKER.replace("IPTABLES", "iptables-legacy"));
    a_lab_comes_and_goes();
}

#[test]
fn interfaces_that_forwarded_before_a_lab_forward_after_it() {
    let _sandbox = with_work_of_its_own();
    set("ipv4/conf/docker0/forwarding", "1");
    set("ipv4/conf/default/forwarding", "1");
    set("ipv4/conf/all/accept_redirects", "0");
    assert_eq!(setting("ipv4/ip_forward"), "0");
    a_lab_comes_and_goes();
    assert_eq!(setting("ipv4/conf/docker0/forwarding"), "1");
    assert_eq!(setting("ipv4/conf/ens3/forwarding"), "0");
}

#[test]
fn a_machine_that_forwarded_before_a_lab_forwards_after_it() {
    let _sandbox = with_work_of_its_own();
    set("ipv4/ip_forward", "1");
    set("ipv4/conf/docker0/forwarding", "0");
    a_lab_comes_and_goes();
    assert_eq!(setting("ipv4/ip_forward"), "1");
}

#[test]
fn the_last_lab_on_the_machine_restores_the_settings() {
    let _sandbox = with_work_of_its_own();
    set("ipv4/conf/docker0/forwarding", "1");
    let before = Machine::now();
    own_lab().up().success();
    let other = lab("other").bridge("br-other", "10.61.0.1/24").namespace(
        "green",
        "br-other",
        "10.61.0.2/24",
    );
    other.up().success();
    netns(&["down", "own"]).success();
    assert_eq!(setting("ipv4/ip_forward"), "1");
    netns(&["down", "other"]).success();
    before.is_unchanged();
}

#[test]
fn a_drop_policy_stops_bridged_packets_with_br_netfilter_and_doctor_says_so() {
    let _sandbox = with_work_of_its_own();
    own_lab().up().success();
    inside("red").ping("10.60.0.3").success();
    machine("iptables-nft -P FORWARD DROP");
    set("bridge/bridge-nf-call-iptables", "1");
    // Packets on the fast path pass no rule of the firewall.
    inside("red").ping("10.60.0.3").success();
    inside("red").ping("192.168.1.1").success();
    let by_the_stack = own_lab().text("[nat]\nvia_stack = true");
    by_the_stack.up().success();
    inside("red").cannot_ping("10.60.0.3");
    let file = by_the_stack.write();
    let doctor = netns(&["doctor", file.path().to_str().expect("a plain path")]);
    doctor.shows(&["bridge-nf-call-iptables"]);
    set("bridge/bridge-nf-call-iptables", "0");
    inside("red").ping("10.60.0.3").success();
}

#[track_caller]
fn is_refused(file: &LabFile, parts: &[&str]) {
    let before = Machine::now();
    file.up().fails_with(parts);
    before.is_unchanged();
}

#[test]
fn a_subnet_that_overlaps_a_route_of_the_machine_is_refused() {
    let _sandbox = with_work_of_its_own();
    let plain = |subnet: &str| lab("own").own_uplink("ens3").bridge("br-own", subnet);
    // Equal to the subnet of a link, equal to a route, inside one, and around one.
    for (subnet, by) in [
        ("172.17.0.9/16", "docker0"),
        ("192.168.1.129/25", "ens3"),
        ("10.77.3.1/24", "10.77.0.0/16"),
        ("10.64.0.1/10", "10.77.0.0/16"),
    ] {
        is_refused(&plain(subnet), &["br-own", "overlaps", by]);
    }
    // A change of a lab is refused as well.
    own_lab().up().success();
    let before = Machine::now();
    let moved = own_lab().bridge("br-two", "10.77.3.1/24");
    moved.up().fails_with(&["br-two", "overlaps", "10.77.0.0/16"]);
    before.is_unchanged();
}

#[test]
fn up_refuses_a_lab_that_would_cut_the_ssh_connection() {
    let _sandbox = with_work_of_its_own();
    // A colleague who is reached by the default route.
    inside("outside").command("ip", &["addr", "add", "10.60.0.77/32", "dev", "lo"]).success();
    let listener = TcpListener::bind("192.168.1.10:22").expect("a listener");
    let script = "
import socket, sys
s = socket.socket()
s.bind(('10.60.0.77', 50022))
s.connect(('192.168.1.10', 22))
print('connected', flush=True)
print(s.recv(5).decode(), flush=True)
";
    let mut colleague = inside("outside").start("python3", &["-c", script]);
    colleague.wait_for("connected");
    let (mut served, _) = accept(&listener).expect("a connection");
    is_refused(
        &own_lab(),
        &["br-own", "10.60.0.0/24", "would cut", "192.168.1.10:22", "10.60.0.77:50022"],
    );
    served.write_all(b"still").expect("an answer");
    colleague.wait_for("still");
    // Without the connection, `up` succeeds.
    drop((served, listener));
    let (status, ..) = colleague.finish();
    assert!(status.success());
    own_lab().up().success();
}

#[test]
fn links_of_the_machine_are_neither_renamed_nor_deleted() {
    let _sandbox = with_work_of_its_own();
    machine("ip link add taken type bridge");
    let as_bridge = own_lab().replace("name = \"br-own\"", "name = \"taken\"");
    let as_bridge = as_bridge
        .replace("bridge = \"br-own\"", "bridge = \"taken\"")
        .replace("bridge = \"br-own\"", "bridge = \"taken\"");
    is_refused(&as_bridge, &["interface \"taken\"", "already exists"]);
    let as_port = own_lab().replace("bridge = \"br-own\"", "port = \"taken\"\nbridge = \"br-own\"");
    is_refused(&as_port, &["interface \"taken\"", "already exists"]);
    let as_uplink = own_lab().replace("name = \"auto\"", "name = \"ens3\"");
    let as_uplink = as_uplink.replace("uplink = \"auto\"", "uplink = \"ens3\"");
    as_uplink.up().success();
    netns(&["down"]).success();
    let uplink_as_bridge = own_lab().replace("name = \"br-own\"", "name = \"ens3\"");
    let uplink_as_bridge = uplink_as_bridge
        .replace("bridge = \"br-own\"", "bridge = \"ens3\"")
        .replace("bridge = \"br-own\"", "bridge = \"ens3\"");
    is_refused(&uplink_as_bridge, &["interface \"ens3\"", "already exists"]);
}

#[test]
fn routes_of_the_machine_are_not_changed() {
    let _sandbox = with_work_of_its_own();
    let route = "[router]\nroutes = [{ to = \"10.77.0.0/16\", via = \"192.168.1.1\" }]\n[[bridge]]";
    is_refused(&own_lab().replace("[[bridge]]", route), &["10.77.0.0/16", "already"]);
}

#[test]
fn a_lab_whose_uplink_has_vanished_can_be_taken_down() {
    let _sandbox = with_work_of_its_own();
    let before = Machine::now();
    own_lab().up().success();
    machine("ip link del ens3");
    netns(&["down"]).success();
    let Machine { links, pins, records, namespaces, .. } = Machine::now();
    assert_eq!(links, ["docker0"]);
    assert_eq!(pins, before.pins);
    assert!(records.is_empty(), "{records:?}");
    assert_eq!(namespaces.len(), 1, "{namespaces:?}");
    assert_eq!(setting("ipv4/ip_forward"), "0");
}

#[test]
fn the_uplink_auto_is_the_better_of_two_default_routes() {
    let _sandbox = with_work_of_its_own();
    machine(
        "ip link add wlan0 type bridge
         ip addr add 192.168.2.2/24 dev wlan0
         ip link set wlan0 up
         ip route add default via 192.168.2.1 dev wlan0 metric 600",
    );
    own_lab().up().success();
    netns(&["status"]).success().shows(&["ens3"]);
    inside("red").ping("192.168.1.1").success();
    netns(&["down"]).success();
    machine(
        "ip route del default via 192.168.1.1
         ip route add default via 192.168.1.1 metric 700",
    );
    own_lab().up().success();
    netns(&["status"]).success().shows(&["wlan0"]);
    netns(&["down"]).success();
    machine("ip route flush exact default");
    is_refused(&own_lab(), &["auto", "no default route"]);
}

#[test]
fn a_forward_takes_a_port_that_the_machine_listens_on_until_it_is_deleted() {
    let _sandbox = with_work_of_its_own();
    let _machine = own().web_server("0.0.0.0", 8080, "from the machine");
    own_lab().up().success();
    let _server = inside("red").web_server("10.60.0.2", 80, "from red");
    // New connections go to the forward, open ones stay with the machine.
    for place in [inside("outside"), own()] {
        place.curl("http://192.168.1.10:8080/").success().shows(&["from red"]);
    }
    // The machine still listens, and gets its port back with the end of the rule.
    netns(&["forward", "del", "tcp", "8080"]).success();
    for place in [inside("outside"), inside("blue"), own()] {
        place.curl("http://192.168.1.10:8080/").success().shows(&["from the machine"]);
    }
    // On the bridge's address as well.
    inside("blue").curl("http://10.60.0.1:8080/").success().shows(&["from the machine"]);
}

#[test]
fn an_interface_in_a_bridge_is_refused_as_uplink() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("ens3");
    machine(
        "ip link add lan0 type bridge
         ip link set lan0 up
         ip addr del 192.168.1.10/24 dev ens3
         ip link set ens3 master lan0
         ip addr add 192.168.1.10/24 dev lan0
         ip route add default via 192.168.1.1",
    );
    let before = Machine::now();
    let of = |uplink: &str| {
        lab("own")
            .own_uplink(uplink)
            .bridge("br-own", "10.60.0.1/24")
            .namespace("red", "br-own", "10.60.0.2/24")
            .masquerade("10.60.0.0/24", uplink)
    };
    let reason = "\"ens3\" is a port of bridge \"lan0\"";
    of("ens3").up().fails_with(&[reason, "use \"lan0\" as the uplink"]);
    before.is_unchanged();
    let file = of("ens3").write();
    let doctor = netns(&["doctor", "--quick", file.path().to_str().expect("a path")]);
    assert!(!doctor.status.success() && doctor.stdout.contains(reason), "{doctor}");
    // With the bridge as uplink the lab reaches the outside.
    of("lan0").up().success();
    inside("red").ping("192.168.1.1").success();
}

#[test]
fn the_uplink_auto_is_refused_with_a_multipath_default_route() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("ens3");
    machine(
        "ip netns add second
         ip link add ens4 type veth peer name eth0 netns second
         ip addr add 198.51.100.2/24 dev ens4
         ip link set ens4 up
         ip -n second link set eth0 up
         ip route replace default nexthop via 192.168.1.1 dev ens3 nexthop via 198.51.100.1 dev ens4",
    );
    own_lab().up().fails_with(&["\"auto\"", "leads to several interfaces", "ens3", "ens4"]);
}
