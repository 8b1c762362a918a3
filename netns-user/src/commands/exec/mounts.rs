//! The mounts of a command: its own mount namespace, and in it /sys, /etc and /proc.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::statvfs::{FsFlags, statvfs},
};

use crate::net::{etc_netns, hosts::links};

/// Gives this process its own mount namespace.
pub(super) fn own_mounts() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("cannot create a mount namespace")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .context("cannot make the mounts private")
}

/// Mounts a /proc that shows the processes of the caller's PID namespace over the old one. Mounts
/// below the old one are hidden then, since they belong to the view of other processes.
pub(super) fn proc() -> anyhow::Result<()> {
    let usual = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), usual | read_only("/proc"), None::<&str>)
        .context("cannot mount /proc")
}

/// The kernel refuses to cover a read-only instance with a writable one.
fn read_only(path: &str) -> MsFlags {
    match statvfs(path) {
        Ok(old) if old.flags().contains(FsFlags::ST_RDONLY) => MsFlags::MS_RDONLY,
        _ => MsFlags::empty(),
    }
}

/// Mounts a sysfs that shows the links of this namespace over the old one. The mounts below the old
/// one (bpffs, cgroups, …) are repeated below the new one.
pub(super) fn sys(name: &str) -> anyhow::Result<()> {
    let inner = mounts_below_sys().context("cannot read the mounts")?;
    match mount(Some(name), "/sys", Some("sysfs"), read_only("/sys"), None::<&str>) {
        Ok(()) => {}
        // The old one already shows this namespace, since the caller is in it.
        Err(Errno::EBUSY) => return Ok(()),
        Err(error) => return Err(error).context("cannot mount /sys"),
    }
    // Each with all mounts below it: in a user namespace the kernel refuses to mount a part of what
    // was mounted outside.
    let whole = MsFlags::MS_BIND | MsFlags::MS_REC;
    for (path, old) in inner {
        let from = format!("/proc/self/fd/{}", old.as_raw_fd());
        match mount(Some(from.as_str()), &path, None::<&str>, whole, None::<&str>) {
            // The new sysfs may lack a folder; then there is no place for the mount.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot mount {}", path.display()));
            }
        }
    }
    Ok(())
}

/// The mounts below /sys as open files, without those that are below another one.
fn mounts_below_sys() -> io::Result<Vec<(PathBuf, File)>> {
    let mut found: Vec<(PathBuf, File)> = Vec::new();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        // The fifth field is the mount point (proc_pid_mountinfo(5)).
        let Some(path) = line.split(' ').nth(4).filter(|path| path.starts_with("/sys/")) else {
            continue;
        };
        if found.iter().any(|(outer, _)| Path::new(path).starts_with(outer)) {
            continue;
        }
        // O_PATH is enough to mount from, and does not trigger automounts.
        match OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path) {
            Ok(file) => found.push((PathBuf::from(path), file)),
            // Hidden below another mount.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Bind-mounts the files of /etc/netns/NAME/ over those of /etc, as iproute2 does.
pub(super) fn lay_over_etc(name: &str) -> anyhow::Result<()> {
    let folder = etc_netns::folder(name);
    let action = || format!("cannot read {}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(action),
    };
    for entry in entries {
        let from = entry.with_context(action)?.path();
        let Some(file) = from.file_name() else { continue };
        let over = Path::new("/etc").join(file);
        // That of a lab has been asked for by nobody who would miss it.
        if file == "hosts" && over.symlink_metadata().is_err() && links::is_of_a_lab(name) {
            continue;
        }
        if let Err(error) = lay(&from, &over) {
            // Not an error, as with iproute2: the command may not need the file.
            let (from, over) = (from.display(), over.display());
            crate::tell!("warning: cannot mount {from} over {over}: {error}");
        }
    }
    Ok(())
}

/// Mounts one file over another. If that is a symbolic link, the link itself is covered and not its
/// target: the kernel removes a mount when its target is replaced, which systemd-resolved does.
fn lay(from: &Path, over: &Path) -> io::Result<()> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let covered = OpenOptions::new().read(true).custom_flags(flags).open(over)?;
    let place = format!("/proc/self/fd/{}", covered.as_raw_fd());
    mount(Some(from), place.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}
