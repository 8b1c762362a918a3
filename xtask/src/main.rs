//! The project's commands: `cargo xtask VERB`. One file a verb; what several verbs need is in
//! `workspace`, `bpf_toolchain`, `packages`, `root` and `step`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bpf_toolchain;
mod build;
mod dist;
mod lint;
mod packages;
mod root;
mod run;
mod setup;
mod step;
mod test;
mod workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install what is missing to build the eBPF programs
    Setup(setup::Args),
    /// Build target/release/netns
    Build(build::Args),
    /// Build, then run the demonstration, or `netns ARGS`
    Run(run::Args),
    /// Run every test: unit, program and namespace tests
    Test(test::Args),
    /// Make a static program, a Debian package and a tar archive
    Dist(dist::Args),
    /// Check format and lints, with warnings denied, BPF target included
    Lint(lint::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    dispatch(cli.verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn dispatch(verb: Verb) -> Result<ExitCode> {
    let workspace = workspace::Workspace::find()?;
    match verb {
        Verb::Setup(args) => setup::run(&workspace, args),
        Verb::Build(args) => build::run(&workspace, args),
        Verb::Run(args) => run::run(&workspace, &args),
        Verb::Test(args) => test::run(&workspace, &args),
        Verb::Dist(args) => dist::run(&workspace, &args),
        Verb::Lint(args) => lint::run(&workspace, args),
    }
}
