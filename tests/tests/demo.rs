//! The demonstration, as `cargo xtask run` starts it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

use netns_tests::{Machine, Running, Sandbox, Terminal, inside, lab_is_up, netns, netns_path, own};
use nix::sys::signal::Signal;

/// The number of checks.
const CHECKS: usize = 11;

/// How often the demonstration is started again if it ended before it was terminated.
const ATTEMPTS: usize = 5;

#[test]
fn demo_without_a_terminal_runs_its_checks_and_ends() {
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
fn demo_prints_its_checks_as_json() {
    let _sandbox = Sandbox::new();
    let checks = netns(&["demo", "--json"]).json();
    let list = checks.as_array().expect("a list of checks");
    assert_eq!(list.len(), CHECKS, "{checks:#}");
    for check in list {
        assert_eq!(check["ok"], true, "{check:#}");
    }
}

#[test]
fn demo_on_a_terminal_shows_a_live_view_until_control_c() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    // (0, 0): a serial console does not know its size.
    for size in [(100, 40), (0, 0)] {
        let mut demo = Terminal::start(size, Command::new(netns_path()).arg("demo"));
        demo.wait_for(&format!("All {CHECKS} checks passed."));
        demo.wait_for("The lab stays up until Ctrl-C.");
        for _frame in 0..2 {
            demo.wait_for("lab lecture");
            demo.wait_for("flows (");
        }
        assert!(demo.is_raw());
        inside("red").ping("8.8.8.8").success();
        demo.press("\u{3}");
        let (status, shown) = demo.finish();
        assert!(status.success(), "{shown}");
        assert!(shown.trim_end().ends_with("The lab is down.\u{1b}[0m"), "{shown:?}");
        assert!(!demo.is_raw());
        before.is_unchanged();
    }
}

#[test]
fn demo_fails_when_a_check_fails() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let failed = (0..ATTEMPTS).any(|_| {
        let mut demo = Running::start(None, Command::new(netns_path()).arg("demo"));
        demo.wait_for("✓");
        own().command("ip", &["-n", "blue", "link", "set", "veth-blue", "down"]).success();
        let (status, stdout, stderr) = demo.finish();
        before.is_unchanged();
        let has_failed = stdout.contains('✗');
        assert_eq!(status.code(), Some(i32::from(has_failed)), "{stdout}{stderr}");
        assert_eq!(stdout.contains("checks failed: "), has_failed, "{stdout}{stderr}");
        has_failed
    });
    assert!(failed, "the cable was pulled too late each time");
}

/// A PATH with a trap for every program of the machine. A trap only leaves a mark.
fn traps(mark: &str) -> String {
    let folder = "/run/traps";
    fs::create_dir(folder).expect("a folder in a new tmpfs");
    let trap = format!("{folder}/trap");
    fs::write(&trap, format!("#!/bin/sh\necho \"$0\" \"$@\" >> {mark}\n")).expect("a script");
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("a mode");
    for programs in ["/usr/bin", "/usr/sbin", "/bin", "/sbin"] {
        for program in fs::read_dir(programs).into_iter().flatten().flatten() {
            let name = program.file_name();
            // Several folders may contain a program of this name.
            let _ = symlink(&trap, format!("{folder}/{}", name.display()));
        }
    }
    folder.to_owned()
}

#[test]
fn demo_runs_no_other_program() {
    let _sandbox = Sandbox::new();
    let mut demo = Command::new(netns_path());
    netns_tests::run(None, demo.arg("demo").env("PATH", "/nonexistent")).success();
}

#[test]
fn netns_runs_no_other_program() {
    let _sandbox = Sandbox::new();
    let path = traps("/run/called");
    let with_traps = |line: &str| {
        let mut program = Command::new(netns_path());
        netns_tests::run(None, program.args(line.split(' ')).env("PATH", &path)).success();
    };
    for line in
        ["demo", "up", "status", "graph", "doctor", "nat", "watch --once", "show red", "down"]
    {
        with_traps(line);
    }
    assert_eq!(fs::read_to_string("/run/called").unwrap_or_default(), "");
    // A trap leaves its mark.
    let mut shell = Command::new("/bin/sh");
    netns_tests::run(None, shell.args(["-c", "tput cols"]).env("PATH", &path)).success();
    assert_eq!(fs::read_to_string("/run/called").expect("a mark"), "/run/traps/tput cols\n");
}

#[test]
fn demo_takes_its_lab_down_when_it_is_terminated() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let _sandbox = Sandbox::new();
        let before = Machine::now();
        let was_ended = (0..ATTEMPTS).any(|_| {
            let mut demo = Running::start(None, Command::new(netns_path()).arg("demo"));
            // After the first check the demonstration is in the middle of its work.
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
fn demo_leaves_a_lab_that_is_up_alone() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let up = Machine::now();
    netns(&["demo"]).fails_with(&["lecture", "netns down lecture"]);
    up.is_unchanged();
    own().command("ip", &["netns", "exec", "red", "ping", "-c", "1", "8.8.8.8"]).success();
}
