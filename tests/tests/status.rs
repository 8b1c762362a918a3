//! `netns status` of a lab that was changed by hand.

use netns_tests::{
    DEADLINE, Output, Sandbox, Xdp, XdpAction, eventually, host_state, inside, lab, lab_is_up,
    lecture, netns, own, ports_settle,
};

/// Runs the words of a command line.
#[track_caller]
fn run(line: &str) -> Output {
    let (program, arguments) = line.split_once(' ').expect("a command with arguments");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    match program {
        "netns" => netns(&arguments),
        program => own().command(program, &arguments),
    }
    .success()
}

/// Runs `netns status`, which must report deviations from the file.
#[track_caller]
fn status_tells(parts: &[&str]) {
    let status = netns(&["status"]);
    assert_eq!(status.status.code(), Some(1), "{status}\nexpected that {parts:?} is told");
    status.shows(parts);
}

/// Changes of the lecture's lab by hand, and what `netns status` reports for each.
const CHANGES: [(&str, &[&str]); 13] = [
    (
        "ip -n red link set veth-red address 02:00:00:00:00:99",
        &["1 changed", "CHANGED", "MAC of red:veth-red is 02:00:00:00:00:99, should be "],
    ),
    (
        "ip -n host link set v-net-0 address 02:00:00:00:00:98",
        &["MAC of host:v-net-0 is 02:00:00:00:00:98, should be "],
    ),
    ("ip -n red link set veth-red mtu 1300", &["MTU of red:veth-red is 1300, should be 1500"]),
    (
        "ip -n host link set veth-red-br mtu 1300",
        &["MTU of host:veth-red-br is 1300, should be 1500"],
    ),
    ("ip -n red link set lo down", &["1 off", "off: red:lo"]),
    (
        "ip -n host link set veth-red-br nomaster",
        &["MISSING", "bridge of host:veth-red-br is none"],
    ),
    ("ip -n red addr del 192.168.15.1/24 dev veth-red", &["address", "192.168.15.1/24", "MISSING"]),
    (
        "ip -n red route replace default via 192.168.15.2",
        &["route to default of namespace \"red\" is via 192.168.15.2, should be via 192.168.15.5"],
    ),
    (
        "ip netns exec host sysctl -qw net.ipv4.ip_forward=0",
        &[
            "net.ipv4.ip_forward of namespace \"host\" is 0, should be 1",
            "forwarding of host:v-net-0 is off, should be on",
        ],
    ),
    (
        "ip netns exec host sysctl -qw net.ipv4.conf.ens3.forwarding=0",
        &["forwarding of host:ens3 is off, should be on"],
    ),
    (
        "ip netns exec red sysctl -qw net.ipv4.ip_forward=1",
        &["net.ipv4.ip_forward of namespace \"red\" is 1, should be 0"],
    ),
    (
        "ip netns exec red sysctl -qw net.ipv6.conf.all.disable_ipv6=0",
        &["net.ipv6.conf.all.disable_ipv6 of namespace \"red\" is 0, should be 1"],
    ),
    (
        "ip netns exec red sysctl -qw net.ipv6.conf.veth-red.disable_ipv6=0",
        &["net.ipv6.conf.veth-red.disable_ipv6 of red:veth-red is 0, should be 1"],
    ),
];

#[test]
fn status_reports_changes_by_hand_and_up_reverts_them() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let whole = host_state();
    for (change, told) in CHANGES {
        run(change);
        status_tells(told);
        let plan = netns(&["plan"]).success();
        assert!(!plan.stdout.contains("nothing to do"), "{change}\n{plan}");
        netns(&["up"]).success().shows(&["is changed"]);
        netns(&["status"]).success().shows(&["lab lecture: up"]);
        netns(&["plan"]).success().shows(&["nothing to do"]);
        ports_settle();
        let now = host_state();
        let different: Vec<_> = now.symmetric_difference(&whole).collect();
        assert!(different.is_empty(), "{change}\n{different:#?}\n{plan}");
        inside("red").ping("8.8.8.8").success();
        inside("red").ping("192.168.15.2").success();
    }
}

