//! The requirements of every lab on the machine. `up` refuses without them, and `doctor` checks
//! the same list.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};

use super::{require_kernel, rights};
use crate::{
    datapath::{
        DatapathError,
        probe::{self, Bpffs},
    },
    lab::{error::LabError, lock, record},
    net::netns,
};

/// The files and folders that every lab writes, and what labs write there.
const WRITTEN: [(&str, &str); 5] = [
    (netns::DIRECTORY, "labs make their namespaces there"),
    (record::files::DIRECTORY, "labs keep their records there"),
    (lock::PATH, "commands that change labs take turns by it"),
    ("/proc/sys/net/ipv4/ip_forward", "labs change settings of their namespaces there"),
    (BPFFS, "labs pin their programs and maps there"),
];

const BPFFS: &str = "/sys/fs/bpf";

/// Refuses a machine on which no lab can be built, with all reasons.
pub(in crate::lab) fn require() -> Result<(), LabError> {
    rights::require_all()?;
    require_kernel()?;
    let bpffs = probe::bpffs();
    let mut faults = read_only_places(bpffs);
    if let Bpffs::Impossible(cause) = bpffs {
        faults.push(DatapathError::NoBpffs { path: BPFFS.into(), cause }.into());
    }
    let folders = [netns::DIRECTORY, record::files::DIRECTORY].into_iter();
    let blocked =
        folders.filter(|folder| Path::new(folder).exists() && !Path::new(folder).is_dir());
    faults.extend(blocked.map(|folder| {
        LabError::file(format!("use {folder} as a folder"), io::ErrorKind::NotADirectory.into())
    }));
    faults.extend(probe::cgroup2().err().map(LabError::from));
    LabError::collect(faults)
}

/// The read-only ones among the files and folders that every lab writes
/// ([`LabError::ReadOnly`]).
pub(crate) fn read_only_places(bpffs: Bpffs) -> Vec<LabError> {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
    // A bpffs that is not mounted yet is mounted over the folder, which need not be writable.
    let bpffs_is_there = matches!(bpffs, Bpffs::Mounted);
    let written = WRITTEN.into_iter().filter(|(path, _)| *path != BPFFS || bpffs_is_there);
    let mut found: Vec<LabError> = Vec::new();
    let mut mount_points = HashSet::new();
    for (path, use_of_labs) in written {
        let existing = existing_part(Path::new(path));
        if access(existing, AccessFlags::W_OK) != Err(Errno::EROFS) {
            continue;
        }
        let mount_point = mount_point(&mounts, existing);
        // One mount may have several of them.
        if mount_points.insert(mount_point.clone()) {
            let path = existing.to_owned();
            found.push(LabError::ReadOnly { path, use_of_labs, mount_point });
        }
    }
    found
}

/// The longest beginning of a path that exists.
fn existing_part(path: &Path) -> &Path {
    path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"))
}

/// The mount that a path is in, by the list of mounts in /proc.
fn mount_point(mounts: &str, path: &Path) -> PathBuf {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    let around = points.filter(|point| path.starts_with(point));
    let innermost = around.max_by_key(|point| point.components().count());
    innermost.unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_around_a_path_is_its_mount_point() {
        let mounts = "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n\
                      proc /proc/sys proc ro 0 0\ntmpfs /run tmpfs rw 0 0\n";
        let point = |path: &str| mount_point(mounts, Path::new(path));
        assert_eq!(point("/proc/sys/net/ipv4/ip_forward"), Path::new("/proc/sys"));
        assert_eq!(point("/run/netns"), Path::new("/run"));
        assert_eq!(point("/runner"), Path::new("/"));
    }

    #[test]
    fn a_missing_folder_is_judged_by_the_one_around_it() {
        assert_eq!(existing_part(Path::new("/proc/no/such/folder")), Path::new("/proc"));
    }
}
