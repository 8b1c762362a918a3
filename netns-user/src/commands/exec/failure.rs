//! The message and the exit code when a command cannot be run.

use std::{ffi::OsStr, io, process::ExitCode};

/// The exit codes of a shell for a command that cannot be run, and for one that does not exist.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Reports why the command does not run, and returns the exit code of a shell.
pub(super) fn cannot_run(program: &OsStr, error: &io::Error) -> ExitCode {
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    crate::tell!("error: cannot run {}: {error}", program.display());
    ExitCode::from(code)
}
