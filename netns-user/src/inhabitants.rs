//! Processes in network namespaces, as /proc shows them, and how to end them.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procfs::{
    ProcError, ProcResult,
    process::{self, Process},
};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    net::netns::{self, Identity},
    processes::command_of,
};

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// How often the processes are listed again, to end those that were started in the meantime.
const ROUNDS: usize = 5;

/// The network namespace of a process; a zombie has none.
pub(crate) fn network_of(process: &Process) -> Option<Identity> {
    let namespaces = process.namespaces().ok()?;
    let network = namespaces.0.get(OsStr::new("net"))?;
    Some((network.device_id, network.identifier))
}

/// A process in a named namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Inhabitant {
    /// The namespace that it is in.
    pub namespace: String,
    /// Its number in the PID namespace of `netns`.
    pub pid: i32,
    /// Its command line.
    pub command: String,
}

/// The processes in these namespaces, without this process.
///
/// # Errors
/// When /proc cannot be read.
pub(crate) fn inhabitants<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> ProcResult<Vec<Inhabitant>> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let namespaces: HashMap<Identity, &str> = names
        .into_iter()
        .filter_map(|name| identified(name).transpose())
        .collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    // A process that cannot be read has just ended, or is about to.
    for process in process::all_processes()?.flatten().filter(|process| process.pid() != own) {
        let Some(name) = network_of(&process).and_then(|identity| namespaces.get(&identity)) else {
            continue;
        };
        let command = command_of(&process).unwrap_or_default();
        found.push(Inhabitant { namespace: (*name).to_owned(), pid: process.pid(), command });
    }
    found.sort_by(|one, other| (&one.namespace, one.pid).cmp(&(&other.namespace, other.pid)));
    Ok(found)
}

/// A namespace by its identity; `None` if it is gone.
fn identified(name: &str) -> ProcResult<Option<(Identity, &str)>> {
    let identity =
        netns::identity_if_present(name).map_err(|error| ProcError::Other(error.to_string()))?;
    Ok(identity.map(|identity| (identity, name)))
}

/// Ends the processes in these namespaces: with SIGTERM, and after a grace period with SIGKILL.
/// Returns those that were ended.
///
/// # Errors
/// When /proc cannot be read, or the kernel refuses.
pub(crate) fn end_inhabitants(names: &BTreeSet<&str>) -> io::Result<Vec<Inhabitant>> {
    let mut ended: Vec<Inhabitant> = Vec::new();
    for round in 0..ROUNDS {
        let living = inhabitants(names.iter().copied()).map_err(io::Error::other)?;
        let mut open = Vec::new();
        for process in &living {
            // The number may belong to another process by now, so the opened process is checked
            // again.
            let pidfd = Pid::from_raw(process.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let Some(Ok(pidfd)) = pidfd else { continue };
            let identity = Process::new(process.pid).ok().and_then(|process| network_of(&process));
            if identity.is_some() && identity == netns::identity(&process.namespace).ok() {
                open.push(pidfd);
            }
        }
        if living.is_empty() {
            break;
        }
        // A process that appears later is a child of one that did not end at once.
        let signals = if round == 0 { &[Signal::TERM, Signal::KILL][..] } else { &[Signal::KILL] };
        for signal in signals {
            for pidfd in &open {
                match pidfd_send_signal(pidfd, *signal) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            open = wait_for_ends(open, GRACE)?;
        }
        let is_new = |process: &&Inhabitant| ended.iter().all(|known| known.pid != process.pid);
        let new: Vec<Inhabitant> = living.iter().filter(is_new).cloned().collect();
        ended.extend(new);
    }
    Ok(ended)
}

/// Waits until the processes have ended. Returns those that have not ended in time.
fn wait_for_ends(mut open: Vec<OwnedFd>, limit: Duration) -> io::Result<Vec<OwnedFd>> {
    let deadline = Instant::now() + limit;
    while !open.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|pidfd| PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))?;
        let lives: Vec<bool> = fds.iter().map(|fd| fd.any() != Some(true)).collect();
        let mut lives = lives.into_iter();
        open.retain(|_| lives.next().unwrap_or(true));
    }
    Ok(open)
}
