//! Runs code in a namespace.

use std::{fs::File, io, os::fd::OwnedFd};

use nix::sched::{CloneFlags, setns};

use crate::Inside;

/// Code and tools in the namespace /run/netns/NAME.
#[must_use]
pub fn inside(name: &str) -> Inside {
    Inside::new(Some(name))
}

/// Code and tools in the namespace of the test's own machine.
#[must_use]
pub fn own() -> Inside {
    Inside::new(None)
}

/// Runs `work` on this thread in a namespace; `None` is the namespace that it is in already.
///
/// # Panics
/// When there is no such namespace.
pub fn enter<T>(name: Option<&str>, work: impl FnOnce() -> T) -> T {
    let Some(name) = name else { return work() };
    try_enter(name, work).unwrap_or_else(|error| panic!("enter namespace {name}: {error}"))
}

/// The same for a namespace that may be missing.
///
/// # Errors
/// When there is no such namespace.
pub fn try_enter<T>(name: &str, work: impl FnOnce() -> T) -> io::Result<T> {
    let namespace = File::open(format!("/run/netns/{name}"))?;
    let home = Home(open("/proc/thread-self/ns/net"));
    setns(namespace, CloneFlags::CLONE_NEWNET)?;
    let result = work();
    drop(home);
    Ok(result)
}

/// The namespace that the thread returns to, even if the work panics.
struct Home(OwnedFd);

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = setns(&self.0, CloneFlags::CLONE_NEWNET) {
            eprintln!("cannot go back to the namespace: {error}");
            std::process::abort();
        }
    }
}

fn open(path: &str) -> OwnedFd {
    File::open(path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}
