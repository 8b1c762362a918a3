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

impl Profile {
    /// The arguments that select it.
    pub(crate) const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &[],
            Self::Release => &["--release"],
        }
    }

    /// Its folder in that of a target.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds `netns` and returns its path.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    ebpf_object::ensure(workspace)?;
    let mut cargo = workspace.cargo("build");
    cargo.args(["--package", "netns-user", "--bin", "netns"]).args(profile.arguments());
    check(&mut cargo)?;
    Ok(workspace.target().join(profile.folder()).join("netns"))
}
