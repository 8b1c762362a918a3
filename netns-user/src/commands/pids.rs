//! `netns pids NAME`

use std::process::ExitCode;

use super::{lookup::require_namespace, print};
use crate::{cli::PidsArgs, inhabitants::inhabitants, lab};

/// Prints the numbers of the processes in a namespace.
///
/// # Errors
/// When there is no such namespace, or /proc cannot be read.
pub fn run(args: &PidsArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    require_namespace(&args.name)?;
    let found = inhabitants([args.name.as_str()])?;
    print(json, &found, |found| found.iter().map(|it| format!("{}\n", it.pid)).collect())?;
    Ok(ExitCode::SUCCESS)
}
