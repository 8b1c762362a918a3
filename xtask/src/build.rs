//! `cargo xtask build`: the program with its eBPF object inside.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{
    ebpf_object,
    workspace::{Workspace, check},
};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Build target/debug/netns instead; the eBPF programs are always optimised
    #[arg(long)]
    debug: bool,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    let binary = build(workspace, if args.debug { Profile::Debug } else { Profile::Release })?;
    println!("build: {}", binary.display());
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds `netns` and returns its path.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    ebpf_object::ensure(workspace)?;
    let mut cargo = workspace.cargo("build");
    cargo.args(["--package", "netns-user", "--bin", "netns"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    check(&mut cargo)?;
    Ok(workspace.target().join(folder).join("netns"))
}
