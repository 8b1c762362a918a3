//! `/sys/kernel/rcu_expedited`, which large labs set while they are built or taken down. It belongs
//! to the whole machine, so every end of a command must restore it. In a sandbox it is a plain
//! file.

use std::{fs, os::unix::process::ExitStatusExt as _, process::Command, time::SystemTime};

use netns_tests::{
    DEADLINE, LabFile, Machine, RCU_EXPEDITED, Running, Sandbox, eventually, lab, lecture, netns,
    netns_path, outside, own,
};
use nix::sys::signal::Signal;

/// The number of ports from which a command sets it.
const MANY: usize = 64;

/// How often a command is started again if it had restored the setting before the test saw it.
const ATTEMPTS: usize = 5;

fn large(name: &str, ports: usize) -> LabFile {
    lab(name)
        .router(&format!("{name}-gw"))
        .uplink("wan", "192.168.1.10/24", &outside(&format!("{name}-out"), "192.168.1.1/24", &[]))
        .bridge("br", "10.1.0.1/24")
        .many(&format!("{name}-n"), "br", ports)
        .masquerade("10.1.0.0/24", "wan")
}

fn setting() -> String {
    fs::read_to_string(RCU_EXPEDITED).expect("the setting").trim_end().to_owned()
}

fn start(arguments: &[&str]) -> Running {
    Running::start(None, Command::new(netns_path()).args(arguments))
}

/// When the setting was last written, even if it is restored by now.
fn written() -> SystemTime {
    fs::metadata(RCU_EXPEDITED).and_then(|file| file.modified()).expect("the setting")
}

/// Starts the command and waits until it has set the setting; `None` if the command ended before
/// that was seen.
fn expediting(arguments: &[&str]) -> Option<Running> {
    let mut running = start(arguments);
    let mut is_hurried = false;
    eventually("the kernel is hurried", DEADLINE, || {
        is_hurried = setting() == "1";
        is_hurried || running.has_ended()
    });
    is_hurried.then_some(running)
}

/// Sends the command a signal while the setting is on. Returns whether the signal ended it.
fn is_interrupted(arguments: &[&str], signal: Signal) -> bool {
    expediting(arguments).is_some_and(|running| {
        running.signal(signal);
        !running.finish().0.success()
    })
}

/// Kills the command while the setting is on. Returns whether the setting stayed on.
fn is_killed(arguments: &[&str]) -> bool {
    expediting(arguments).is_some_and(|running| {
        running.signal(Signal::SIGKILL);
        let (status, ..) = running.finish();
        status.signal() == Some(Signal::SIGKILL as i32) && setting() == "1"
    })
}

#[test]
fn up_and_down_of_a_large_lab_set_rcu_expedited_while_they_run() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let file = large("many", MANY).write();
    let path = file.path().to_str().expect("a path");
    for arguments in [["up", path], ["down", "many"]] {
        let last = written();
        netns(&arguments).success();
        assert_ne!(written(), last, "{arguments:?} has not hurried the kernel");
        assert_eq!(setting(), "0", "after {arguments:?}");
    }
    before.is_unchanged();
}

#[test]
fn a_change_of_many_ports_sets_rcu_expedited_while_it_runs() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    large("many", 1).up().success();
    for ports in [1 + MANY, 1] {
        let last = written();
        large("many", ports).up().success();
        assert_ne!(written(), last, "{ports} ports have not hurried the kernel");
        assert_eq!(setting(), "0", "with {ports}");
    }
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn a_small_lab_leaves_rcu_expedited_alone() {
    let _sandbox = Sandbox::new();
    let before = written();
    large("few", MANY - 2).up().success();
    lecture().up().success();
    netns(&["down", "few"]).success();
    netns(&["down", "lecture"]).success();
    assert_eq!(written(), before);
}

