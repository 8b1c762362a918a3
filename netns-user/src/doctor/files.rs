//! Checks the file systems that labs need: bpffs for pins, cgroup2 for socket hooks, and that the
//! places where labs write are writable.

use std::fs;

use nix::{errno::Errno, unistd::geteuid};

use super::{
    finding::{Finding, Verdict},
    subject::Subject,
};
use crate::{
    datapath::{DatapathError, probe},
    lab::{self, LabError},
};

const BPFFS: &str = "bpffs";
const CGROUP2: &str = "cgroup2";
const WRITABLE: &str = "writable";
const MOUNT_BPFFS: &str = "mount -t bpf bpf /sys/fs/bpf";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let root = geteuid().is_root();
    let state = probe::bpffs();
    let mut findings = writable(&lab::read_only_places(state));
    findings.push(bpffs(state, root, subject));
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    findings.push(cgroup2(&probe::cgroup2().map(|path| path.display().to_string()), &mounts));
    findings
}

fn writable(read_only: &[LabError]) -> Vec<Finding> {
    let fault = |error: &LabError| {
        let LabError::ReadOnly { path, use_of_labs, mount_point } = error else { return None };
        let found = format!("{} is read-only", path.display());
        let finding = Finding::new(WRITABLE, Verdict::Faulty, found);
        let meaning = format!("`netns up` fails: {use_of_labs}");
        Some(finding.meaning(meaning).command(lab::remount_command(mount_point)))
    };
    let faults: Vec<Finding> = read_only.iter().filter_map(fault).collect();
    if faults.is_empty() {
        return vec![Finding::sound(WRITABLE, "no place where labs write is read-only")];
    }
    faults
}

fn bpffs(state: probe::Bpffs, root: bool, subject: &Subject) -> Finding {
    match state {
        probe::Bpffs::Mounted => Finding::sound(BPFFS, "mounted at /sys/fs/bpf"),
        probe::Bpffs::Absent => {
            Finding::new(BPFFS, Verdict::Doubtful, "not mounted at /sys/fs/bpf")
                .meaning("`netns up` mounts it by itself")
                .command(MOUNT_BPFFS)
        }
        probe::Bpffs::Impossible(_) if !root => Finding::unseen(BPFFS, subject),
        probe::Bpffs::Impossible(error) => {
            let found = format!("not mounted at /sys/fs/bpf, and mounting it fails: {error}");
            let fault = Finding::new(BPFFS, Verdict::Faulty, found);
            let meaning = "the programs and maps of labs are pinned there";
            if error == Errno::ENOENT {
                fault
                    .meaning(format!("{meaning}: mount sysfs at /sys first"))
                    .command(format!("mount -t sysfs sysfs /sys && {MOUNT_BPFFS}"))
            } else {
                fault
                    .meaning(format!("{meaning}: pass it to the container from the machine"))
                    .command("sudo docker run --privileged -v /sys/fs/bpf:/sys/fs/bpf …")
            }
        }
    }
}

fn cgroup2(found: &Result<String, DatapathError>, mounts: &str) -> Finding {
    match found {
        Ok(path) => Finding::sound(CGROUP2, format!("mounted at {path}")),
        Err(error) => {
            // A second mount works even where the first one cannot be opened.
            Finding::new(CGROUP2, Verdict::Faulty, error.to_string())
                .meaning("`netns up` fails without it: the socket hooks are attached there")
                .command(mount_cgroup2(mounts))
        }
    }
}

/// The mount command. Where something else is mounted at /sys/fs/cgroup, such as cgroup version 1,
/// cgroup2 gets its own folder there.
fn mount_cgroup2(mounts: &str) -> String {
    let folder = "/sys/fs/cgroup";
    let taken = mounts.lines().any(|line| line.split(' ').nth(1) == Some(folder));
    if taken {
        format!("mkdir -p {folder}/unified && mount -t cgroup2 none {folder}/unified")
    } else {
        format!("mount -t cgroup2 none {folder}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup2_goes_beside_version_1() {
        let beside = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n";
        assert!(mount_cgroup2(beside).ends_with("/sys/fs/cgroup/unified"));
        assert!(mount_cgroup2("sysfs /sys sysfs rw 0 0\n").ends_with("none /sys/fs/cgroup"));
        let hidden = DatapathError::HiddenCgroup2("/sys/fs/cgroup/unified".into());
        for error in [DatapathError::NoCgroup2, hidden] {
            let finding = cgroup2(&Err(error), beside);
            assert_eq!(finding.verdict, Verdict::Faulty);
            assert!(finding.command.is_some(), "{finding:?}");
        }
    }

    #[test]
    fn a_file_system_that_cannot_be_mounted_is_a_fault_for_root() {
        let subject = Subject::any_lab();
        let state = || probe::Bpffs::Impossible(Errno::EROFS);
        assert_eq!(bpffs(state(), true, &subject).verdict, Verdict::Faulty);
        assert_eq!(bpffs(state(), false, &subject).verdict, Verdict::Doubtful);
        assert_eq!(bpffs(probe::Bpffs::Absent, true, &subject).verdict, Verdict::Doubtful);
    }
}
