//! The file systems that keep a lab alive and its socket hooks in place.

use std::{fs, io};

use nix::unistd::geteuid;

use super::{Finding, Verdict};
use crate::datapath::{DatapathError, probe};

const BPFFS: &str = "bpffs";
const CGROUP2: &str = "cgroup2";
const MOUNT_BPFFS: &str = "mount -t bpf bpf /sys/fs/bpf";

pub(super) fn check() -> [Finding; 2] {
    let root = geteuid().is_root();
    let bpffs = bpffs(probe::bpffs(), root);
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    [bpffs, cgroup2(&probe::cgroup2().map(|path| path.display().to_string()), &mounts)]
}

fn bpffs(state: probe::Bpffs, root: bool) -> Finding {
    match state {
        probe::Bpffs::Mounted => Finding::sound(BPFFS, "mounted at /sys/fs/bpf"),
        probe::Bpffs::Absent => {
            Finding::new(BPFFS, Verdict::Doubtful, "not mounted at /sys/fs/bpf")
                .meaning("`netns up` mounts it, but nothing does so at the next boot")
                .command(MOUNT_BPFFS)
        }
        probe::Bpffs::Impossible(_) if !root => Finding::unseen(BPFFS, "/sys/fs/bpf"),
        probe::Bpffs::Impossible(error) => {
            let found = format!("not mounted at /sys/fs/bpf, and it cannot be: {error}");
            let fault = Finding::new(BPFFS, Verdict::Faulty, found);
            let meaning = "a lab's programs and maps live there";
            if error.kind() == io::ErrorKind::NotFound {
                fault.meaning(format!("{meaning}: /sys is not mounted as it should be"))
            } else {
                fault.meaning(format!("{meaning}: in a container, mount it from outside"))
            }
        }
    }
}

fn cgroup2(found: &Result<String, DatapathError>, mounts: &str) -> Finding {
    match found {
        Ok(path) => Finding::sound(CGROUP2, format!("mounted at {path}")),
        Err(error) => {
            let fault = Finding::new(CGROUP2, Verdict::Faulty, error.to_string())
                .meaning("no lab comes up without it: its socket hooks hang there");
            match error {
                DatapathError::NoCgroup2 => fault.command(mount_cgroup2(mounts)),
                _ => fault,
            }
        }
    }
}

/// Beside the control groups of version 1 it has a folder of its own.
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
        let finding = cgroup2(&Err(DatapathError::NoCgroup2), beside);
        assert_eq!(finding.verdict, Verdict::Faulty);
    }

    #[test]
    fn a_file_system_that_cannot_be_mounted_is_a_fault_for_root() {
        let state = || probe::Bpffs::Impossible(io::Error::from_raw_os_error(libc::EROFS));
        assert_eq!(bpffs(state(), true).verdict, Verdict::Faulty);
        assert_eq!(bpffs(state(), false).verdict, Verdict::Doubtful);
        assert_eq!(bpffs(probe::Bpffs::Absent, true).verdict, Verdict::Doubtful);
    }
}
