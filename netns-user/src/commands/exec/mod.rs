//! `netns exec NAME -- CMD`

mod isolate;
mod mounts;
mod terminal;

use std::{
    ffi::OsStr,
    io,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::Context;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::{cli::ExecArgs, lab, net::netns};

/// The exit codes of a shell for a command that cannot be run, and for one that does not exist.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Runs the command inside the namespace: as this process, or isolated as its child.
///
/// # Errors
/// When there is no such namespace or the kernel refuses.
pub fn run(args: &ExecArgs) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let Some((program, arguments)) = args.command.split_first() else {
        anyhow::bail!("no command was given");
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if args.isolate {
        let namespace = netns::open(&args.name)?;
        return isolate::run(&args.name, namespace, command);
    }
    netns::enter(&args.name)?;
    own_mounts()?;
    mounts::sys(&args.name)?;
    mounts::lay_over_etc(&args.name)?;
    Ok(cannot_run(program, &command.exec()))
}

/// Gives this process its own mount namespace.
fn own_mounts() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("cannot create a mount namespace")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .context("cannot make the mounts private")
}

/// Reports why the command does not run, and returns the exit code of a shell.
fn cannot_run(program: &OsStr, error: &io::Error) -> ExitCode {
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    crate::tell!("error: cannot run {}: {error}", program.display());
    ExitCode::from(code)
}
