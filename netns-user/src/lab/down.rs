//! Takes a lab down.

use super::{LabError, LabRecord, clear::clear, preflight, record};

/// Takes the lab down: datapath, links, namespaces, settings, record. What is gone already
/// counts as done, a lab that is not up too.
///
/// # Errors
/// All that could not be taken down, together. The record then stays for another attempt.
pub fn down(lab: &str) -> Result<(), LabError> {
    preflight::require_root()?;
    let _lock = record::lock()?;
    match LabRecord::find(lab)? {
        Some(record) => LabError::collect(clear(&record)),
        None => Ok(()),
    }
}
