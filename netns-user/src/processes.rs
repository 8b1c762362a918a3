//! Processes, as /proc tells of them: who is in a namespace, and how to end them.

use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt as _};

use procfs::{ProcResult, process::Process};

use crate::net::{NetError, netns};

/// Tells a network namespace from every other that lives: device and inode of its file.
pub(crate) type Identity = (u64, u64);

/// The namespace of that name.
pub(crate) fn identity(name: &str) -> Result<Identity, NetError> {
    let file = netns::run_in(name, || fs::metadata("/proc/thread-self/ns/net"))?;
    let file = file.map_err(|error| {
        NetError::refused(format!("tell namespace \"{name}\" from others"), error)
    })?;
    Ok((file.dev(), file.ino()))
}

/// The network namespace of a process; a zombie is in none.
pub(crate) fn network_of(process: &Process) -> Option<Identity> {
    let namespaces = process.namespaces().ok()?;
    let network = namespaces.0.get(OsStr::new("net"))?;
    Some((network.device_id, network.identifier))
}

/// The command line of a process, on one line and with nothing that a terminal would obey.
pub(crate) fn command_of(process: &Process) -> ProcResult<String> {
    let words = process.cmdline()?;
    // Threads of the kernel have no command line.
    let command = match words.is_empty() {
        true => format!("[{}]", process.stat()?.comm),
        false => words.join(" "),
    };
    Ok(command.replace(|c: char| c.is_control(), "?"))
}
