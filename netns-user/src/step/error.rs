//! What can go wrong with several steps.

use std::fmt;

use crate::net::NetError;

/// A step failed, and the steps before it were undone as far as possible. Displays one error a
/// line.
#[derive(Debug)]
pub struct StepError {
    pub(super) cause: NetError,
    /// The errors of steps that could not be undone.
    pub(super) not_undone: Vec<NetError>,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        self.not_undone.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}

impl std::error::Error for StepError {}
