//! Settings below /proc/sys/net, which belong to the calling thread's namespace.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::PathBuf,
};

use rustix::{
    fs::{Mode, OFlags, openat},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use super::error::NetError;

/// Whether IPv4 packets are forwarded between links: "0" or "1".
pub const IP_FORWARD: &str = "ipv4/ip_forward";

/// Whether IPv6 is off, for existing links and for future ones.
pub const IPV6_OFF: &str = "ipv6/conf/all/disable_ipv6";

/// Reads a setting of the calling thread's namespace; `key` is a path below /proc/sys/net.
///
/// # Errors
/// When the kernel has no such setting or refuses.
pub fn read(key: &str) -> Result<String, NetError> {
    let value = fs::read_to_string(path(key))
        .map_err(|error| NetError::refused(format!("read the setting net/{key}"), error))?;
    Ok(value.trim_end().to_owned())
}

/// Writes a setting of the calling thread's namespace.
///
/// # Errors
/// When the kernel has no such setting or refuses the value.
pub fn write(key: &str, value: &str) -> Result<(), NetError> {
    fs::write(path(key), value)
        .map_err(|error| NetError::refused(format!("set net/{key} to {value}"), error))
}

/// Writes a setting, if the kernel has it: a kernel without IPv6 has no IPv6 settings.
///
/// # Errors
/// When the kernel refuses the value.
pub fn write_if_there(key: &str, value: &str) -> Result<(), NetError> {
    match write(key, value) {
        Err(NetError::Refused { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes settings in many namespaces, where looking them up would take long.
///
/// The kernel keeps the names below /proc/sys/net of all namespaces in one list, and searches it
/// linearly (`proc_sys_compare`): with a thousand namespaces each look-up takes a millisecond. A
/// separate instance of procfs has a list of its own.
#[derive(Debug, Default)]
pub struct Settings {
    /// `None`: /proc is used.
    proc: Option<OwnedFd>,
    writes: u32,
}

impl Settings {
    /// The number of writes after which an instance is replaced.
    const WRITES: u32 = 32;

    /// As [`write_if_there`].
    ///
    /// # Errors
    /// When the kernel refuses the value.
    pub fn write_if_there(&mut self, key: &str, value: &str) -> Result<(), NetError> {
        if self.writes.is_multiple_of(Self::WRITES) {
            // Where a separate instance is not allowed, as in some containers, /proc is used.
            self.proc = instance().ok();
        }
        self.writes = self.writes.wrapping_add(1);
        match &self.proc {
            // A security module may forbid only this, since the path is in no mount.
            Some(proc) if write_below(proc, key, value).is_ok() => Ok(()),
            _ => write_if_there(key, value),
        }
    }
}

fn write_below(proc: &OwnedFd, key: &str, value: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(proc, format!("sys/net/{key}"), flags, Mode::empty())?;
    File::from(file).write_all(value.as_bytes())
}

/// An instance of procfs that is mounted nowhere (kernel 5.8).
fn instance() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(key)
}
