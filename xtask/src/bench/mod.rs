//! `cargo xtask bench`: builds the program and the benchmark with optimisation, and runs the
//! benchmark.

mod icount;

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{Profile, build},
    packages::{Tool, bench_tools, ensure_tools, search_path},
    root,
    workspace::{Workspace, check},
};

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Count instructions in a virtual machine: --icount --help shows its arguments
    #[arg(long)]
    icount: bool,
    /// Arguments of the benchmark: --quick, --only NAME, --mode NAME, --rounds N, --window MS,
    /// --json FILE, --report DIR, --readme [DIR], --list, --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Replaces this process by the benchmark, so that it gets the signals and its exit code is
/// returned.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.icount {
        return icount::run(workspace, &args.args);
    }
    let netns = build(workspace, Profile::Release)?;
    let mut cargo = workspace.cargo("build");
    cargo.args(["--release", "--package", "netns-bench", "--bin", "netns-bench"]);
    check(&mut cargo)?;

    let binary = workspace.target().join("release/netns-bench");
    // Help and errors in the arguments are printed without asking for a password, and before
    // anything is installed.
    let asks_only = args.args.iter().any(|arg| arg == "--help" || arg == "-h" || arg == "--list");
    if asks_only || !check_arguments(&binary, &args.args)? {
        let error = Command::new(&binary).args(&args.args).exec();
        return Err(error).with_context(|| format!("cannot start {}", binary.display()));
    }
    root::ensure("cargo xtask bench (it makes network namespaces and loads eBPF programs)")?;
    install(&bench_tools());
    let path = search_path();
    let variables = [("NETNS_BIN", netns.as_os_str()), ("PATH", path.as_os_str())];
    let error = root::command(&binary, variables).args(&args.args).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

/// Whether the benchmark accepts its arguments.
fn check_arguments(binary: &Path, args: &[OsString]) -> Result<bool> {
    let mut command = Command::new(binary);
    let output = command.args(args).arg("--list").output();
    Ok(output.with_context(|| format!("cannot start {}", binary.display()))?.status.success())
}

/// Installs missing tools: all at once or, if that fails, one by one. The benchmark reports the
/// measurements that it skips because of a missing tool.
fn install(tools: &[Tool]) {
    if ensure_tools(tools).is_ok() {
        return;
    }
    for tool in tools {
        if let Err(error) = ensure_tools(std::slice::from_ref(tool)) {
            eprintln!("bench: continuing without {}: {error:#}", tool.program());
        }
    }
}
