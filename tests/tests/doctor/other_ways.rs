//! Interfaces of the machine that routes lead to and that no uplink of the lab covers.

use netns_tests::{Sandbox, inside, lab, lecture, netns};
use tempfile::NamedTempFile;

use super::{doctor, doctor_of, on_the_machine, run};

const NOTE: &str = "note: packets of the lab to 10.8.0.0/16 are dropped: the machine routes them \
                    out of \"vpn0\", which is not an uplink of the lab\n";

/// A second network of the machine, of the host 10.8.0.1 behind the interface vpn0.
fn with_vpn() {
    run("ip netns add office; ip link add vpn0 type veth peer name eth0 netns office; \
         ip addr add 10.8.0.10/16 dev vpn0; ip -n office addr add 10.8.0.1/16 dev eth0; \
         ip -n office link set eth0 up; ip link set vpn0 up");
}

/// An interface of the machine without an address.
fn with_interface(name: &str) {
    run(&format!("ip link add {name} type bridge; ip link set {name} up"));
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a plain path")
}

#[test]
fn an_uncovered_interface_is_named_and_the_command_makes_it_an_uplink() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    doctor_of(&file).has("other-ways", "ok");
    with_vpn();
    let report = doctor_of(&file);
    report.has("other-ways", "warning");
    report.says("other-ways", &["\\\"vpn0\\\" (10.8.0.0/16)", "dropped", "[[uplink]]"]);
    report.is_sound();
    let up = netns(&["up", path(&file)]).success();
    assert!(up.stderr.contains(NOTE), "{up}");
    inside("red").cannot_ping("10.8.0.1");

    report.mend("other-ways").success();
    doctor_of(&file).has("other-ways", "ok");
    let up = netns(&["up", path(&file)]).success();
    assert!(!up.stderr.contains("note:"), "{up}");
    inside("red").ping("10.8.0.1").success();
}

#[test]
fn up_names_uncovered_interfaces_only_when_it_changes_something() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    with_vpn();
    let file = on_the_machine().write();
    let up = || netns(&["up", path(&file)]).success().stderr;
    assert_eq!(up().matches(NOTE).count(), 1);
    assert!(!up().contains("note:"));
    let more = on_the_machine().namespace("black", "br-b", "10.9.2.3/24").up().success();
    assert_eq!(more.stderr.matches(NOTE).count(), 1, "{more}");
}

#[test]
fn the_json_of_up_lists_uncovered_interfaces_and_has_no_notes_beside_it() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    let up = || netns(&["up", "--json", path(&file)]);
    assert_eq!(up().json()["uncovered"], serde_json::json!([]));
    netns(&["down"]).success();
    with_vpn();
    let uncovered = serde_json::json!([{ "interface": "vpn0", "destination": "10.8.0.0/16" }]);
    for outcome in ["built", "already-up"] {
        let output = up();
        assert!(!output.stderr.contains("note:"), "{output}");
        let value = output.json();
        assert_eq!(value["outcome"], outcome);
        assert_eq!(value["uncovered"], uncovered);
    }
}

#[test]
fn a_bridge_of_another_lab_is_named_and_not_made_an_uplink() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    with_interface("wan1");
    lab("first")
        .own_uplink("wan1")
        .bridge("br-first", "10.7.0.1/24")
        .namespace("far", "br-first", "10.7.0.2/24")
        .up()
        .success();
    let file = on_the_machine().write();
    let report = doctor_of(&file);
    let finding = report.has("other-ways", "warning");
    assert!(!finding["command"].to_string().contains(">>"), "{finding:#}");
    report.says("other-ways", &["br-first", "10.7.0.0/24", "other labs"]);
    report.mend("other-ways").success();
}

#[test]
fn a_default_route_on_standby_is_not_in_use() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    with_interface("wlan0");
    run("ip route add default dev wlan0 metric 600");
    doctor_of(&on_the_machine().write()).has("other-ways", "ok");
}

#[test]
fn a_table_counts_when_a_rule_leads_packets_of_the_lab_to_it() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    with_interface("tun0");
    run("ip route add default dev tun0 table 7000; ip rule add from 10.1.2.3 lookup 7000");
    let file = on_the_machine().write();
    doctor_of(&file).has("other-ways", "ok");
    run("ip rule add from 10.9.0.0/16 lookup 7000");
    let report = doctor_of(&file);
    report.has("other-ways", "warning");
    report.says("other-ways", &["\\\"tun0\\\" (default)"]);
}

#[test]
fn a_lab_with_its_own_router_has_no_part_in_the_routes_of_the_machine() {
    let _sandbox = Sandbox::new();
    with_vpn();
    let report = doctor_of(&lecture().write());
    report.has("other-ways", "ok");
    report.says("other-ways", &["not relevant", "its own router namespace"]);
    let up = netns(&["up"]).success();
    assert!(!up.stderr.contains("note:"), "{up}");
    // Uplinks are a lab's, so nothing is said about labs in general.
    let general = doctor();
    let findings = general.value["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["check"] != "other-ways"), "{findings:?}");
}
