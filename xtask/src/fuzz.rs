//! `cargo xtask fuzz`: searches for inputs that break an invariant, guided by coverage, then sends
//! many packets through the kernel and the model, and many frames through a lab that is changed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    packages::{FUZZ_TOOLS, ensure_tools},
    test,
    toolchain::host,
    workspace::{Workspace, check},
};

/// The crate of the fuzz target, which is not a member of the workspace.
const FOLDER: &str = "netns-common/fuzz";

/// The target in it.
const TARGET: &str = "lab";

/// The longest input, in bytes: some fifty steps.
const LONGEST: usize = 512;

/// The compiler flags for libFuzzer's coverage of edges and comparisons. LLVM provides it without
/// the sanitizers, which need a nightly compiler.
const INSTRUMENTATION: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "--cfg=fuzzing",
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
An input that breaks an invariant is written to netns-common/fuzz/crashes. `cargo xtask test`
replays the inputs there and in netns-common/fuzz/corpus. To run one input:
    cargo xtask fuzz netns-common/fuzz/crashes/FILE

A packet on which the kernel and the model differ is printed with the seed that repeats it:
    NETNS_SEED=0x1f cargo xtask test -- agree_on_random_packets

A frame that leaves a lab with an inside source address, or enters it with one from outside, is
printed with the last change of the lab. It depends on timing, so a seed alone does not repeat it:
    NETNS_PACKETS=10000000 cargo xtask test -- whatever_is_sent")]
pub(crate) struct Args {
    /// Time to search for new inputs, in seconds; 0 skips the search
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    time: u64,
    /// Number of packets that are then sent through the kernel and the model, and of hostile frames
    /// that are sent through a lab; 0 skips both
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    packets: u64,
    /// Add the inputs that reach new code to netns-common/fuzz/corpus
    #[arg(long)]
    keep: bool,
    /// Run only these inputs
    #[arg(value_name = "FILE")]
    inputs: Vec<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if let Some(missing) = args.inputs.iter().find(|file| !file.is_file()) {
        bail!("there is no file {}", missing.display());
    }
    if args.time > 0 || !args.inputs.is_empty() {
        let target = build(workspace)?;
        if !args.inputs.is_empty() {
            check(Command::new(&target).args(&args.inputs))?;
            return Ok(ExitCode::SUCCESS);
        }
        explore(workspace, &target, args)?;
    }
    if args.packets == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "fuzz: {} packets through the kernel and the model, then as many through a lab",
        args.packets
    );
    test::run_arbitrary(workspace, args.packets)
}

/// Builds the fuzz target and returns its path.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    ensure_tools(FUZZ_TOOLS)?;
    let host = host()?;
    let folder = workspace.target().join("fuzz");
    let mut cargo = workspace.cargo("build");
    // With --target the flags do not apply to build scripts, which are linked without libFuzzer.
    cargo
        .args(["--release", "--manifest-path"])
        .arg(workspace.root().join(FOLDER).join("Cargo.toml"))
        .args(["--target", &host, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\x1f"));
    check(&mut cargo)?;
    Ok(folder.join(host).join("release").join(TARGET))
}

/// Searches for new inputs, beginning with the known ones.
fn explore(workspace: &Workspace, target: &Path, args: &Args) -> Result<()> {
    let kept = workspace.root().join(FOLDER).join("corpus");
    let crashes = workspace.root().join(FOLDER).join("crashes");
    let found = workspace.target().join("fuzz/corpus");
    for folder in [&kept, &crashes, &found] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    println!("fuzz: searching for {} s for inputs that break an invariant", args.time);
    let mut prefix = crashes.clone().into_os_string();
    prefix.push("/");
    let mut artifacts = std::ffi::OsString::from("-artifact_prefix=");
    artifacts.push(&prefix);
    let mut search = Command::new(target);
    search
        .args([&found, &kept])
        .arg(format!("-max_total_time={}", args.time))
        .arg(format!("-max_len={LONGEST}"))
        .arg(artifacts)
        .args(["-timeout=10", "-print_final_stats=1"])
        .current_dir(workspace.target().join("fuzz"));
    if env::var_os("RUST_BACKTRACE").is_none() {
        search.env("RUST_BACKTRACE", "1");
    }
    let result = check(&mut search);
    result.with_context(|| {
        format!("an input breaks an invariant (see above); it is in {}", crashes.display())
    })?;
    if args.keep { keep(target, &kept, &found) } else { Ok(()) }
}

/// Adds the inputs that reach new code to the kept ones.
fn keep(target: &Path, kept: &Path, found: &Path) -> Result<()> {
    check(
        Command::new(target)
            // Only edges count: with the counts of each edge, ten times as many would be kept.
            .args(["-merge=1", "-use_counters=0", "-use_value_profile=0"])
            .arg(format!("-max_len={LONGEST}"))
            .args([kept, found]),
    )
}
