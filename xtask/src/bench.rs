//! `cargo xtask bench`: builds the program and the benchmark for speed, and turns into the latter.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    bpf_toolchain::BpfToolchain,
    build::{Profile, build},
    packages::{TEST_TOOLS, ensure_tools, search_path},
    root,
    workspace::{Workspace, check},
};

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of the benchmark: --quick, --only NAME, --json FILE, --report DIR, --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Turns into the benchmark: signals reach it and its exit code is this command's.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let netns = build(workspace, Profile::Release)?;
    let mut cargo = workspace.cargo("build");
    cargo.args(["--release", "--package", "netns-tests", "--bin", "netns-bench"]);
    BpfToolchain::ensure(workspace)?.apply(&mut cargo)?;
    check(&mut cargo)?;

    // Help and wrong arguments are told without a password.
    let asks_only = args.args.iter().any(|arg| arg == "--help" || arg == "-h" || arg == "--list");
    if !asks_only {
        root::ensure("cargo xtask bench (it makes network namespaces and loads eBPF programs)")?;
        // The benchmark tells itself what it had to leave out.
        if let Err(error) = ensure_tools(TEST_TOOLS) {
            eprintln!("bench: going on without some tools: {error:#}");
        }
    }
    let path = search_path();
    let binary = workspace.target().join("release/netns-bench");
    let variables = [("NETNS_BIN", netns.as_os_str()), ("PATH", path.as_os_str())];
    let error = root::command(&binary, variables).args(&args.args).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}
