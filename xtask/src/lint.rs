//! `cargo xtask lint`: what `tidy` checks, format and clippy, with warnings denied, for the host
//! and for BPF.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    bpf_toolchain::BpfToolchain,
    tidy,
    workspace::{EBPF_PACKAGE, EVERY_HOST_CRATE, Workspace, check},
};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, Args {}: Args) -> Result<ExitCode> {
    tidy::check(workspace)?;
    check(workspace.cargo("fmt").args(["--all", "--check"]))?;

    let mut host = workspace.cargo("clippy");
    check(host.args(EVERY_HOST_CRATE).args(["--all-targets", "--", "-D", "warnings"]))?;

    // For its own target and by its own compiler: another one has no `core` for BPF, and on the
    // host's target half of the crate's paths would not be compiled. Its own folder, since this
    // compiler's artifacts would push the host's out.
    let mut bpf = BpfToolchain::ensure(workspace)?.clippy(workspace)?;
    bpf.args(["--package", EBPF_PACKAGE]);
    bpf.arg("--target-dir").arg(workspace.target().join("bpf-lint"));
    check(bpf.args(["--", "-D", "warnings"]))?;
    println!("lint: no findings");
    Ok(ExitCode::SUCCESS)
}
