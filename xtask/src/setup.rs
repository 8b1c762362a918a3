//! `cargo xtask setup`: what the other verbs need and do by themselves, for its own sake.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    bpf_toolchain::BpfToolchain,
    packages::{TEST_TOOLS, ensure_tools},
    workspace::Workspace,
};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Also install the programs that the tests call
    #[arg(long)]
    tests: bool,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    let toolchain = BpfToolchain::ensure(workspace)?;
    if args.tests {
        ensure_tools(TEST_TOOLS)?;
    }
    println!("setup: the eBPF programs are built by {toolchain}");
    Ok(ExitCode::SUCCESS)
}
