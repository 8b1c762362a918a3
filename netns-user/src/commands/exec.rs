//! `netns exec NAME -- CMD`

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context;
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::statvfs::{FsFlags, statvfs},
};

use crate::{cli::ExecArgs, lab, net::netns};

/// What a shell answers for a command that cannot be run, and for one that is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Becomes the command, inside the namespace. Returns only when that is not possible.
///
/// # Errors
/// When there is no such namespace or the kernel refuses.
pub fn run(args: &ExecArgs) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    netns::enter(&args.name)?;
    // From here on, mounts are this process's own.
    unshare(CloneFlags::CLONE_NEWNS).context("cannot leave the mount namespace")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .context("cannot make the mounts private")?;
    mount_sys(&args.name)?;
    lay_over_etc(&args.name)?;
    let Some((program, arguments)) = args.command.split_first() else {
        anyhow::bail!("no command was given");
    };
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    anstream::eprintln!("error: cannot run {}: {error}", program.display());
    Ok(ExitCode::from(code))
}

/// Mounts a sysfs that shows the links of this namespace over the old one, and what was
/// mounted below that (bpffs, cgroups, …) below the new one again.
fn mount_sys(name: &str) -> anyhow::Result<()> {
    let inner = mounts_below_sys().context("cannot read the mounts")?;
    let flags = match statvfs("/sys") {
        // A read-only instance cannot be shadowed by a writable one.
        Ok(old) if old.flags().contains(FsFlags::ST_RDONLY) => MsFlags::MS_RDONLY,
        _ => MsFlags::empty(),
    };
    mount(Some(name), "/sys", Some("sysfs"), flags, None::<&str>).context("cannot mount /sys")?;
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
fn lay_over_etc(name: &str) -> anyhow::Result<()> {
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
        let laid = mount(Some(&from), &over, None::<&str>, MsFlags::MS_BIND, None::<&str>);
        if let Err(error) = laid {
            // As iproute2 does: the command may well not need the file.
            anstream::eprintln!(
                "warning: cannot lay {} over {}: {error}",
                from.display(),
                over.display()
            );
        }
    }
    Ok(())
}
