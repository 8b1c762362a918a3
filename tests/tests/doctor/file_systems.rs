//! Checks of the file systems that a lab needs.

use std::fs;

use netns_tests::{Sandbox, inside, netns};

use super::{doctor, run};

/// Unmounts all file systems of one kind.
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
fn doctor_prints_a_command_that_mounts_a_missing_bpffs() {
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
fn doctor_reports_a_bpffs_that_cannot_be_mounted() {
    let sandbox = Sandbox::new();
    sandbox.without_bpffs();
    let report = doctor();
    report.has("bpffs", "fault");
    report.is_not_sound();
    netns(&["up"]).fails_with(&["BPF file system"]);
}

#[test]
fn doctor_ignores_a_hidden_cgroup2_mount_if_another_is_reachable() {
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
fn doctor_prints_a_command_that_mounts_a_missing_cgroup2() {
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
