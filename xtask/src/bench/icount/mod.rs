//! `cargo xtask bench --icount`: counts the instructions of a packet in a virtual machine whose
//! clock counts instructions, so that noise does not reach the figures. Its table goes into
//! docs/bench.md.

mod budget;
mod figures;

use std::{
    ffi::OsString,
    fs,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser as _, ValueEnum as _};
use figures::Figures;

use crate::{
    architecture::Architecture,
    build::Profile,
    dist::StaticProgram,
    packages::{ensure_tools, tools_of_tests},
    virtual_machine::{self, Clock, File, Guest, Kernel, Machine},
    workspace::Workspace,
};

const NAME: &str = "cargo xtask bench --icount";

/// The static programs of the guest: its first process with its package, and the program under
/// test with its own.
const BENCH: (&str, &str) = ("netns-bench", "netns-bench");
const NETNS: (&str, &str) = ("netns-user", "netns");

/// Programs of this machine that the benchmark calls in the guest.
const TOOLS: [&str; 2] = ["ip", "nft"];

/// The kernel modules of masquerade by nftables, of its flowtable, and of the request that empties
/// the connection table.
const MODULES: [&str; 6] = [
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "nft_flow_offload",
    "nf_flow_table_inet",
    "nf_conntrack_netlink",
];

/// The kernel's NAT without and with its flowtable, and ours.
const MODES: [&str; 4] = ["nftables", "nftables-flowtable", "ours", "ours-peer"];

/// The control sequence that clears the rest of a line.
const CLEARED: &str = "\x1b[K";

/// The beginning of the line about a fault that the guest's kernel has met.
const FAULT: &str = "the kernel reports a fault of its own";

/// The time limit of a kernel. It needs about five minutes of one CPU, and a busy host has less to
/// give.
const PATIENCE: Duration = Duration::from_secs(2400);

/// Count the instructions of a packet in a virtual machine, where noise does not reach them
#[derive(Debug, clap::Parser)]
#[command(
    name = NAME,
    bin_name = NAME,
    after_help = "\
The kernels are Debian's. Their packages, and those of qemu if that is not installed, are downloaded
with apt-get and unpacked in target/virtual-machines. Nothing is installed but ip, nft and xz, if they
are missing; only that needs root. docs/bench.md says what the figures mean.

Exit codes: 0 when nothing of ours is over its budget, else 1."
)]
struct Args {
    /// Use only this kernel of Debian's
    #[arg(long, value_name = "NAME")]
    kernel: Option<Kernel>,
    /// How often each workload runs in each mode
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How long a workload runs in one mode in one round, in millions of instructions
    #[arg(long, value_name = "N", default_value_t = 150)]
    #[arg(value_parser = clap::value_parser!(u16).range(10..))]
    window: u16,
    /// Write the table to docs/bench.md
    #[arg(long, conflicts_with = "kernel")]
    docs: bool,
}

/// Counts on each kernel, and compares with the budget. `args` are those behind `--icount`.
pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    let program = OsString::from(NAME);
    let args = match Args::try_parse_from([&program].into_iter().chain(args)) {
        Ok(args) => args,
        Err(answer) => answer.exit(),
    };
    ensure_tools(&tools_of_tests(&TOOLS))?;
    let machine = Machine::ensure(workspace, Architecture::X86_64)?;
    let [bench, netns] = [BENCH, NETNS].map(|(package, name)| {
        StaticProgram { workspace, profile: Profile::Release, package, name }.build_quickly()
    });
    let (bench, netns) = (bench?, netns?);
    let netns = fs::read(&netns).with_context(|| format!("cannot read {}", netns.display()))?;
    let mut files = virtual_machine::with_libraries(&TOOLS)?;
    files.push(File::program("/bin/netns", netns));
    let mut all = Vec::new();
    for kernel in args.kernel.as_ref().map_or(Kernel::value_variants(), std::slice::from_ref) {
        let mut command = machine.command(&Guest {
            kernel: *kernel,
            init: &bench,
            arguments: &arguments(&args),
            environment: "NETNS_BIN=/bin/netns PATH=/bin",
            files: files.clone(),
            modules: &MODULES,
            clock: Clock::Instructions,
        })?;
        let figures = count(&mut command)
            .with_context(|| format!("nothing was counted on Linux {}", kernel.numbers()))?;
        println!("{}", figures.table());
        all.push(figures);
    }
    if args.docs {
        figures::write(workspace, &all)?;
    }
    let over: Vec<String> = all.iter().flat_map(budget::exceeded).collect();
    if !over.is_empty() {
        bail!("{}", over.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments of the benchmark in the guest.
fn arguments(args: &Args) -> String {
    let only = figures::WORKLOADS.iter().map(|workload| format!("--only {}", workload.name));
    let modes = MODES.iter().map(|mode| format!("--mode {mode}"));
    let words: Vec<String> = only.chain(modes).collect();
    let (rounds, window) = (args.rounds, args.window);
    format!("--rounds {rounds} --window {window} --json /dev/console {}", words.join(" "))
}

/// Runs a guest and reads the record that it prints. Other lines are passed on.
fn count(command: &mut Command) -> Result<Figures> {
    let mut record = String::new();
    let (mut is_record, mut is_well) = (false, true);
    let time = virtual_machine::watch(command, PATIENCE, |line| {
        // The console is a terminal, so the benchmark shows its progress in a line that it clears.
        let line = line.rsplit_once(CLEARED).map_or(line, |(_, rest)| rest);
        is_record |= line == "{";
        if is_record {
            record.push_str(line);
            record.push('\n');
            is_record = line != "}";
        } else if !line.is_empty() {
            is_well &= !line.starts_with(FAULT);
            eprintln!("{line}");
        }
    })?;
    eprintln!("bench: the virtual machine took {:.0} s", time.as_secs_f32());
    ensure!(is_well, "the kernel has met a fault: the lines above are its log");
    Figures::read(&record)
}
