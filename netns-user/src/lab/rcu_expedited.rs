//! Expedited RCU grace periods, while a large lab is built or taken down.
//!
//! Each program that is attached to a port or detached from it waits for an RCU grace period
//! (`synchronize_rcu`): 10 to 15 ms, until no CPU can be at the port's old list of programs any
//! more. A lab of 1,000 ports waits for 15 seconds in all. Where /sys/kernel/rcu_expedited is 1,
//! the kernel interrupts all CPUs, and a grace period takes less than a millisecond. It is a
//! setting of the whole machine: so it is changed only for many grace periods, and set back at
//! once.

use std::{
    fs::{self, File},
    io,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::{error::LabError, record::files::DIRECTORY};
use crate::files::replace;

const SETTING: &str = "/sys/kernel/rcu_expedited";
const OFF: &str = "0";
const ON: &str = "1";

/// The file that holds the earlier value while the setting is changed. No lab can have this name.
const MARK: &str = "rcu_expedited.before";

/// With fewer grace periods than this, the whole lab takes about a second.
const MANY: usize = 64;

/// While it lives, grace periods are expedited, and signals that would end this process wait.
#[derive(Debug)]
pub(super) struct RcuExpedited<'lock> {
    /// Of two processes at once, one would restore the setting while the other needs it.
    _lock: PhantomData<&'lock File>,
    /// The signals that were blocked before.
    signals: SigSet,
}

impl<'lock> RcuExpedited<'lock> {
    /// Expedites grace periods, if so many are to come. `_lock` is the file of the lock that the
    /// caller has. `None` where the kernel expedites them anyway, or the setting cannot be
    /// written: then it takes longer.
    pub(super) fn begin(
        _lock: &'lock File,
        grace_periods: usize,
    ) -> Result<Option<Self>, LabError> {
        if !is_due(grace_periods) {
            return Ok(None);
        }
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let before = signals
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(|error| LabError::file("block signals", error.into()))?;
        let expedited = Self { _lock: PhantomData, signals: before };
        let mark = mark();
        replace(&mark, OFF)
            .map_err(|error| LabError::file(format!("write {}", mark.display()), error))?;
        Ok(fs::write(SETTING, ON).is_ok().then_some(expedited))
    }
}

impl Drop for RcuExpedited<'_> {
    fn drop(&mut self) {
        // If it fails, the next process with the lock finds the mark, and reports the failure.
        let _ = set_back();
        let _ = self.signals.thread_set_mask();
    }
}

/// The commands that come before and after so many grace periods.
pub(super) fn commands(grace_periods: usize) -> Option<[String; 2]> {
    is_due(grace_periods).then(|| [ON, OFF].map(|value| format!("echo {value} > {SETTING}")))
}

/// Restores the setting if a process was killed before it could.
pub(super) fn recover() -> Result<(), LabError> {
    set_back().map_err(|error| LabError::file(format!("set {SETTING} to {OFF}"), error))
}

fn is_due(grace_periods: usize) -> bool {
    grace_periods >= MANY && read().as_deref() == Some(OFF)
}

fn set_back() -> io::Result<()> {
    let mark = mark();
    if !mark.exists() {
        return Ok(());
    }
    if read().as_deref() == Some(ON) {
        fs::write(SETTING, OFF)?;
    }
    fs::remove_file(mark)
}

fn read() -> Option<String> {
    Some(fs::read_to_string(SETTING).ok()?.trim_end().to_owned())
}

fn mark() -> PathBuf {
    Path::new(DIRECTORY).join(MARK)
}
