//! `netns completions`: the completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Generator as _;

use crate::{
    cli::{Cli, CompletionsArgs},
    commands::print_text,
};

/// Prints the script.
///
/// # Errors
/// When it cannot be written to standard output.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    command.set_bin_name("netns");
    command.build();
    // Not written directly to standard output, since a closed pipe must not be an error.
    let mut script = Vec::new();
    args.shell.try_generate(&command, &mut script)?;
    print_text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
