//! The lock on labs: a command waits for another one that is at work, and says so.

use std::{os::unix::process::CommandExt as _, process::Command};

use netns_tests::{
    DEADLINE, LabFile, Running, Sandbox, eventually, inside, lab_is_up, lecture, netns, netns_path,
};
use nix::sys::signal::Signal;

/// A user without privileges.
const NOBODY: u32 = 65_534;

/// Starts `netns ARGUMENTS` and stops it (SIGSTOP) when `is_at_work` is true.
fn stopped(arguments: &[&str], is_at_work: impl FnMut() -> bool) -> Running {
    let running = Running::start(None, Command::new(netns_path()).args(arguments));
    eventually("the command is at work", DEADLINE, is_at_work);
    running.signal(Signal::SIGSTOP);
    running
}

/// A lab of many namespaces, which takes a while to build.
fn large() -> LabFile {
    lecture().bridge("br-many", "10.9.0.1/16").many("many", "br-many", 40)
}

fn exists(namespace: &str) -> bool {
    std::fs::exists(format!("/run/netns/{namespace}")).unwrap_or(false)
}

#[test]
fn a_command_that_waits_for_the_lock_names_its_holder() {
    let _sandbox = Sandbox::new();
    let file = large().write();
    let path = file.path().to_str().expect("a plain path");
    let first = stopped(&["up", path], || exists("red"));
    let mut second = Running::start(None, Command::new(netns_path()).arg("up"));
    let said = second.wait_for("waiting for process");
    assert!(said.contains("netns up") && said.contains(path), "{said}");
    first.signal(Signal::SIGCONT);
    let (status, _, said) = first.finish();
    assert!(status.success(), "{said}");
    let (status, _, said) = second.finish();
    assert!(status.success(), "{said}");
    netns(&["status"]).success();
    assert!(!exists("many-1"), "the second `up` has the last word");
}

#[test]
fn an_up_that_waits_for_the_lock_can_be_interrupted() {
    let _sandbox = Sandbox::new();
    let file = large().write();
    let first = stopped(&["up", file.path().to_str().expect("a plain path")], || exists("red"));
    let mut second = Running::start(None, Command::new(netns_path()).arg("up"));
    second.wait_for("waiting for process");
    second.signal(Signal::SIGINT);
    let (status, ..) = second.finish();
    assert_eq!(status.code(), Some(130));
    first.signal(Signal::SIGCONT);
    let (status, _, said) = first.finish();
    assert!(status.success(), "{said}");
}

/// A user can lock every file that he can open.
#[test]
fn other_users_cannot_block_up_by_taking_the_lock() {
    const LOCK: &str = "
import fcntl, os
for top, folders, files in [*os.walk('/run'), *os.walk('/sys/fs/bpf')]:
    for path in [top] + [os.path.join(top, name) for name in files]:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
print('locked')
import time
time.sleep(1000)
";
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["down"]).success();
    lab_is_up();
    let mut command = Command::new("python3");
    command.args(["-u", "-c", LOCK]);
    command.uid(NOBODY).gid(NOBODY);
    let mut locker = Running::start(None, &mut command);
    locker.wait_for("locked");
    for arguments in [
        &["forward", "add", "tcp", "81", "192.168.15.2:80"][..],
        &["up"],
        &["down"],
        &["up"],
        &["add", "mine"],
    ] {
        let done = netns(arguments).success();
        assert!(!done.stderr.contains("waiting"), "{done}");
    }
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn commands_that_read_a_lab_wait_until_its_change_ends() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let file = large().write();
    let change = stopped(&["up", file.path().to_str().expect("a plain path")], || exists("many-1"));
    let looks = [&["nat"][..], &["flows"], &["status"], &["forward", "list"]];
    let mut looking: Vec<Running> = looks
        .iter()
        .map(|arguments| Running::start(None, Command::new(netns_path()).args(*arguments)))
        .collect();
    for command in &mut looking {
        command.wait_for("waiting for process");
    }
    change.signal(Signal::SIGCONT);
    let (status, _, said) = change.finish();
    assert!(status.success(), "{said}");
    for command in looking {
        let (status, shown, said) = command.finish();
        assert!(status.success(), "{shown}{said}");
        assert!(!shown.contains("unfinished") && !said.contains("netns down"), "{shown}{said}");
    }
}
