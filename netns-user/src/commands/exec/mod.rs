//! `netns exec NAME -- CMD`

mod failure;
mod isolate;
mod mounts;
mod terminal;

use std::{
    ffi::OsString,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode},
};

use anyhow::Context as _;

use super::lookup::require_namespace;
use crate::{
    cli::{ExecArgs, WRONG_USAGE},
    lab,
    net::netns,
    output::style::{BAD, HEADING, paint},
    shell,
};
use failure::cannot_run;

/// Runs the command inside the namespace: as this process, or isolated as its child.
///
/// # Errors
/// When there is no such namespace or the kernel refuses.
pub fn run(args: &ExecArgs) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    if args.all {
        // There is no name, so the first word of the command is in its place.
        let words: Vec<&OsString> = args.name.iter().chain(&args.command).collect();
        return if words.is_empty() { missing_command("--all") } else { all(&words) };
    }
    let Some(name) = &args.name else { return missing_command("NAME") };
    let name = name.to_str().with_context(|| {
        format!("no namespace has the name \"{}\", which is not UTF-8", name.display())
    })?;
    let Some((program, arguments)) = args.command.split_first() else {
        return missing_command(&shell::word(name));
    };
    require_namespace(name)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if args.isolate {
        let namespace = netns::open(name)?;
        return isolate::run(name, namespace, command);
    }
    netns::enter(name)?;
    mounts::own_mounts()?;
    mounts::sys(name)?;
    mounts::lay_over_etc(name)?;
    Ok(cannot_run(program, &command.exec()))
}

/// Says how to give the command that is missing.
fn missing_command(place: &str) -> anyhow::Result<ExitCode> {
    crate::tell!(
        "{} the command is missing: type `netns exec {place} -- bash` for a shell",
        paint(BAD, "error:")
    );
    Ok(ExitCode::from(WRONG_USAGE))
}

/// Runs the command in each named namespace, in the order of their names. Returns the first exit
/// code that is not 0. A namespace that was deleted in the meantime is left out.
fn all(words: &[&OsString]) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut code = 0;
    for name in netns::list()? {
        if netns::identity_if_present(&name)?.is_none() {
            continue;
        }
        crate::tell!("{}", paint(HEADING, format!("namespace {name}:")));
        let mut command = Command::new(&own);
        command.args(["exec", &name, "--"]).args(words);
        let status = command.status().with_context(|| format!("cannot run {}", own.display()))?;
        // As a shell reports it.
        let ended = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
        code = if code == 0 { u8::try_from(ended).unwrap_or(1) } else { code };
    }
    Ok(ExitCode::from(code))
}
