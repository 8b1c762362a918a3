//! Reporting the progress of long work.

use super::error::LabError;

/// Receives the steps of longer work, one after another.
pub trait Progress: Sync {
    /// A step begins; `step` reads like "router host".
    fn started(&self, step: &str);
    /// The last step is done.
    fn finished(&self, step: &str);
    /// Whether to go on, as [`Self::advanced`], without showing anything.
    fn goes_on(&self) -> bool {
        true
    }
    /// `done` of the step's `all` parts are done. Returns whether to go on: with `false` the work
    /// stops, and everything that was made is taken down again.
    fn advanced(&self, _step: &str, _done: usize, _all: usize) -> bool {
        true
    }
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _: &str) {}
    fn finished(&self, _: &str) {}
}

/// An error, if the work should stop.
pub(super) fn check_goes_on(goes_on: bool) -> Result<(), LabError> {
    if goes_on { Ok(()) } else { Err(LabError::Interrupted) }
}

/// Runs one step, and reports its end if it succeeds.
pub(super) fn step<T, E>(
    progress: &dyn Progress,
    name: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    progress.started(name);
    let done = work()?;
    progress.finished(name);
    Ok(done)
}
