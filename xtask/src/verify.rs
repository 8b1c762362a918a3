//! `cargo xtask verify`: loads the eBPF programs into this kernel and into others in virtual
//! machines, plays labs in each, and shows the cost of verification.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use crate::{
    build::Profile,
    dist, ebpf_object, root,
    workspace::{EVERY_HOST_CRATE, Workspace, check},
};

mod archive;
mod docs;
mod initramfs;
mod kernel_modules;
mod kernels;
mod machine;
mod report;

use initramfs::Content;
use kernels::Kernel;
use machine::Machine;
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
downloaded with apt-get and unpacked in target/verify, where apt-get also keeps its lists; nothing
is installed, and no setting of the machine changes. The virtual machines run one after the other.
They have no disk and no network, and need no privileges.")]
pub(crate) struct Args {
    /// Use only the running kernel
    #[arg(long, conflicts_with = "kernel")]
    here: bool,
    /// Use only this kernel of Debian's
    #[arg(long, value_name = "NAME")]
    kernel: Option<Kernel>,
    /// Write the results to docs/kernels.md, if all is well
    #[arg(long, conflicts_with_all = ["here", "kernel"])]
    docs: bool,
}

impl Args {
    fn kernels(&self) -> &[Kernel] {
        match &self.kernel {
            Some(kernel) => std::slice::from_ref(kernel),
            None if self.here => &[],
            None => Kernel::value_variants(),
        }
    }
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    root::ensure("cargo xtask verify (it loads eBPF programs and builds labs)")?;
    ebpf_object::ensure(workspace)?;
    let mut reports = Vec::new();
    if args.kernel.is_none() {
        reports.push(run_here(workspace)?);
    }
    if !args.kernels().is_empty() {
        let machine = Machine::ensure(workspace)?;
        let [init, netns] =
            [(PACKAGE, PROGRAM), (NETNS_PACKAGE, NETNS)].map(|(package, program)| {
                dist::build_static(workspace, Profile::Debug, package, program)
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
    let (report, _) = watch(&mut root::command(folder.join(PROGRAM), variables))?;
    Ok(report)
}

/// The static programs of a virtual machine.
struct Programs {
    init: PathBuf,
    netns: PathBuf,
}

/// Verifies and plays on another kernel in a virtual machine.
fn run_in_machine(machine: &Machine, kernel: Kernel, programs: &Programs) -> Result<Report> {
    let files = kernels::ensure(machine.folder(), kernel)?;
    let read =
        |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let content = Content {
        init: read(&programs.init)?,
        netns: read(&programs.netns)?,
        modules: kernel_modules::for_labs(&files.modules)?,
    };
    let image = machine.folder().join("initramfs");
    initramfs::write(&image, &content)?;
    let (report, time) = watch(&mut machine.command(&files.image, &image))?;
    println!("verify: the virtual machine took {:.0} s", time.as_secs_f32());
    Ok(report)
}

/// Runs the program, here or in a virtual machine, and prints and reads its output. Returns also
/// how long it took.
fn watch(command: &mut Command) -> Result<(Report, Duration)> {
    let begin = Instant::now();
    let name = crate::workspace::name(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let mut report = Report::default();
    let timed_out = !read_all(&mut child, begin, &mut report)?;
    if timed_out {
        // Fails if it has just ended by itself.
        let _ = child.kill();
    }
    child.wait()?;
    if timed_out {
        bail!("{name} has not ended within {} s", PATIENCE.as_secs());
    }
    if report.release.is_empty() {
        bail!("{name} has ended without a result");
    }
    Ok((report, begin.elapsed()))
}

/// Reads the output until its end; returns false when the time is over before.
fn read_all(child: &mut Child, begin: Instant, report: &mut Report) -> Result<bool> {
    let output = child.stdout.take().context("the program has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(begin.elapsed())) {
            Ok(line) => {
                let line = line.trim_end();
                println!("{line}");
                report.read(line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(true),
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(false),
        }
    }
}
