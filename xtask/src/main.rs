//! The project's commands: `cargo xtask VERB`. Each verb has its own file; shared code is in
//! `workspace`, `bpf_toolchain`, `packages`, `root` and `step`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod architecture;
mod bench;
mod bpf_toolchain;
mod build;
mod dist;
mod docs;
mod ebpf_object;
mod fuzz;
mod lint;
mod modules;
mod packages;
mod root;
mod run;
mod setup;
mod step;
mod test;
mod tidy;
mod toolchain;
mod verify;
mod virtual_machine;
mod weight;
mod workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install the toolchain of the eBPF programs
    Setup(setup::Args),
    /// Build target/release/netns
    Build(build::Args),
    /// Build the eBPF object in the repository from its sources
    Object(ebpf_object::Args),
    /// Build, then run `netns demo` or `netns ARGS`
    Run(run::Args),
    /// Run the unit tests and the tests that need a kernel
    Test(test::Args),
    /// Measure the speed of this NAT, of netfilter and of a plain cable
    Bench(bench::Args),
    /// Load the eBPF programs into this kernel and others, play labs there, and show the cost
    Verify(verify::Args),
    /// Search for packets that break an invariant, or on which kernel and model differ
    Fuzz(fuzz::Args),
    /// Build a static program, a Debian package and a tar archive
    Dist(dist::Args),
    /// Write the pages of docs/ that are made of the code
    Docs(docs::Args),
    /// Compare the size, crates and instructions of the program with their budgets
    Weight(weight::Args),
    /// Check what `tidy` does, format and lints, with warnings denied, BPF target included
    Lint(lint::Args),
    /// Check names in documents, links, circles of imports, length of lines and files
    Tidy(tidy::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    dispatch(cli.verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        let interrupted = error.downcast_ref::<test::Interrupted>();
        interrupted.map_or(ExitCode::FAILURE, |it| ExitCode::from(it.exit_code()))
    })
}

fn dispatch(verb: Verb) -> Result<ExitCode> {
    let workspace = workspace::Workspace::find()?;
    match verb {
        Verb::Setup(args) => setup::run(&workspace, args),
        Verb::Build(args) => build::run(&workspace, args),
        Verb::Object(args) => ebpf_object::run(&workspace, args),
        Verb::Run(args) => run::run(&workspace, &args),
        Verb::Test(args) => test::run(&workspace, &args),
        Verb::Bench(args) => bench::run(&workspace, &args),
        Verb::Verify(args) => verify::run(&workspace, args),
        Verb::Fuzz(args) => fuzz::run(&workspace, &args),
        Verb::Dist(args) => dist::run(&workspace, &args),
        Verb::Docs(args) => docs::run(&workspace, args),
        Verb::Weight(args) => weight::run(&workspace, args),
        Verb::Lint(args) => lint::run(&workspace, args),
        Verb::Tidy(args) => tidy::run(&workspace, args),
    }
}