#[test]
fn status_does_not_report_a_change_that_was_reverted() {
    let _sandbox = Sandbox::new();
    lecture().replace("name = \"red\"", "name = \"red\"\nmtu = 1400").up().success();
    netns(&["status"]).success();
    run("ip -n red link set veth-red mtu 1500");
    status_tells(&["MTU of red:veth-red is 1500, should be 1400"]);
    run("ip -n red link set veth-red mtu 1400");
    netns(&["status"]).success();
}

#[test]
fn the_json_of_status_has_actual_and_expected_values() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    run("ip -n blue link set veth-blue mtu 1300");
    let json = netns(&["status", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let parts = json[0]["parts"].as_array().expect("a list").iter();
    let changed: Vec<_> =
        parts.flat_map(|part| part["changed"].as_array().expect("a list")).collect();
    let expected = serde_json::json!({
        "of": "blue:veth-blue", "setting": "MTU", "is": "1300", "wanted": "1500",
    });
    assert_eq!(changed, [&expected]);
}

/// They do not belong to the lab, so `up` leaves them alone.
#[test]
fn status_reports_a_queueing_discipline_and_an_xdp_program_until_they_are_removed() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    run("tc -n red qdisc add dev veth-red root pfifo");
    status_tells(&["qdisc of red:veth-red is pfifo, should be noqueue"]);
    run("tc -n red qdisc del dev veth-red root");
    netns(&["status"]).success();
    let xdp = inside("blue").run(|| Xdp::attach("veth-blue", XdpAction::Pass));
    status_tells(&["XDP program of blue:veth-blue is attached, should be none"]);
    netns(&["up"]).success();
    status_tells(&["XDP program of blue:veth-blue"]);
    drop(xdp);
    eventually("the program is gone", DEADLINE, || netns(&["status"]).status.success());
}

#[test]
fn status_takes_the_topology_file_of_a_lab() {
    let _sandbox = Sandbox::new();
    let file = lecture().write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["status", path]).fails_with(&["lab \"lecture\" is not up"]);
    lab_is_up();
    let by_name = netns(&["status", "lecture"]).success().stdout;
    assert_eq!(netns(&["status", path]).success().stdout, by_name);
}

#[test]
fn status_lists_rules_changed_by_commands_without_calling_them_faults() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["forward", "add", "tcp", "8080", "192.168.15.1:80"]).success();
    netns(&["status"]).success().shows(&["lab lecture: up", "its rules differ from the file"]);
    netns(&["forward", "del", "tcp", "8080"]).success();
    let status = netns(&["status"]).success();
    assert!(!status.stdout.contains("differ from the file"), "{status}");
}

#[test]
fn status_of_a_lab_on_the_machine_covers_its_bridge_and_forwarding() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let lab = lab("own")
        .own_uplink("wan0")
        .bridge("br-own", "10.9.0.1/24")
        .namespace("in", "br-own", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", "wan0");
    lab.up().success();
    let whole = host_state();
    netns(&["status"]).success();
    for (change, told) in [
        ("ip link set br-own address 02:00:00:00:00:97", "MAC of br-own is 02:00:00:00:00:97"),
        ("sysctl -qw net.ipv4.ip_forward=0", "net.ipv4.ip_forward of this machine is 0"),
        ("sysctl -qw net.ipv6.conf.br-own.disable_ipv6=0", "disable_ipv6 of br-own is 0"),
    ] {
        run(change);
        status_tells(&[told]);
        lab.up().success().shows(&["is changed"]);
        netns(&["status"]).success();
        inside("in").ping("192.168.1.1").success();
    }
    let now = host_state();
    let different: Vec<_> = now.symmetric_difference(&whole).collect();
    assert!(different.is_empty(), "{different:#?}");
    // A bridge that was made by hand in its place does not belong to the lab.
    run("ip link del br-own");
    run("ip link add br-own type bridge");
    status_tells(&["br-own", "MISSING"]);
    lab.up().fails_with(&["\"br-own\" already exists and is not part of this lab"]);
    netns(&["down"]).success();
    assert!(own().interfaces().iter().any(|name| name == "br-own"), "it was somebody else's");
}
