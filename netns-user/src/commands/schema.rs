//! `netns schema`

use std::process::ExitCode;

use super::print_json;
use crate::topology;

/// Prints the JSON Schema of topology files.
///
/// # Errors
/// When standard output takes it not.
pub fn run() -> anyhow::Result<ExitCode> {
    print_json(&topology::schema())?;
    Ok(ExitCode::SUCCESS)
}
