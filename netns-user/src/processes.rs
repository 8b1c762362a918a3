//! Processes in network namespaces, as /proc shows them, and how to end them.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procfs::{
    FromBufRead as _, ProcResult,
    process::{self, Process, Status},
};
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::Serialize;

use crate::{
    net::{NetError, netns},
    output::text_of_bytes,
};

/// Tells a network namespace from every other that lives: device and inode of its file.
pub(crate) type Identity = (u64, u64);

/// The namespace of that name.
pub(crate) fn identity(name: &str) -> Result<Identity, NetError> {
    let file = netns::run_in(name, || fs::metadata("/proc/thread-self/ns/net"))?;
    let file =
        file.map_err(|error| NetError::refused(format!("identify namespace \"{name}\""), error))?;
    Ok((file.dev(), file.ino()))
}

/// The network namespace of a process; a zombie is in none.
pub(crate) fn network_of(process: &Process) -> Option<Identity> {
    let namespaces = process.namespaces().ok()?;
    let network = namespaces.0.get(OsStr::new("net"))?;
    Some((network.device_id, network.identifier))
}

/// The command line of a process; of a thread of the kernel, which has none, its name.
pub(crate) fn command_of(process: &Process) -> ProcResult<String> {
    let words = command_line(process)?;
    Ok(if words.is_empty() { format!("[{}]", status_of(process)?.name) } else { words })
}

/// As procfs reads it, but also of a process whose name is no text: it is not to hide by that.
pub(crate) fn status_of(process: &Process) -> ProcResult<Status> {
    let mut bytes = Vec::new();
    process.open_relative("status")?.read_to_end(&mut bytes)?;
    Status::from_buf_read(text_of_bytes(&bytes).as_bytes())
}

/// The words of the command line, which a process can write over with whatever it likes.
fn command_line(process: &Process) -> ProcResult<String> {
    let mut bytes = Vec::new();
    let file = process.open_relative("cmdline")?;
    let is_whole = file.take(LONGEST_COMMAND).read_to_end(&mut bytes)? < LONGEST_COMMAND as usize;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words = words.map(text_of_bytes).collect::<Vec<_>>().join(" ");
    Ok(if is_whole { words } else { words + "…" })
}

/// Bytes of a command line that are read; a process may have made it megabytes long.
const LONGEST_COMMAND: u64 = 1 << 16;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// How often processes are ended that others have started meanwhile.
const ROUNDS: usize = 5;

/// A process in a named namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inhabitant {
    pub namespace: String,
    pub pid: i32,
    pub command: String,
}

/// The processes in these namespaces, this one left out.
///
/// # Errors
/// When /proc cannot be read.
pub(crate) fn inhabitants<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> ProcResult<Vec<Inhabitant>> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let places: HashMap<Identity, &str> =
        names.into_iter().filter_map(|name| Some((netns::identity(name)?, name))).collect();
    let mut found = Vec::new();
    // A process that cannot be read has ended while we look, or is about to.
    for process in process::all_processes()?.flatten().filter(|process| process.pid() != own) {
        let Some(name) = network_of(&process).and_then(|place| places.get(&place)) else {
            continue;
        };
        let command = command_of(&process).unwrap_or_default();
        found.push(Inhabitant { namespace: (*name).to_owned(), pid: process.pid(), command });
    }
    found.sort_by(|one, other| (&one.namespace, one.pid).cmp(&(&other.namespace, other.pid)));
    Ok(found)
}

/// Ends the processes in these namespaces: with SIGTERM, and after a grace with SIGKILL. Returns
/// those that were ended.
///
/// # Errors
/// When /proc cannot be read, or the kernel refuses.
pub(crate) fn end_inhabitants(names: &BTreeSet<&str>) -> io::Result<Vec<Inhabitant>> {
    let mut ended: Vec<Inhabitant> = Vec::new();
    for round in 0..ROUNDS {
        let living = inhabitants(names.iter().copied()).map_err(io::Error::other)?;
        let mut open = Vec::new();
        for process in &living {
            // The number may be another's by now: what is opened is looked at again.
            let pidfd = Pid::from_raw(process.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let Some(Ok(pidfd)) = pidfd else { continue };
            let place = Process::new(process.pid).ok().and_then(|process| network_of(&process));
            if place.is_some() && place == netns::identity(&process.namespace) {
                open.push(pidfd);
            }
        }
        if living.is_empty() {
            break;
        }
        // What comes later is the child of one that did not end at once.
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

/// Waits until the processes have ended, and returns those that have not in time.
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
