//! How long work tells what it is at.

use super::LabError;

/// Is told of the steps of a longer piece of work, one after another.
pub trait Progress: Sync {
    /// A step begins; `step` reads like "router host".
    fn started(&self, step: &str);
    /// The step that began last is done.
    fn finished(&self, step: &str);
    /// Whether to go on; as for [`Self::advanced`], but nothing is shown.
    fn goes_on(&self) -> bool {
        true
    }
    /// Of the step's `all` parts, `done` are done. The answer says whether to go on: with
    /// `false` the work ends here, and what was made is taken down again.
    fn advanced(&self, _step: &str, _done: usize, _all: usize) -> bool {
        true
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _: &str) {}
    fn finished(&self, _: &str) {}
}

/// An error, unless the work is to go on.
pub(super) fn check_goes_on(goes_on: bool) -> Result<(), LabError> {
    if goes_on { Ok(()) } else { Err(LabError::Interrupted) }
}

/// Runs one step; that it finished is only told when it succeeded.
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
