//! `netns completions`: the completion script for a shell, and the answers to it.
//!
//! The script asks the program itself at each Tab key, since only it knows the namespaces, labs and
//! rules that exist: with the variable [`VARIABLE`] in its environment, the program completes a
//! line and ends.

mod bash;
mod candidates;

use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_complete::{
    CompleteEnv,
    env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh},
};

use crate::{
    cli::{Cli, CompletionsArgs, Shell},
    commands::print_text,
};

/// The variable by which a script asks the program.
const VARIABLE: &str = "NETNS_COMPLETE";

/// The program, as the script calls it.
const PROGRAM: &str = "netns";

const SHELLS: Shells<'static> = Shells(&[&bash::Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Prints the script.
///
/// # Errors
/// When it cannot be written to standard output.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &bash::Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    // Not written directly to standard output, since a closed pipe must not be an error.
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    print_text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Completes a line and ends the process, if a script asks for that.
pub fn complete() {
    CompleteEnv::with_factory(command).var(VARIABLE).bin(PROGRAM).shells(SHELLS).complete();
}

/// The command line, with the values that exist.
fn command() -> Command {
    candidates::add(Cli::command(), "")
}
