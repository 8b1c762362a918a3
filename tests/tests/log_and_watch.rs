//! Looking at the datapath while it works: `netns log` and `netns watch`.

use std::process::Command;

use netns_tests::{Running, Sandbox, inside, lab_is_up, netns, netns_path};
use nix::sys::signal::Signal;
use serde_json::Value;

fn log(arguments: &[&str]) -> Running {
    let mut running = Running::start(None, Command::new(netns_path()).arg("log").args(arguments));
    running.wait_for("logging the packets");
    running
}

#[test]
fn the_log_tells_what_becomes_of_each_packet() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let running = log(&["--count", "2", "--json"]);
    inside("red").ping("8.8.8.8").success();
    let (status, stdout, _) = running.finish();
    assert!(status.success(), "{stdout}");
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let [out, back] = lines.as_slice() else { panic!("{stdout}") };
    assert_eq!(out["hook"], "from_namespace");
    assert_eq!(out["protocol"], "icmp");
    assert_eq!(out["destination"], "8.8.8.8:0");
    let verdict = out["verdict"].as_str().expect("a verdict");
    assert!(verdict.starts_with("became 192.168.1.10:"), "{verdict}");
    assert!(verdict.ends_with("to ens3"), "{verdict}");
    assert_eq!(back["hook"], "from_uplink");
    let verdict = back["verdict"].as_str().expect("a verdict");
    assert!(verdict.ends_with("to veth-red-br"), "{verdict}");
}

#[test]
fn the_log_names_the_reason_of_a_drop() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["masquerade", "del", "192.168.15.0/24"]).success();
    let mut running = log(&[]);
    inside("red").cannot_ping("8.8.8.8");
    let line = running.wait_for("dropped");
    assert!(line.contains("192.168.15.1:"), "{line}");
    assert!(line.ends_with("dropped: no-masquerade"), "{line}");
    running.signal(Signal::SIGINT);
    let (status, ..) = running.finish();
    assert!(status.success());
}

#[test]
fn a_connection_outlives_the_log_that_began_and_ended_beside_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let ping = ["-i", "0.01", "-c", "150", "8.8.8.8"];
    let mut pings = Running::start(Some("red"), Command::new("ping").args(ping));
    pings.wait_for("icmp_seq=1 ");
    let running = log(&[]);
    running.signal(Signal::SIGTERM);
    let (status, ..) = running.finish();
    assert!(status.success());
    let (_, stdout, _) = pings.finish();
    assert!(stdout.contains("150 received"), "{stdout}");
}

#[test]
fn one_frame_of_the_watch_shows_rules_and_flows() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    netns(&["watch", "--once"]).success().shows(&[
        "lecture",
        "192.168.15.0/24",
        "tcp 80",
        "192.168.15.1",
        "8.8.8.8",
    ]);
    let counters = netns(&["watch", "--json"]).json();
    assert_eq!(counters["flow_count"], 1, "{counters:#}");
    assert_eq!(counters["flows"][0]["protocol"], "icmp", "{counters:#}");
}
