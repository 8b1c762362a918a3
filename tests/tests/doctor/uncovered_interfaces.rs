//! Checks of interfaces of the machine that have routes and are no uplink of the lab.

use netns_tests::{Sandbox, inside, lab, lecture, netns};
use tempfile::NamedTempFile;

use super::{doctor, doctor_of, on_the_machine, run};

const NOTE: &str = "note: packets of the lab to 10.8.0.0/16 are dropped: the machine routes them \
                    out of \"vpn0\", which is not an uplink of the lab\n";

/// Adds a second network to the machine: the host 10.8.0.1 behind the interface vpn0.
fn with_vpn() {
    run("ip netns add office; ip link add vpn0 type veth peer name eth0 netns office; \
         ip addr add 10.8.0.10/16 dev vpn0; ip -n office addr add 10.8.0.1/16 dev eth0; \
         ip -n office link set eth0 up; ip link set vpn0 up");
}

/// Adds an interface without an address to the machine.
fn with_interface(name: &str) {
    run(&format!("ip link add {name} type bridge; ip link set {name} up"));
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a plain path")
}

#[test]
fn doctor_names_an_uncovered_interface_and_its_command_makes_it_an_uplink() {
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
fn up_names_uncovered_interfaces_only_when_it_changes_the_lab() {
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
fn the_json_of_up_lists_uncovered_interfaces_and_stderr_stays_empty() {
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
fn doctor_names_a_bridge_of_another_lab_without_proposing_it_as_uplink() {
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
    report.says("other-ways", &["br-first", "10.7.0.0/24", "interface of another lab"]);
    report.mend("other-ways").success();
}

#[test]
fn a_default_route_with_a_higher_metric_is_not_reported() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    with_interface("wlan0");
    run("ip route add default dev wlan0 metric 600");
    doctor_of(&on_the_machine().write()).has("other-ways", "ok");
}

#[test]
fn a_routing_table_counts_only_if_a_rule_selects_it_for_the_lab() {
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
fn routes_of_the_machine_do_not_affect_a_lab_with_a_router_namespace() {
    let _sandbox = Sandbox::new();
    with_vpn();
    let report = doctor_of(&lecture().write());
    report.has("other-ways", "ok");
    report.says("other-ways", &["not relevant", "its own router namespace"]);
    let up = netns(&["up"]).success();
    assert!(!up.stderr.contains("note:"), "{up}");
    // Without a lab there are no uplinks, so the check does not apply.
    let general = doctor();
    let findings = general.value["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["check"] != "other-ways"), "{findings:?}");
}
