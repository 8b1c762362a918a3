//! `cargo xtask test`: every test there is, as root, and one line that counts them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    io::{BufRead as _, BufReader, IsTerminal as _},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use crate::{
    build::Profile,
    dist, ebpf_object,
    packages::{TEST_TOOLS, ensure_tools, search_path},
    root,
    workspace::{EVERY_HOST_CRATE, Workspace},
};

/// The tests of the packages, which are made only when one of these is to run.
const PACKAGE_TESTS: &str = "tests/tests/dist.rs";

/// The tests of the loaded programs.
const PROGRAM_TESTS: &str = "tests/tests/programs/main.rs";

/// The tests with arbitrary packets: the file of each, and a part of its name.
const ARBITRARY: [(&str, &str); 2] = [
    (PROGRAM_TESTS, "a_million_arbitrary"),
    ("tests/tests/hostile/main.rs", "whatever_is_sent_and_whenever"),
];

/// What may be asked of the tests with arbitrary packets: how many of them there are, and the
/// seed of the one sequence to repeat.
const FOR_TESTS: [&str; 2] = [PACKETS, "NETNS_SEED"];

/// Says how many arbitrary packets each of these tests sends.
const PACKETS: &str = "NETNS_PACKETS";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of the test binaries: a part of the tests' names, --nocapture, …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    root::ensure("cargo xtask test (it makes network namespaces and loads eBPF programs)")?;
    ebpf_object::ensure(workspace)?;
    ensure_tools(TEST_TOOLS)?;

    let binaries = build_tests(workspace)?;

    let asked = FOR_TESTS.map(|name| (name, env::var_os(name)));
    let asked: Vec<_> =
        asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let mut total = Counts::default();
    for binary in &binaries {
        if binary.name == PACKAGE_TESTS && binary.has_a_test(&args.args)? {
            println!("\ndist: making the packages that the tests install");
            dist::package(workspace, Profile::Debug, &packages_for_tests(workspace))?;
        }
        total += run_binary(workspace, binary, &args.args, &asked)?;
    }
    total += run_doc_tests(workspace, &args.args)?;

    println!("{total}");
    if total.passed + total.failed == 0 {
        bail!("no test ran: no test's name has what follows `--`");
    }
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests with arbitrary packets, each with so many of them, and no other test.
pub(crate) fn run_arbitrary(workspace: &Workspace, packets: u64) -> Result<ExitCode> {
    root::ensure("sending packets through the kernel (it loads eBPF programs)")?;
    ebpf_object::ensure(workspace)?;
    ensure_tools(TEST_TOOLS)?;
    let binaries = build_tests(workspace)?;
    let packets = OsString::from(packets.to_string());
    let mut total = Counts::default();
    for (file, test) in ARBITRARY {
        let binary = binaries.iter().find(|binary| binary.name == file);
        let binary = binary.with_context(|| format!("there is no {file}"))?;
        let args = [test, "--nocapture"].map(OsString::from);
        total += run_binary(workspace, binary, &args, &[(PACKETS, &packets)])?;
    }
    let all_passed = total.failed == 0 && total.passed as usize == ARBITRARY.len();
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One test executable, and the folder that its tests expect to be in.
#[derive(Debug)]
struct TestBinary {
    name: String,
    executable: PathBuf,
    folder: PathBuf,
}

impl TestBinary {
    /// Whether the arguments select a test of this executable.
    fn has_a_test(&self, args: &[OsString]) -> Result<bool> {
        let list = Command::new(&self.executable)
            .args(args)
            .arg("--list")
            .output()
            .with_context(|| format!("cannot start {}", self.name))?;
        // A wrong argument is told by the run itself.
        Ok(String::from_utf8_lossy(&list.stdout).lines().any(|line| line.ends_with(": test")))
    }
}

/// Where the packages are that the tests install. They are of a debug build, which is there
/// sooner; all else is as in those that are given away.
fn packages_for_tests(workspace: &Workspace) -> PathBuf {
    workspace.target().join("dist-test")
}

fn build_tests(workspace: &Workspace) -> Result<Vec<TestBinary>> {
    // The program as well, by the same command: by another one it would be built with other features of
    // its dependencies, and they twice.
    let mut cargo = workspace.cargo("build");
    cargo
        .args(["--all-targets", "--message-format=json-render-diagnostics"])
        .args(EVERY_HOST_CRATE);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo build")?;
    let output = child.stdout.take().context("cargo build has no output")?;
    let mut binaries = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let Some(executable) = artifact.executable.filter(|_| artifact.profile.test) else {
            continue;
        };
        let folder = workspace
            .package_folder(&artifact.package_id)
            .with_context(|| format!("{} is no package of ours", artifact.package_id))?;
        let source = artifact.target.src_path.as_std_path();
        let name = source.strip_prefix(workspace.root()).unwrap_or(source);
        binaries.push(TestBinary {
            name: name.display().to_string(),
            executable: executable.into_std_path_buf(),
            folder: folder.to_owned(),
        });
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo build --all-targets failed: {status}");
    }
    // Cargo reports in the order of completion, which differs from run to run.
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(binaries)
}

