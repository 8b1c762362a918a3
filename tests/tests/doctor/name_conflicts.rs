//! Checks of names that are already in use, which `up` would refuse.

use std::fs;

use netns_tests::{Sandbox, inside, lab, netns};

use super::{doctor_of, on_the_machine, run};

#[test]
fn doctor_reports_an_interface_with_a_name_of_the_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("names", "ok");
    run("ip link add br-a type bridge");
    run("ip link add veth-red-br type bridge");
    let report = doctor_of(&file);
    report.has("names", "fault");
    report.says("names", &["interface \\\"br-a\\\"", "ip link del br-a"]);
    assert_eq!(report.findings("names").len(), 2, "both are told of at once");
    report.is_not_sound();
    on_the_machine().up().fails_with(&["\"br-a\"", "ip link del br-a", "\"veth-red-br\""]);
    report.mend("names").success();
    run("ip link del veth-red-br");
    doctor_of(&file).is_sound();
    on_the_machine().up().success();
}

#[test]
fn doctor_reports_a_namespace_with_a_name_of_the_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    netns(&["add", "red"]).success();
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("names", "fault");
    report.says("names", &["namespace \\\"red\\\"", "netns del red"]);
    report.is_not_sound();
    on_the_machine().up().fails_with(&["red", "netns del red"]);
    report.mend("names").success();
    doctor_of(&file).is_sound();
}

#[test]
fn doctor_proposes_down_for_names_that_another_lab_uses() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    lab("first")
        .own_uplink("wan0")
        .bridge("br-a", "10.8.1.1/24")
        .namespace("red", "br-a", "10.8.1.2/24")
        .up()
        .success();
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    report.has("names", "fault");
    for finding in report.findings("names") {
        assert_eq!(finding["command"], "netns down first", "{finding:#}");
    }
    on_the_machine().up().fails_with(&["\"br-a\" already belongs to lab \"first\""]);
    report.mend("names").success();
    doctor_of(&file).is_sound();
}

#[test]
fn doctor_accepts_the_names_of_the_lab_itself() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    on_the_machine().up().success();
    doctor_of(&on_the_machine().write()).has("names", "ok");
    let more = on_the_machine().namespace("black", "br-b", "10.9.2.3/24");
    doctor_of(&more.write()).has("names", "ok");
    netns(&["add", "black"]).success();
    let report = doctor_of(&more.write());
    report.has("names", "fault");
    report.mend("names").success();
    more.up().success();
    inside("black").ping("10.9.2.2").success();
}

#[test]
fn doctor_reports_a_foreign_resolv_conf() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    fs::create_dir_all("/etc/netns/red").expect("a private folder");
    fs::write("/etc/netns/red/resolv.conf", "nameserver 10.1.2.3\n").expect("a private file");
    let with_servers =
        on_the_machine().replace("name = \"red\"", "name = \"red\"\ndns = [\"9.9.9.9\"]");
    let file = with_servers.write();
    let report = doctor_of(&file);
    report.has("names", "fault");
    with_servers.up().fails_with(&["/etc/netns/red/resolv.conf"]);
    report.mend("names").success();
    doctor_of(&file).is_sound();
}
