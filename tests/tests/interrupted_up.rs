//! `netns up` that is interrupted, killed or stopped half-way.

use std::{fs, os::unix::process::ExitStatusExt as _, process::Command, thread, time::Duration};

use netns_tests::{
    DEADLINE, Machine, Running, Sandbox, eventually, inside, lab_is_up, lecture, netns, netns_path,
    own,
};
use nix::sys::signal::Signal;

/// How often `up` is started again if it ended before its signal.
const ATTEMPTS: usize = 5;

/// Starts `up` of the lecture's lab and kills it when this namespace exists.
fn up_is_killed_at(namespace: &str) {
    let file = format!("/run/netns/{namespace}");
    let was_killed = (0..ATTEMPTS).any(|_| {
        let running = Running::start(None, Command::new(netns_path()).arg("up"));
        eventually("up makes namespaces", DEADLINE, || fs::exists(&file).unwrap_or(false));
        running.signal(Signal::SIGKILL);
        let (status, ..) = running.finish();
        let was_killed = status.signal() == Some(Signal::SIGKILL as i32);
        if !was_killed {
            netns(&["down", "lecture"]).success();
        }
        was_killed
    });
    assert!(was_killed, "`up` was over before it was killed, {ATTEMPTS} times");
}

#[test]
fn a_lab_whose_up_was_killed_can_be_taken_down_and_built() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    // Kills `up` when the first, a middle and the last namespace appear.
    for appears in ["host", "lan", "blue"] {
        up_is_killed_at(appears);
        netns(&["down", "lecture"]).success();
        before.is_unchanged();
    }
    lab_is_up();
    inside("red").ping("192.168.15.2").success();
}

#[test]
fn sigint_ends_up_between_two_namespaces() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let large = (0..100).fold(lecture(), |lab, number| {
        lab.namespace(&format!("n{number}"), "v-net-0", &format!("192.168.15.{}/24", 100 + number))
    });
    // The line that `up` prints when all namespaces are made.
    let all_made = "network: done";
    let whole = large.up().success();
    assert!(whole.stderr.contains(all_made), "{whole}");
    netns(&["down", "lecture"]).success();
    let file = large.write();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let is_in_time = (0..ATTEMPTS).any(|_| {
            let running =
                Running::start(None, Command::new(netns_path()).arg("up").arg(file.path()));
            let blue = || fs::exists("/run/netns/blue").unwrap_or(false);
            eventually("blue is there", DEADLINE, blue);
            running.signal(signal);
            let (status, _, stderr) = running.finish();
            if status.success() {
                netns(&["down", "lecture"]).success();
            } else {
                assert_eq!(status.code(), Some(code), "{stderr}");
                assert!(
                    stderr.contains("interrupted: all changes to lab \"lecture\" are undone"),
                    "{stderr}"
                );
            }
            before.is_unchanged();
            !stderr.contains(all_made)
        });
        assert!(is_in_time, "{signal}: each time it went on to the end");
    }
}

#[test]
fn down_after_a_killed_up_keeps_a_foreign_namespace_of_the_same_name() {
    let _sandbox = Sandbox::new();
    // The namespace `host` is made before red.
    up_is_killed_at("red");
    for command in ["del", "add"] {
        own().command("ip", &["netns", command, "host"]).success();
    }
    inside("host").command("ip", &["link", "add", "mine", "type", "bridge"]).success();
    netns(&["up"]).fails_with(&["host", "already exists"]);
    assert_eq!(inside("host").interfaces(), ["mine"]);
}

/// A signal interrupts the verifier, even if it only stops or continues the process.
#[test]
fn up_that_is_stopped_and_continued_completes() {
    const STOPS: u32 = 60;
    let _sandbox = Sandbox::new();
    let mut running = Running::start(None, Command::new(netns_path()).arg("up"));
    for _ in 0..STOPS {
        if running.has_ended() {
            break;
        }
        running.signal(Signal::SIGSTOP);
        thread::park_timeout(Duration::from_millis(20));
        running.signal(Signal::SIGCONT);
        thread::park_timeout(Duration::from_millis(20));
    }
    let (status, _, said) = running.finish();
    assert!(status.success(), "{said}");
    inside("red").ping("192.168.15.2").success();
}
