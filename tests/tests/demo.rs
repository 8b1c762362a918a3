//! The demonstration, end to end, as `cargo xtask run` starts it.

use std::process::Command;

use netns_tests::{Machine, Running, Sandbox, lab_is_up, netns, netns_path, own};
use nix::sys::signal::Signal;

/// How many checks there are: what the lecture asks for, from wherever it says.
const CHECKS: usize = 11;

/// How often the demonstration is started that was over before it was told to end.
const ATTEMPTS: usize = 5;

#[test]
fn without_a_terminal_it_runs_its_checks_and_ends() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let demo = netns(&["demo"]).success();
    assert_eq!(demo.stdout.matches('✓').count(), CHECKS, "{demo}\nexpected {CHECKS} checks");
    assert!(!demo.stdout.contains('✗'), "{demo}\nexpected no failed check");
    assert!(!demo.stdout.contains('\u{1b}'), "{demo}\nexpected plain text without a terminal");
    let demo = demo.shows(&["red", "blue", "v-net-0", "192.168.15.5", "ens3", "192.168.1.10"]);
    demo.shows(&["192.168.15.0/24", "192.168.15.2:80"]);
    before.is_unchanged();
}

#[test]
fn its_checks_are_there_as_json() {
    let _sandbox = Sandbox::new();
    let checks = netns(&["demo", "--json"]).json();
    let list = checks.as_array().expect("a list of checks");
    assert_eq!(list.len(), CHECKS, "{checks:#}");
    for check in list {
        assert_eq!(check["ok"], true, "{check:#}");
    }
}

#[test]
fn it_needs_no_other_program() {
    let _sandbox = Sandbox::new();
    let mut demo = Command::new(netns_path());
    netns_tests::run(None, demo.arg("demo").env("PATH", "/nonexistent")).success();
}

#[test]
fn it_tears_down_when_it_is_told_to_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let _sandbox = Sandbox::new();
        let before = Machine::now();
        let was_ended = (0..ATTEMPTS).any(|_| {
            let mut demo = Running::start(None, Command::new(netns_path()).arg("demo"));
            // The first check has been made: it is in the midst of them.
            demo.wait_for("✓");
            demo.signal(signal);
            let (status, ..) = demo.finish();
            before.is_unchanged();
            !status.success()
        });
        assert!(was_ended, "{signal} came too late each time");
    }
}

#[test]
fn it_leaves_a_lab_that_is_up_alone() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let up = Machine::now();
    netns(&["demo"]).fails_with(&["lecture", "netns down lecture"]);
    up.is_unchanged();
    own().command("ip", &["netns", "exec", "red", "ping", "-c", "1", "8.8.8.8"]).success();
}
