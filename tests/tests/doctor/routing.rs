//! Checks of settings, routes and interfaces of a machine that is the router of a lab.

use std::fs;

use netns_tests::{Sandbox, inside, netns, own};

use super::{doctor, doctor_of, on_the_machine, run};

#[test]
fn up_enables_forwarding_and_doctor_reports_when_it_is_off_again() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("ip_forward", "ok");
    report.says("ip_forward", &["is 0", "`netns up` sets it to 1"]);
    on_the_machine().up().success();
    inside("red").ping("192.168.1.1").success();
    run("sysctl -qw net.ipv4.ip_forward=0");
    inside("red").cannot_ping("192.168.1.1");
    let report = doctor_of(&file);
    report.has("ip_forward", "fault");
    report.is_not_sound();
    report.mend("ip_forward").success();
    inside("red").ping("192.168.1.1").success();
    doctor_of(&file).is_sound();
}

#[test]
fn forwarding_that_is_off_for_new_interfaces_does_not_matter_to_a_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.default.forwarding=0");
    let file = on_the_machine().write();
    doctor_of(&file).has("ip_forward", "ok");
    on_the_machine().up().success();
    inside("red").ping("192.168.1.1").success();
}

#[test]
fn an_uplink_with_forwarding_off_makes_forwards_unreachable() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.wan0.forwarding=0");
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("ip_forward", "fault");
    report.says("ip_forward", &["wan0", "cannot be reached from outside"]);
    on_the_machine().up().success();
    let _server = inside("red").web_server("10.9.1.2", 80, "from red");
    let url = "http://192.168.1.10:8080/";
    let nothing = inside("outside").command("curl", &["-sS", "-m5", url]);
    assert!(!nothing.status.success(), "the forward works: {nothing}");
    report.mend("ip_forward").success();
    inside("outside").curl(url).success().shows(&["from red"]);
    doctor_of(&file).has("ip_forward", "ok");
}

#[test]
fn doctor_mentions_a_strict_reverse_path_filter_that_does_no_harm() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.wan0.rp_filter=1");
    let report = doctor_of(&on_the_machine().write());
    report.has("rp_filter", "ok");
    report.says("rp_filter", &["strict on wan0", "not relevant"]);
    on_the_machine().up().success();
    inside("red").ping("192.168.1.1").success();
    inside("red").ping("10.9.2.2").success();
    let _server = inside("red").web_server("10.9.1.2", 80, "from red");
    inside("outside").curl("http://192.168.1.10:8080/").success().shows(&["from red"]);
}

#[test]
fn doctor_reports_a_route_that_overlaps_the_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("ip route add 10.9.1.0/25 dev wan0");
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("subnets", "fault");
    report.says("subnets", &["br-a", "10.9.1.0/25", "wan0"]);
    on_the_machine().up().fails_with(&["br-a", "10.9.1.0/25"]);
    report.mend("subnets").success();
    doctor_of(&file).has("subnets", "ok");
    netns(&["up", file.path().to_str().expect("a plain path")]).success();
    inside("red").ping("192.168.1.1").success();
    // The subnets of the lab itself are no conflict.
    doctor_of(&file).is_sound();
}

#[test]
fn doctor_reports_a_missing_uplink() {
    let sandbox = Sandbox::new();
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("uplinks", "fault");
    report.says("uplinks", &["wan0", "ip link add wan0 type bridge"]);
    let auto = on_the_machine().replace("\"wan0\"", "\"auto\"").replace("\"wan0\"", "\"auto\"");
    let report = doctor_of(&auto.write());
    report.has("uplinks", "fault");
    report.says("uplinks", &["no default route"]);
    sandbox.with_uplink("wan0");
    doctor_of(&file).is_sound();
    doctor_of(&auto.write()).is_sound();
    let another = on_the_machine().replace("\"wan0\"", "\"wan7\"").replace("\"wan0\"", "\"wan7\"");
    let another = another.write();
    let report = doctor_of(&another);
    report.has("uplinks", "fault");
    report.mend("uplinks").success();
    doctor_of(&another).is_sound();
    own().command("ip", &["link", "set", "wan0", "down"]).success();
    let report = doctor_of(&file);
    report.has("uplinks", "warning");
    report.mend("uplinks").success();
    doctor_of(&file).has("uplinks", "ok");
}

#[test]
fn doctor_reports_a_stub_resolver_that_namespaces_cannot_reach() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    fs::remove_file("/etc/resolv.conf").ok();
    fs::write("/etc/resolv.conf", "nameserver 127.0.0.53\n").expect("a private file");
    fs::create_dir_all("/run/systemd/resolve").expect("a folder");
    fs::write("/run/systemd/resolve/resolv.conf", "nameserver 10.1.2.3\n").expect("a file");
    doctor().has("resolver", "warning");
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("resolver", "warning");
    report.says("resolver", &["127.0.0.53", "red, blue, green"]);
    report.mend("resolver").success();
    doctor_of(&file).has("resolver", "ok");
    on_the_machine().up().success();
    let list = netns(&["exec", "green", "--", "cat", "/etc/resolv.conf"]).success();
    assert_eq!(list.stdout, "nameserver 10.1.2.3\n");
}
