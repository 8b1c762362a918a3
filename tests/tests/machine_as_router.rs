//! Labs with the machine itself as their router.

use std::fs;

use netns_tests::{DEADLINE, LabFile, Machine, Sandbox, eventually, inside, lab, netns, own};

/// Gives the machine an uplink with a neighbour at its far end.
fn machine_has_an_uplink() {
    let ip = |words: &str| {
        own().command("ip", &words.split(' ').collect::<Vec<_>>()).success();
    };
    // IPv6 addresses become valid by themselves, which would be a difference between snapshots.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("a setting");
    ip("netns add street");
    ip("link add wan0 type veth peer name eth0 netns street");
    ip("addr add 10.1.0.2/24 dev wan0");
    ip("-n street addr add 10.1.0.1/24 dev eth0");
    ip("-n street link set lo up");
    // The far end first: a route over a link without carrier would be a difference, too.
    ip("-n street link set eth0 up");
    ip("link set wan0 up");
    ip("route add default via 10.1.0.1");
    eventually("the uplink has a carrier", DEADLINE, || {
        own().command("ip", &["link", "show", "wan0"]).success().stdout.contains("LOWER_UP")
    });
}

fn forwarding() -> String {
    fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("a setting").trim().to_owned()
}

#[test]
fn namespaces_reach_the_outside_by_the_uplink_of_the_machine() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    let before = Machine::now();
    assert_eq!(forwarding(), "0");
    for uplink in ["wan0", "auto"] {
        lab("own")
            .own_uplink(uplink)
            .bridge("br-own", "10.9.0.1/24")
            .namespace("red", "br-own", "10.9.0.2/24")
            .masquerade("10.9.0.0/24", uplink)
            .forward("tcp", 8080, "10.9.0.2:80")
            .up()
            .success();
        assert_eq!(forwarding(), "1");
        inside("red").ping("10.1.0.1").success();
        let server = inside("red").web_server("10.9.0.2", 80, "from red");
        for (place, url) in [
            (inside("street"), "http://10.1.0.2:8080/"),
            (own(), "http://10.1.0.2:8080/"),
            (own(), "http://127.0.0.1:8080/"),
        ] {
            place.curl(url).success().shows(&["from red"]);
        }
        drop(server);
        netns(&["down"]).success();
        before.is_unchanged();
    }
}

#[test]
fn a_process_in_another_namespace_is_not_redirected_to_the_forward() {
    let _sandbox = Sandbox::new();
    netns(&["up"]).success();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    // The same address and port in another namespace is another service.
    inside("lan").command("curl", &["-sS", "-m20", "http://127.0.0.1/"]).fails_with_code(7, &[]);
    inside("host").curl("http://127.0.0.1/").success().shows(&["from blue"]);
}

/// One of several labs on the machine; its names and addresses contain the number.
fn own_lab(number: u8, uplink: &str) -> LabFile {
    lab(&format!("own{number}"))
        .own_uplink(uplink)
        .bridge(&format!("br{number}"), &format!("10.9.{number}.1/24"))
        .namespace(&format!("in{number}"), &format!("br{number}"), &format!("10.9.{number}.2/24"))
        .masquerade(&format!("10.9.{number}.0/24"), uplink)
}

fn second_uplink() {
    for line in ["link add up1 type bridge", "addr add 10.2.0.2/24 dev up1", "link set up1 up"] {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    }
}

#[test]
fn an_uplink_can_belong_to_one_lab_only() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    own_lab(1, "auto").up().success();
    let before = Machine::now();
    for uplink in ["wan0", "auto"] {
        own_lab(2, uplink).up().fails_with(&["wan0", "own1", "netns down own1"]);
        before.is_unchanged();
    }
    second_uplink();
    own_lab(2, "up1").up().success();
}

#[test]
fn a_port_of_the_machine_can_be_forwarded_by_one_lab_only() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    second_uplink();
    own_lab(1, "wan0").forward("tcp", 8080, "10.9.1.2:80").up().success();
    let mut before = Machine::now();
    let second = own_lab(2, "up1");
    let refused = second.clone().forward("tcp", 8080, "10.9.2.2:80");
    refused.up().fails_with(&["forward tcp 8080 -> 10.9.2.2:80", "own1", "netns down own1"]);
    before.is_unchanged();
    // A rule that came later counts as well.
    netns(&["forward", "add", "tcp", "8081", "10.9.1.2:80"]).success();
    before = Machine::now();
    let refused = second.clone().forward("tcp", 8081, "10.9.2.2:80");
    refused.up().fails_with(&["8081", "own1"]);
    before.is_unchanged();
    second.forward("udp", 8080, "10.9.2.2:80").up().success();
}

#[test]
fn status_reports_a_recreated_uplink_and_up_adopts_it() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("up0");
    let own_lab = own_lab(1, "up0");
    own_lab.up().success();
    netns(&["status"]).success();
    for line in ["link del up0", "netns del outside"] {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    }
    sandbox.with_uplink("up0");
    let status = netns(&["status"]);
    assert_eq!(status.status.code(), Some(1), "{status}\nexpected that the programs are missed");
    status.shows(&["MISSING", "no program attached"]);
    own_lab.up().success();
    netns(&["status"]).success();
    inside("in1").ping("192.168.1.1").success();
}

#[test]
fn an_address_added_later_is_forwarded_too() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    let own_lab = own_lab(1, "wan0").forward("tcp", 8080, "10.9.1.2:80");
    own_lab.up().success();
    let _server = inside("in1").web_server("10.9.1.2", 80, "from inside");
    for (host, command) in [("10.1.0.77", "status"), ("10.1.0.78", "up")] {
        own().command("ip", &["addr", "add", &format!("{host}/24"), "dev", "wan0"]).success();
        match command {
            "up" => own_lab.up().success(),
            _ => netns(&["status"]).success(),
        };
        inside("street").curl(&format!("http://{host}:8080/")).success().shows(&["from inside"]);
    }
}

#[test]
fn a_forward_of_an_address_that_the_machine_lacks_is_refused() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    let before = Machine::now();
    lab("own")
        .own_uplink("wan0")
        .bridge("br-own", "10.9.0.1/24")
        .namespace("red", "br-own", "10.9.0.2/24")
        .forward("tcp", 8080, "10.9.0.2:80")
        .replace("port = 8080", "port = 8080\naddress = \"10.1.0.99\"")
        .up()
        .fails_with(&["10.1.0.99", "10.1.0.2"]);
    before.is_unchanged();
}

#[test]
fn the_cable_that_is_the_uplink_of_a_lab_is_not_deleted() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    lab("own").own_uplink("wan0").bridge("br-own", "10.9.0.1/24").up().success();
    for end in ["wan0", "street:eth0"] {
        netns(&["cable", "del", end])
            .fails_with(&["wan0 is an uplink of lab \"own\"", "netns down own"]);
    }
    netns(&["down"]).success();
    netns(&["cable", "del", "wan0"]).success();
}
