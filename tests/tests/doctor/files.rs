//! The file systems that a lab needs.

use std::fs;

use netns_tests::{Sandbox, inside, netns};

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
fn up_mounts_a_missing_bpffs() {
    let _sandbox = Sandbox::new();
    unmount("bpf");
    netns(&["up"]).success();
    doctor().has("bpffs", "ok");
    inside("red").ping("8.8.8.8").success();
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
fn a_hidden_cgroup2_is_passed_over_for_one_that_is_reached() {
    let _sandbox = Sandbox::new();
    unmount("cgroup2");
    run("mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/unified");
    run("mount -t cgroup2 none /sys/fs/cgroup/unified");
    run("mount -t tmpfs none /sys/fs/cgroup");
    let report = doctor();
    report.has("cgroup2", "fault");
    report.says("cgroup2", &["hidden by another mount"]);
    netns(&["up"]).fails_with(&["hidden by another mount"]);
    report.mend("cgroup2").success();
    doctor().is_sound();
    run("umount /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup");
    doctor().says("cgroup2", &["mounted at /sys/fs/cgroup\""]);
    netns(&["up"]).success();
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
