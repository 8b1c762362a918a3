//! Settings under /proc/sys/net, which belong to the calling thread's namespace.

use std::{fs, io, path::PathBuf};

use super::NetError;

/// Whether IPv4 packets are forwarded between links: "0" or "1".
pub const IP_FORWARD: &str = "ipv4/ip_forward";

/// Whether IPv6 is off: for links that are there, and with them for those to come.
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

/// Writes a setting, or nothing when the kernel has no such setting: one without IPv6 has
/// nothing to switch off.
///
/// # Errors
/// When the kernel refuses the value.
pub fn write_if_there(key: &str, value: &str) -> Result<(), NetError> {
    match write(key, value) {
        Err(NetError::Refused { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(key)
}