fn run_binary(
    workspace: &Workspace,
    binary: &TestBinary,
    args: &[OsString],
    more: &[(&str, &OsStr)],
) -> Result<Counts> {
    let netns = workspace.target().join("debug/netns");
    let packages = packages_for_tests(workspace);
    let path = search_path();
    let backtrace = env::var_os("RUST_BACKTRACE").unwrap_or_default();
    let flood = env::var_os("NETNS_FLOOD_SECONDS").unwrap_or_default();
    let threads = env::var_os("RUST_TEST_THREADS").unwrap_or_else(test_threads);
    let variables: [(&str, &OsStr); 8] = [
        ("RUST_TEST_THREADS", &threads),
        ("NETNS_BIN", netns.as_os_str()),
        ("NETNS_DIST", packages.as_os_str()),
        ("PATH", &path),
        ("RUST_BACKTRACE", &backtrace),
        ("NETNS_FLOOD_SECONDS", &flood),
        ("CARGO_MANIFEST_DIR", binary.folder.as_os_str()),
        ("CARGO_TARGET_DIR", workspace.target().as_os_str()),
    ];
    let variables = variables.into_iter().chain(more.iter().copied());
    let mut command = root::command(&binary.executable, variables);
    command.current_dir(&binary.folder).args(args);
    if std::io::stdout().is_terminal() {
        command.args(["--color", "always"]);
    }
    stream(&binary.name, &mut command)
}

/// Twice as many as there are CPUs: a third of the time that a test takes it waits, for an event or for
/// the kernel.
fn test_threads() -> OsString {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    (2 * cpus).to_string().into()
}

fn run_doc_tests(workspace: &Workspace, args: &[OsString]) -> Result<Counts> {
    let mut cargo = workspace.cargo("test");
    cargo.args(["--quiet", "--doc"]).args(EVERY_HOST_CRATE).arg("--").args(args);
    stream("doc tests", &mut cargo)
}

/// Runs tests and passes their output on as it comes, but for runs that have no test to do.
fn stream(name: &str, command: &mut Command) -> Result<Counts> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let output = child.stdout.take().with_context(|| format!("{name} has no output"))?;
    let mut counts = Counts::default();
    let mut titled = false;
    let mut empty_run = false;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.starts_with("running ") {
            empty_run = line == "running 0 tests";
            if !empty_run && !titled {
                println!("\n{name}");
                titled = true;
            }
        }
        if let Some(more) = Counts::parse(&line) {
            counts += more;
        }
        if titled && !empty_run {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() && counts.failed == 0 {
        println!("{name} ended without a result: {status}");
        counts.failed += 1;
    }
    Ok(counts)
}

/// What the test runner's closing lines add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    /// Reads "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …".
    fn parse(line: &str) -> Option<Self> {
        let (_, results) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            results.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; \
                    finished in 0.10s";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 12, failed: 0, skipped: 1 }));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered \
                    out; finished in 1.00s";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 1, failed: 2, skipped: 0 }));
        assert_eq!(Counts::parse("test result_of_a_thing ... ok"), None);
    }

    #[test]
    fn the_last_line_names_skipped_tests_only_when_there_are_some() {
        let counts = Counts { passed: 3, failed: 1, skipped: 0 };
        assert_eq!(counts.to_string(), "3 passed, 1 failed");
        assert_eq!(Counts { skipped: 2, ..counts }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
