//! `netns exec NAME -- CMD`

mod failure;
mod isolate;
mod mounts;
mod terminal;

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use crate::{cli::ExecArgs, lab, net::netns};
use failure::cannot_run;

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
    mounts::own_mounts()?;
    mounts::sys(&args.name)?;
    mounts::lay_over_etc(&args.name)?;
    Ok(cannot_run(program, &command.exec()))
}
