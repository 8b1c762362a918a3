//! What a command sees below /sys, /etc and /proc. All of it is mounted in a mount namespace that
//! the caller has made for the command.

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
    sys::statvfs::{FsFlags, statvfs},
};

/// Mounts a /proc that shows the processes of the caller's PID namespace over the old one. What
/// was mounted below that is out of sight then: it belonged to the other processes' view.
pub(super) fn proc() -> anyhow::Result<()> {
    let usual = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), usual | read_only("/proc"), None::<&str>)
        .context("cannot mount /proc")
}

/// A read-only instance cannot be shadowed by a writable one.
fn read_only(path: &str) -> MsFlags {
    match statvfs(path) {
        Ok(old) if old.flags().contains(FsFlags::ST_RDONLY) => MsFlags::MS_RDONLY,
        _ => MsFlags::empty(),
    }
}

/// Mounts a sysfs that shows the links of this namespace over the old one, and what was
/// mounted below that (bpffs, cgroups, …) below the new one again.
pub(super) fn sys(name: &str) -> anyhow::Result<()> {
    let inner = mounts_below_sys().context("cannot read the mounts")?;
    match mount(Some(name), "/sys", Some("sysfs"), read_only("/sys"), None::<&str>) {
        Ok(()) => {}
        // It shows this namespace already: the caller is in it.
        Err(Errno::EBUSY) => return Ok(()),
        Err(error) => return Err(error).context("cannot mount /sys"),
    }
    for (path, old) in inner {
        let from = format!("/proc/self/fd/{}", old.as_raw_fd());
        match mount(Some(from.as_str()), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
            // The new sysfs has no such folder: nobody can look for it there.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot mount {}", path.display()));
            }
        }
    }
    Ok(())
}

/// What is mounted below /sys, outermost first, opened.
fn mounts_below_sys() -> io::Result<Vec<(PathBuf, File)>> {
    let mut found = Vec::new();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        // The fifth field is where it is mounted (proc_pid_mountinfo(5)).
        let Some(path) = line.split(' ').nth(4).filter(|path| path.starts_with("/sys/")) else {
            continue;
        };
        // O_PATH: a place to mount from; automounts and the like are not set off.
        match OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path) {
            Ok(file) => found.push((PathBuf::from(path), file)),
            // Hidden below another mount.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Lays the files of /etc/netns/NAME/ over those of /etc, by iproute2's convention.
pub(super) fn lay_over_etc(name: &str) -> anyhow::Result<()> {
    let folder = Path::new("/etc/netns").join(name);
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
        if let Err(error) = lay(&from, &over) {
            // As iproute2 does: the command may well not need the file.
            crate::tell!("warning: cannot lay {} over {}: {error}", from.display(), over.display());
        }
    }
    Ok(())
}

/// Lays one file over another. A link is covered itself, and not the file that it leads to: the
/// kernel ends a mount on a file that somebody replaces, as systemd-resolved does with its own.
fn lay(from: &Path, over: &Path) -> io::Result<()> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let covered = OpenOptions::new().read(true).custom_flags(flags).open(over)?;
    let place = format!("/proc/self/fd/{}", covered.as_raw_fd());
    mount(Some(from), place.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}
