//! The file systems that a lab needs.

use std::fs;

use netns_tests::{Sandbox, netns};

use super::{doctor, run};

/// Takes away all that is mounted of one kind.
fn unmount(kind: &str) {
    let mounted = || {
        let mounts = fs::read_to_string("/proc/thread-self/mounts").expect("the mounts");
        let mounts: Vec<String> = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .filter(|fields| fields[2] == kind)
            .map(|fields| fields[1].to_owned())
            .collect();
        mounts
    };
    while let Some(place) = mounted().pop() {
        run(&format!("umount {place}"));
    }
}

#[test]
fn a_missing_bpffs_is_mounted_by_the_command() {
    let _sandbox = Sandbox::new();
    unmount("bpf");
    let report = doctor();
    report.has("bpffs", "warning");
    report.is_sound();
    report.mend("bpffs").success();
    doctor().has("bpffs", "ok");
}

#[test]
fn a_bpffs_that_cannot_be_mounted_is_a_fault() {
    let sandbox = Sandbox::new();
    sandbox.without_bpffs();
    let report = doctor();
    report.has("bpffs", "fault");
    report.is_not_sound();
    netns(&["up"]).fails_with(&["BPF file system"]);
}

#[test]
fn a_missing_cgroup2_is_mounted_by_the_command() {
    let _sandbox = Sandbox::new();
    unmount("cgroup2");
    let report = doctor();
    report.has("cgroup2", "fault");
    report.is_not_sound();
    netns(&["up"]).fails_with(&["cgroup2"]);
    report.mend("cgroup2").success();
    doctor().is_sound();
    netns(&["up"]).success();
}
