//! Checks the file systems that labs need: bpffs for pins, cgroup2 for socket hooks.

use std::{fs, io};

use nix::unistd::geteuid;

use super::{
    finding::{Finding, Verdict},
    subject::Subject,
};
use crate::datapath::{DatapathError, probe};

const BPFFS: &str = "bpffs";
const CGROUP2: &str = "cgroup2";
const MOUNT_BPFFS: &str = "mount -t bpf bpf /sys/fs/bpf";

pub(super) fn check(subject: &Subject) -> [Finding; 2] {
    let root = geteuid().is_root();
    let bpffs = bpffs(probe::bpffs(), root, subject);
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    [bpffs, cgroup2(&probe::cgroup2().map(|path| path.display().to_string()), &mounts)]
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
            if error.kind() == io::ErrorKind::NotFound {
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
        let state = || probe::Bpffs::Impossible(io::Error::from_raw_os_error(libc::EROFS));
        assert_eq!(bpffs(state(), true, &subject).verdict, Verdict::Faulty);
        assert_eq!(bpffs(state(), false, &subject).verdict, Verdict::Doubtful);
        assert_eq!(bpffs(probe::Bpffs::Absent, true, &subject).verdict, Verdict::Doubtful);
    }
}
