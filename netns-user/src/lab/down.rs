//! Takes a lab down.

use super::{
    LabError, LabRecord,
    clear::{Cleared, clear},
    preflight,
    turn::Turn,
};

/// What `down` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownOutcome {
    Down {
        /// Names of the lab's that namespaces of others bore; they were left alone.
        strangers: Vec<String>,
    },
    /// No lab of that name was up.
    NotUp,
}

/// Takes the lab down: datapath, links, namespaces, settings, record. What is gone already
/// counts as done, a lab that is not up too.
///
/// # Errors
/// All that could not be taken down, together. The record then stays for another attempt.
pub fn down(lab: &str) -> Result<DownOutcome, LabError> {
    preflight::require_root()?;
    let turn = Turn::wait(|| true)?;
    match LabRecord::find(lab)? {
        Some(mut record) => {
            record.begin_down()?;
            let Cleared { strangers, errors } = clear(&record, &turn);
            LabError::collect(errors)?;
            Ok(DownOutcome::Down { strangers })
        }
        None => Ok(DownOutcome::NotUp),
    }
}
