//! `netns schema`

use std::process::ExitCode;

use super::print_json;
use crate::topology;

/// Prints the JSON Schema of topology files.
///
/// # Errors
/// When it cannot be written to standard output.
pub fn run() -> anyhow::Result<ExitCode> {
    print_json(&topology::schema())?;
    Ok(ExitCode::SUCCESS)
}