#[test]
fn a_failed_up_of_a_large_lab_restores_rcu_expedited() {
    let _sandbox = Sandbox::new();
    // The pins cannot be made, which `up` finds out after the network is there.
    let script = "mkdir /sys/fs/bpf/netns /run/empty
        mount --bind /run/empty /sys/fs/bpf/netns
        mount -o remount,bind,ro /sys/fs/bpf/netns";
    own().command("sh", &["-ec", script]).success();
    let before = Machine::now();
    let last = written();
    large("many", MANY).up().fails_with(&["/sys/fs/bpf/netns", "Read-only"]);
    assert_ne!(written(), last, "it has failed before it wrote the setting");
    before.is_unchanged();
}

#[test]
fn a_signal_ends_neither_up_nor_down_while_rcu_expedited_is_set() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let file = large("many", MANY).write();
    let path = file.path().to_str().expect("a path");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let up = (0..ATTEMPTS).any(|_| {
            let is_interrupted = is_interrupted(&["up", path], signal);
            if !is_interrupted {
                netns(&["down", "many"]).success();
            }
            is_interrupted
        });
        assert!(up, "no `up` was ended by {signal}");
        before.is_unchanged();

        let down = (0..ATTEMPTS).any(|_| {
            netns(&["up", path]).success();
            let is_interrupted = is_interrupted(&["down", "many"], signal);
            before.is_unchanged();
            is_interrupted
        });
        assert!(down, "no `down` was ended by {signal}");
    }
}

#[test]
fn rcu_expedited_left_set_by_a_killed_command_is_restored_by_the_next() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let file = large("many", MANY).write();
    let path = file.path().to_str().expect("a path");
    let small = lecture().write();
    let small = small.path().to_str().expect("a path");
    // A command for another lab restores it as well.
    for next in [["down", "many"], ["down", "lecture"], ["up", small]] {
        let killed = (0..ATTEMPTS).any(|_| {
            let is_killed = is_killed(&["up", path]);
            if !is_killed {
                netns(&["down", "many"]).success();
            }
            is_killed
        });
        assert!(killed, "each `up` was killed too late");
        let status = netns(&["status"]);
        assert!(!status.stderr.contains("rcu"), "it is taken for a lab: {status}");
        netns(&next).success();
        assert_eq!(setting(), "0", "after {next:?}");
        netns(&["down", "lecture"]).success();
        netns(&["down", "many"]).success();
        before.is_unchanged();
    }
}

#[test]
fn rcu_expedited_that_was_set_before_stays_set() {
    let _sandbox = Sandbox::new();
    fs::write(RCU_EXPEDITED, "1\n").expect("the setting");
    let before = Machine::now();
    large("many", MANY).up().success();
    assert_eq!(setting(), "1");
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn up_succeeds_if_rcu_expedited_cannot_be_written() {
    let _sandbox = Sandbox::new();
    own().command("mount", &["-o", "remount,bind,ro", RCU_EXPEDITED]).success();
    let before = Machine::now();
    large("many", MANY).up().success();
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn two_large_labs_built_at_once_wait_for_each_other() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let files = ["one", "other"].map(|name| large(name, MANY).write());
    for verb in ["up", "down"] {
        let both =
            files.each_ref().map(|file| start(&[verb, file.path().to_str().expect("a path")]));
        for running in both {
            let (status, stdout, stderr) = running.finish();
            assert!(status.success(), "{stdout}{stderr}");
        }
        assert_eq!(setting(), "0", "after {verb}");
    }
    before.is_unchanged();
}

#[test]
fn a_dry_run_mentions_rcu_expedited_and_does_not_set_it() {
    let _sandbox = Sandbox::new();
    let lines = ["echo 1 > /sys/kernel/rcu_expedited\n", "echo 0 > /sys/kernel/rcu_expedited\n"];
    let large = large("many", MANY).write();
    let path = large.path().to_str().expect("a path");
    netns(&["up", "--dry-run", path]).success().shows(&lines);
    netns(&["up", path]).success();
    netns(&["down", "--dry-run", "many"]).success().shows(&lines);
    assert_eq!(setting(), "0");
    netns(&["down", "many"]).success();
    let small = lecture().write();
    let told = netns(&["up", "--dry-run", small.path().to_str().expect("a path")]).success();
    assert!(!told.stdout.contains("rcu"), "{told}");
}
