//! Root privileges: the build runs as the user, and only commands that need root go through sudo.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use nix::unistd::geteuid;

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// Fails unless commands can be run as root. Asks for sudo's password here, so that no later
/// prompt is hidden behind a spinner.
pub(crate) fn ensure(purpose: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    if which::which("sudo").is_err() {
        bail!("{purpose} needs root, and sudo is not installed: run this command as root");
    }
    let status = Command::new("sudo")
        .args(["-v", "-p"])
        .arg(format!("[sudo] password for %u ({purpose}): "))
        .stdin(Stdio::inherit())
        .status()
        .context("cannot start sudo")?;
    if !status.success() {
        bail!("{purpose} needs root, and sudo refused: run this command as root");
    }
    Ok(())
}

/// A command that runs as root with these variables, which sudo would otherwise drop.
pub(crate) fn command<'a>(
    program: impl AsRef<OsStr>,
    variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
) -> Command {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables);
        return command;
    }
    let mut command = Command::new("sudo");
    let mut variables = variables.into_iter().peekable();
    if variables.peek().is_some() {
        command.arg("env");
        for (key, value) in variables {
            let mut assignment = std::ffi::OsString::from(format!("{key}="));
            assignment.push(value);
            command.arg(assignment);
        }
    }
    command.arg(program);
    command
}
