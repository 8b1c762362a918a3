//! Endpoint-independent mappings, checked with a STUN client that determines the kind of NAT.

use std::net::TcpListener;

use netns_tests::{
    LabFile, Sandbox, StunServer, accept, connect_from, flows, inside, lecture, nat, netns,
};
use nix::sys::socket::{getsockopt, sockopt::TcpMaxSeg};

/// The addresses of the server outside.
const SERVER: [&str; 2] = ["192.168.1.1", "8.8.8.8"];

/// The lecture's lab with further keys of its masquerade and of `[nat]`.
fn lab(masquerade: &str, via_stack: bool) -> LabFile {
    let uplink = "uplink = \"ens3\"\n";
    let lab = lecture().replace(uplink, &format!("{uplink}{masquerade}\n"));
    if via_stack { lab.text("[nat]\nvia_stack = true") } else { lab }
}

/// The kind of NAT that the STUN client in red reports.
fn verdict() -> String {
    let _server = StunServer::start("lan", SERVER.map(|address| address.parse().unwrap()));
    // The exit code of the client is the kind of NAT.
    let output = inside("red").command("stun", &[SERVER[0], "-p", "40000"]);
    let line = output.stdout.lines().find(|line| line.starts_with("Primary:"));
    line.unwrap_or_else(|| panic!("no verdict: {output}")).to_owned()
}

#[track_caller]
fn is_seen_as(masquerade: &str, expected: &[&str]) {
    for via_stack in [false, true] {
        let _sandbox = Sandbox::new();
        lab(masquerade, via_stack).up().success();
        let verdict = verdict();
        for part in expected {
            assert!(verdict.contains(part), "via_stack = {via_stack}: {part}: {verdict}");
        }
    }
}

#[test]
fn rfc4787_req1_and_req8_a_stun_client_sees_independent_mapping_and_filter() {
    let keys = "mapping = \"endpoint-independent\"\nfiltering = \"endpoint-independent\"";
    is_seen_as(keys, &["Independent Mapping", "Independent Filter", "will hairpin"]);
}

#[test]
fn rfc4787_req8_a_stun_client_sees_a_filter_by_address() {
    let keys = "mapping = \"endpoint-independent\"\nfiltering = \"address-dependent\"";
    is_seen_as(keys, &["Independent Mapping", "Address Dependent Filter"]);
}

#[test]
fn a_stun_client_sees_a_filter_by_address_and_port() {
    let keys = "mapping = \"endpoint-independent\"";
    is_seen_as(keys, &["Independent Mapping", "Port Dependent Filter"]);
}

#[test]
fn up_switches_mappings_on_and_off_for_a_lab_that_is_up() {
    let _sandbox = Sandbox::new();
    lab("", false).up().success();
    assert!(!verdict().contains("Independent Filter"), "as masquerade does");
    for round in 0..2 {
        let keys = "mapping = \"endpoint-independent\"\nfiltering = \"endpoint-independent\"\nmss_clamp = 1200";
        lab(keys, false).up().success();
        let told = verdict();
        assert!(told.contains("Independent Mapping, Independent Filter"), "{round}: {told}");
        let listener =
            inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
        let _stream = inside("red").run(|| connect_from(0, "192.168.1.1:7000")).expect("a way");
        let (accepted, _) = accept(&listener).expect("a connection");
        let size = getsockopt(&accepted, TcpMaxSeg).expect("its segment size");
        assert!(size <= 1200, "{round}: {size} bytes");
        // And switches it off again.
        lab("", false).up().success();
    }
}

#[test]
fn a_change_of_the_mapping_ends_only_the_connections_of_the_rule() {
    let _sandbox = Sandbox::new();
    lab("mapping = \"endpoint-independent\"\nfiltering = \"endpoint-independent\"", false)
        .up()
        .success();
    inside("red").ping("8.8.8.8").success();
    assert!(!flows().is_empty());
    let rule = &nat()["masquerades"][0];
    assert_eq!(rule["mapping"], "endpoint-independent", "{rule:#}");
    assert_eq!(rule["filtering"], "endpoint-independent", "{rule:#}");
    netns(&["masquerade", "list"])
        .success()
        .shows(&["endpoint-independent mapping, endpoint-independent filtering"]);
    lab("", false).up().success();
    let kinds: Vec<String> = flows().iter().map(|flow| flow["kind"].to_string()).collect();
    assert!(!kinds.iter().any(|kind| kind.contains("masquerade")), "{kinds:?}");
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn a_filter_without_a_mapping_is_a_usage_error() {
    let _sandbox = Sandbox::new();
    lab("", false).up().success();
    netns(&["masquerade", "add", "10.0.0.0/8", "--filtering", "address-dependent"])
        .fails_with_code(2, &["--mapping <MAPPING>"]);
    netns(&["masquerade", "add", "10.0.0.0/8", "--mapping", "cone"])
        .fails_with_code(2, &["'cone'", "endpoint-independent"]);
    let plain = ["masquerade", "add", "192.168.15.1/32", "--mapping", "address-and-port-dependent"];
    netns(&[&plain[..], &["--filtering", "address-dependent"]].concat()).fails_with(&[
        "--filtering address-dependent works only with `--mapping endpoint-independent`",
    ]);
    netns(&plain).success();
}
