//! `netns log` and `netns watch`.

use std::process::Command;

use netns_tests::{Pings, Running, Sandbox, Terminal, inside, lab_is_up, netns, netns_path};
use netns_user::datapath::Datapath;
use nix::sys::signal::Signal;
use serde_json::Value;

fn log(arguments: &[&str]) -> Running {
    let mut running = Running::start(None, Command::new(netns_path()).arg("log").args(arguments));
    running.wait_for("logging the ");
    running
}

#[test]
fn the_log_shows_the_outcome_of_each_packet() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let running = log(&["--count", "2", "--json"]);
    inside("red").ping("8.8.8.8").success();
    let (status, stdout, stderr) = running.finish();
    assert!(status.success(), "{stdout}");
    assert_eq!(stderr, "logging the next 2 packets of lab \"lecture\"\n");
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let [out, back] = lines.as_slice() else { panic!("{stdout}") };
    assert_eq!(out["hook"], "from_namespace");
    assert_eq!(out["protocol"], "icmp");
    assert_eq!(out["destination"], "8.8.8.8");
    assert_eq!(out["action"], "translated");
    let new_source = out["new_source"].as_str().expect("a source");
    assert!(new_source.starts_with("192.168.1.10:"), "{stdout}");
    assert_eq!(out["new_destination"], "8.8.8.8");
    assert_eq!(out["link"], "ens3");
    assert!(out["reason"].is_null(), "{stdout}");
    assert_eq!(back["hook"], "from_uplink");
    assert_eq!(back["link"], "veth-red-br");
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
fn a_connection_survives_the_start_and_end_of_a_log() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let pings = Pings::start(&inside("red"), "8.8.8.8");
    let running = log(&[]);
    running.signal(Signal::SIGTERM);
    let (status, ..) = running.finish();
    assert!(status.success());
    pings.end_without_loss();
}

#[test]
fn only_one_log_runs_at_a_time() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let first = log(&[]);
    netns(&["log"]).fails_with(&["another `netns log`", "lecture"]);
    first.signal(Signal::SIGINT);
    assert!(first.finish().0.success());
    log(&["--count", "0"]).finish();
}

#[test]
fn the_next_command_removes_the_programs_of_a_killed_log() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let is_logging = || {
        let datapath = Datapath::open("lecture").expect("a living lab");
        datapath.is_logging().expect("an answer of the kernel")
    };
    let forward = ["forward", "add", "tcp", "8080", "192.168.15.2:80"];
    for command in [&["nat"][..], &["flows"], &["watch", "--json"], &forward] {
        assert!(!is_logging());
        let running = log(&[]);
        // Commands do not remove the programs of a running log.
        netns(&["nat"]).success();
        assert!(is_logging());
        running.signal(Signal::SIGKILL);
        assert!(!running.finish().0.success());
        assert!(is_logging());
        netns(command).success();
        assert!(!is_logging(), "after {command:?}");
    }
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn a_log_ends_with_its_lab() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut running = log(&[]);
    netns(&["down"]).success();
    running.wait_for("lab \"lecture\" was taken down");
    let (status, _, stderr) = running.finish();
    assert!(status.success(), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}

#[test]
fn watch_once_and_watch_json_show_rules_and_flows() {
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

/// Escape sequences that switch to the alternate screen, and back with the cursor shown.
const OTHER_PAGE: &str = "\u{1b}[?1049h";
const OLD_PAGE: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

#[test]
fn watch_on_a_terminal_refreshes_until_a_key_ends_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    // A serial console does not know its size.
    for (size, key) in [((120, 40), "q"), ((80, 24), "\u{1b}"), ((0, 0), "\u{3}")] {
        let mut terminal = Terminal::start(size, Command::new(netns_path()).arg("watch"));
        terminal.wait_for(OTHER_PAGE);
        for _frame in 0..2 {
            for part in ["lab lecture", "192.168.15.0/24", "tcp 80", "192.168.15.1", "8.8.8.8"] {
                terminal.wait_for(part);
            }
        }
        assert!(terminal.is_raw(), "{size:?}");
        terminal.press(key);
        let (status, shown) = terminal.finish();
        assert!(status.success(), "{shown}");
        let end = shown.rsplit(OLD_PAGE).next().unwrap_or_default();
        assert!(shown.contains(OLD_PAGE) && end.contains(CURSOR), "{shown:?}");
        assert!(!terminal.is_raw(), "{size:?}");
    }
}

#[test]
fn watch_restores_the_terminal_when_it_is_terminated() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut terminal = Terminal::start((80, 24), Command::new(netns_path()).arg("watch"));
    terminal.wait_for("lab lecture");
    terminal.signal(Signal::SIGTERM);
    let (status, shown) = terminal.finish();
    assert!(status.success(), "{shown}");
    assert!(shown.contains(OLD_PAGE) && !terminal.is_raw(), "{shown:?}");
}

#[test]
fn colour_is_used_only_on_terminals_without_no_color() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for command in ["status", "nat", "graph"] {
        let show = |declined: bool| {
            let mut program = Command::new(netns_path());
            program.arg(command);
            if declined {
                program.env("NO_COLOR", "1");
            }
            Terminal::start((80, 24), &mut program).finish().1
        };
        assert!(show(false).contains("\u{1b}["), "{command}");
        assert!(!show(true).contains("\u{1b}["), "{command}");
        assert!(!netns(&[command]).stdout.contains('\u{1b}'), "{command}");
    }
}
