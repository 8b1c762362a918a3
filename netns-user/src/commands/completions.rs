//! `netns completions`: what a shell needs to complete our commands and options.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Generator as _;

use crate::{
    cli::{Cli, CompletionsArgs},
    commands::print_text,
};

/// # Errors
/// When standard output takes it not.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    command.set_bin_name("netns");
    command.build();
    // Not straight to standard output: a reader that has seen enough is no fault.
    let mut script = Vec::new();
    args.shell.try_generate(&command, &mut script)?;
    print_text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
