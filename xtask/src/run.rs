//! `cargo xtask run`: builds and runs the program, by default its demonstration.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    build::{Profile, build},
    root,
    workspace::Workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build with optimisation, which takes longer; the eBPF programs are always optimised
    #[arg(long)]
    release: bool,
    /// Arguments of `netns`; without any, `netns demo` is run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Replaces this process by the program, so that it gets the signals and its exit code is returned.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Debug };
    let binary = build(workspace, profile)?;
    root::ensure("netns")?;
    let mut command = root::command(&binary, []);
    command.args(arguments(args));
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

fn arguments(args: &Args) -> Vec<OsString> {
    if args.args.is_empty() { vec!["demo".into()] } else { args.args.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_it_runs_the_demonstration() {
        assert_eq!(arguments(&Args { release: false, args: Vec::new() }), ["demo"]);
        let args = vec!["up".into(), "--dry-run".into()];
        assert_eq!(arguments(&Args { release: false, args }), ["up", "--dry-run"]);
    }
}
