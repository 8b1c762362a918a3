//! Taking labs down: by their record, or without one by the marks that they leave.
//!
//! Both ways go on after a failure and report all of them. They use the record, the actual state
//! and `forwarding`.

pub(super) mod recorded;
pub(super) mod unrecorded;

use std::path::PathBuf;

use super::LabError;

/// What came of taking a lab down.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    /// Names of the lab's that namespaces of others bear; they were left alone.
    pub(super) strangers: Vec<String>,
    /// Files of the lab's that were changed by hand; they stay.
    pub(super) edited: Vec<PathBuf>,
    pub(super) errors: Vec<LabError>,
}
