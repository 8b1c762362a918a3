//! `cargo xtask test`: runs all tests as root, and prints one line with their number.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{self, Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::Profile,
    dist, ebpf_object, modules,
    packages::{TEST_TOOLS, ensure_tools, search_path},
    root, verify,
    workspace::Workspace,
};

mod binaries;
mod counts;
mod interrupt;
mod pool;

use binaries::TestBinary;
pub(crate) use interrupt::Interrupted;
use pool::{Job, Pool};

/// The tests of the packages, which are built only if one of these tests is selected.
const PACKAGE_TESTS: &str = "tests/tests/dist.rs";

/// The tests of the loaded programs.
const PROGRAM_TESTS: &str = "tests/tests/programs/main.rs";

/// The tests with random packets: the file of each, and a part of its name that no other test has.
const ARBITRARY: [(&str, &str); 2] = [
    (PROGRAM_TESTS, "agree_on_random_packets"),
    ("tests/tests/hostile_traffic/main.rs", "whatever_is_sent"),
];

/// The variable with the number of packets that each of these tests sends.
const PACKETS: &str = "NETNS_PACKETS";

/// Variables that make tests do more than by default, with the values of `--all`.
const MORE: [(&str, &str); 3] =
    [(PACKETS, "10000000"), ("NETNS_KILLS", "25"), ("NETNS_ROUNDS", "50")];

/// Parts of the names of the longest tests. They begin first: begun last, each would keep one CPU
/// busy while the others are idle.
const LONGEST: [&str; 5] = [
    "random_packets",
    "whatever_is_sent",
    "crash_recovery",
    "leaks_during_changes",
    "repeated_up_and_down",
];

/// The time limit of a test. No test should need a tenth of it.
const LIMIT: Duration = Duration::from_secs(600);

/// The same with `--all`.
const LIMIT_OF_ALL: Duration = Duration::from_secs(7200);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each test that needs a kernel has a process of its own, and twice as many run at a time as there are
CPUs: RUST_TEST_THREADS=1 runs one after another. What follows `--` is for the test executables.
Ctrl-C kills the tests that run, and names them.")]
pub(crate) struct Args {
    /// Also run the long tests: ten million packets, more kills, other kernels
    #[arg(long)]
    all: bool,
    /// Arguments of the test executables: a part of the tests' names, --nocapture, …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    root::ensure("cargo xtask test (it makes network namespaces and loads eBPF programs)")?;
    ebpf_object::ensure(workspace)?;
    ensure_tools(TEST_TOOLS)?;
    modules::ensure()?;
    let binaries = TestBinary::build_all(workspace)?;
    let asked = if args.all { &MORE[..] } else { &[] };
    let environment = Environment::new(workspace, asked);

