//! Takes labs down: by their record, or without a record by the marks that they leave.
//!
//! Both go on after a failure and report all failures. They use the record, the actual state and
//! `forwarding`.

pub(super) mod recorded;
pub(super) mod unrecorded;

use std::path::PathBuf;

use super::error::LabError;

/// The result of taking a lab down.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    /// Names of the lab's namespaces that somebody else's namespaces have now; they were left
    /// alone.
    pub(super) foreign: Vec<String>,
    /// Files of the lab that were changed by hand; they stay.
    pub(super) edited: Vec<PathBuf>,
    /// Hosts files of its namespaces that netns has not made; they stay.
    pub(super) own_hosts: Vec<PathBuf>,
    pub(super) errors: Vec<LabError>,
}
