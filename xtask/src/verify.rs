//! `cargo xtask verify`: loads the eBPF programs into this kernel and into others in virtual
//! machines, plays labs in each, and shows the cost of verification.

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use crate::{
    architecture::Architecture,
    build::Profile,
    dist::StaticProgram,
    ebpf_object, root,
    virtual_machine::{self, Clock, File, Guest, Kernel, Machine},
    workspace::{self, EVERY_HOST_CRATE, Workspace, check},
};

mod docs;
mod report;

use report::Report;

/// The program that loads the programs and plays, and its package.
const PACKAGE: &str = "netns-bench";
const PROGRAM: &str = "netns-verify";

/// The program under test, and its package.
const NETNS_PACKAGE: &str = "netns-user";
const NETNS: &str = "netns";

/// A test of the package `netns-tests`: any would do, and this is a small one.
const SOME_TEST: &str = "cli_help";

/// The time limit of a virtual machine. It needs about four minutes of one CPU, and a busy host has
/// less to give.
const PATIENCE: Duration = Duration::from_secs(1200);

#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(after_help = "\
The other kernels are Debian's. Their packages, and those of qemu if that is not installed, are
downloaded with apt-get and unpacked in target/virtual-machines, where apt-get also keeps its lists.
Nothing but xz is installed, if it is missing, and no setting of the machine changes. The virtual
machines run one after the other. They have no disk and no network, and need no privileges.")]
pub(crate) struct Args {
    /// Use only the running kernel
    #[arg(long, conflicts_with = "kernel")]
    here: bool,
    /// Use only this kernel of Debian's
    #[arg(long, value_name = "NAME")]
    kernel: Option<Kernel>,
    /// Use another architecture: only Linux 6.12, unless --kernel names another one
    #[arg(long, value_name = "ARCH", conflicts_with = "here")]
    arch: Option<Architecture>,
    /// Write the results to docs/kernels.md, if all is well
    #[arg(long, conflicts_with_all = ["here", "kernel", "arch"])]
    docs: bool,
}

impl Args {
    fn kernels(&self) -> &[Kernel] {
        match &self.kernel {
            Some(kernel) => std::slice::from_ref(kernel),
            None if self.here => &[],
            None if self.is_foreign() => &[Kernel::V6_12],
            None => Kernel::value_variants(),
        }
    }

    /// Whether the guests have another architecture than this machine.
    fn is_foreign(&self) -> bool {
        self.arch.is_some() && self.arch != Architecture::here()
    }
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    root::ensure("cargo xtask verify (it loads eBPF programs and builds labs)")?;
    ebpf_object::ensure(workspace)?;
    let mut reports = Vec::new();
    if args.kernel.is_none() && !args.is_foreign() {
        reports.push(run_here(workspace)?);
    }
    if !args.kernels().is_empty() {
        let architecture = args.arch.unwrap_or(Architecture::X86_64);
        let machine = Machine::ensure(workspace, architecture)?;
        let [init, netns] = [(PACKAGE, PROGRAM), (NETNS_PACKAGE, NETNS)].map(|(package, name)| {
            let program = StaticProgram { workspace, profile: Profile::Release, package, name };
            match args.is_foreign() {
                true => program.build_foreign(architecture),
                false => program.build_quickly(),
            }
        });
        let programs = Programs { init: init?, netns: netns? };
        for kernel in args.kernels() {
            println!();
            reports.push(run_in_machine(&machine, *kernel, &programs)?);
        }
    }
    let bad: Vec<_> = reports.iter().filter(|report| !report.is_well).map(Report::name).collect();
    if !bad.is_empty() {
        bail!(
            "a program is refused or over its budget, or a play fails, on Linux {}: the lines above \
             say which",
            bad.join(", ")
        );
    }
    if args.docs {
        docs::write(workspace, &reports)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifies and plays on the running kernel.
fn run_here(workspace: &Workspace) -> Result<Report> {
    let mut build = workspace.cargo("build");
    // With a test as a target, cargo selects the same features as for the other tests.
    check(build.args(EVERY_HOST_CRATE).args(["--bins", "--test", SOME_TEST]))?;
    let folder = workspace.target().join("debug");
    let netns = folder.join(NETNS);
    let variables: [(&str, &OsStr); 1] = [("NETNS_BIN", netns.as_os_str())];
    let (report, _) = read(&mut root::command(folder.join(PROGRAM), variables))?;
    Ok(report)
}

/// The static programs of a virtual machine.
struct Programs {
    init: PathBuf,
    netns: PathBuf,
}

/// Verifies and plays on another kernel in a virtual machine.
fn run_in_machine(machine: &Machine, kernel: Kernel, programs: &Programs) -> Result<Report> {
    let netns = fs::read(&programs.netns)
        .with_context(|| format!("cannot read {}", programs.netns.display()))?;
    let mut command = machine.command(&Guest {
        kernel,
        init: &programs.init,
        arguments: "",
        environment: "NETNS_BIN=/bin/netns",
        files: vec![File::program("/bin/netns", netns)],
        modules: &[],
        clock: Clock::Real,
    })?;
    let (report, time) = read(&mut command)?;
    println!("verify: the virtual machine took {:.0} s", time.as_secs_f32());
    Ok(report)
}

/// Runs the program, here or in a virtual machine, and prints and reads its output. Returns also
/// how long it took.
fn read(command: &mut Command) -> Result<(Report, Duration)> {
    let mut report = Report::default();
    let time = virtual_machine::watch(command, PATIENCE, |line| {
        println!("{line}");
        report.read(line);
    })?;
    if report.release.is_empty() {
        bail!("{} has ended without a result", workspace::name(command));
    }
    Ok((report, time))
}