    let jobs = jobs(workspace, &environment, &binaries, &args.args)?;
    if jobs.is_empty() {
        bail!("no test ran: no test has the arguments after `--` in its name");
    }
    if jobs.iter().any(|job| job.name.starts_with(PACKAGE_TESTS)) {
        println!("dist: building the packages that the tests install");
        dist::package(workspace, Profile::Debug, &packages_for_tests(workspace), None)?;
    }
    let limit = if args.all { LIMIT_OF_ALL } else { LIMIT };
    let (total, failed) = Pool { slots: slots()?, limit }.run(jobs)?;
    if !failed.is_empty() {
        println!("\nfailed:");
        failed.iter().for_each(|name| println!("    {name}"));
    }
    let all_accepted =
        !args.all || verify::run(workspace, verify::Args::default())? == ExitCode::SUCCESS;
    println!("{total}");
    Ok(if total.failed == 0 && all_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs only the tests with arbitrary packets, each with so many of them.
pub(crate) fn run_arbitrary(workspace: &Workspace, packets: u64) -> Result<ExitCode> {
    root::ensure("sending packets through the kernel (it loads eBPF programs)")?;
    ebpf_object::ensure(workspace)?;
    ensure_tools(TEST_TOOLS)?;
    let binaries = TestBinary::build_all(workspace)?;
    let packets = packets.to_string();
    let environment = Environment::new(workspace, &[(PACKETS, &packets)]);
    let mut all = Vec::new();
    for (file, test) in ARBITRARY {
        let binary = binaries.iter().find(|binary| binary.name == file);
        let binary = binary.with_context(|| format!("there is no {file}"))?;
        let args = [test, "--nocapture"].map(OsString::from);
        all.extend(jobs(workspace, &environment, std::slice::from_ref(binary), &args)?);
    }
    let wanted = all.len() == ARBITRARY.len();
    // One after another: each keeps every CPU busy.
    let (total, _) = Pool { slots: 1, limit: Duration::MAX }.run(all)?;
    let all_passed = wanted && total.failed == 0 && total.passed as usize == ARBITRARY.len();
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs only the tests of packages, with those in a folder.
pub(crate) fn run_package_tests(workspace: &Workspace, packages: &Path) -> Result<ExitCode> {
    root::ensure("checking the packages (it installs them in empty roots and runs labs there)")?;
    ensure_tools(TEST_TOOLS)?;
    let binaries = TestBinary::build_all(workspace)?;
    let binary = binaries.iter().find(|binary| binary.name == PACKAGE_TESTS);
    let binary = binary.with_context(|| format!("there is no {PACKAGE_TESTS}"))?;
    let mut environment = Environment::new(workspace, &[]);
    environment.set("NETNS_DIST", path::absolute(packages)?.into());
    let jobs = jobs(workspace, &environment, std::slice::from_ref(binary), &[])?;
    let (total, _) = Pool { slots: slots()?, limit: LIMIT }.run(jobs)?;
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The environment variables of the test executables.
struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// The variables of this process that tests read, and `more`. They are named one by one, since
    /// sudo drops all others.
    fn new(workspace: &Workspace, more: &[(&str, &str)]) -> Self {
        let own = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let is_for_tests = name.starts_with("NETNS_") || name == "RUST_BACKTRACE";
            is_for_tests.then_some((name, value))
        });
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let netns = workspace.target().join("debug/netns");
        let fixed = [
            ("NETNS_BIN", netns.into_os_string()),
            ("NETNS_DIST", packages_for_tests(workspace).into_os_string()),
            ("PATH", search_path()),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
        // The last value of a variable is used, so the user's value wins over that of `--all`.
        Self(more.chain(own).chain(fixed).collect())
    }

    /// Sets a variable to another value: the last value is used.
    fn set(&mut self, name: &str, value: OsString) {
        self.0.push((name.to_owned(), value));
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_os_str()))
    }
}

/// The folder of the packages that the tests install. Their program is a debug build, which is
/// faster to make; everything else is as in the released packages.
fn packages_for_tests(workspace: &Workspace) -> PathBuf {
    workspace.target().join("dist-test")
}

/// How many tests run at the same time: two per CPU, since a test spends a third of its time
/// waiting for an event or for the kernel.
fn slots() -> Result<usize> {
    match env::var("RUST_TEST_THREADS") {
        Ok(number) => {
            number.parse().ok().filter(|number| *number > 0).with_context(|| {
                format!("RUST_TEST_THREADS must be a number above 0, not {number}")
            })
        }
        Err(_) => Ok(2 * thread::available_parallelism().map_or(1, usize::from)),
    }
}

/// The processes for the tests that the arguments select.
fn jobs(
    workspace: &Workspace,
    environment: &Environment,
    binaries: &[TestBinary],
    args: &[OsString],
) -> Result<Vec<Job>> {
    let options: Vec<_> = args.iter().filter(|arg| is_option_of_a_run(arg)).cloned().collect();
    let is_shown = options.iter().any(|option| option == "--nocapture");
    let mut jobs = Vec::new();
    for binary in binaries {
        let tests = binary.tests(args)?;
        if tests.is_empty() {
            continue;
        }
        if !binary.needs_a_kernel() {
            let mut command = binary.command(workspace, environment.iter());
            command.args(args);
            jobs.push(Job { name: binary.name.clone(), command, is_shown });
            continue;
        }
        jobs.extend(tests.into_iter().map(|test| {
            let mut command = binary.command(workspace, environment.iter());
            command.arg(&test).arg("--exact").args(&options);
            Job { name: format!("{}: {test}", binary.name), command, is_shown }
        }));
    }
    jobs.sort_by_key(|job| !LONGEST.iter().any(|part| job.name.contains(part)));
    Ok(jobs)
}

/// Whether an argument is an option that does not select tests.
fn is_option_of_a_run(arg: &OsStr) -> bool {
    const OPTIONS: [&str; 4] = ["--nocapture", "--show-output", "--ignored", "--include-ignored"];
    OPTIONS.iter().any(|option| arg == *option)
}
