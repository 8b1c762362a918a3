//! Runs a command to its end and checks its result.

use std::{
    env, fmt,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::running::{Name, Running};

/// The program under test: NETNS_BIN, or else the one in cargo's target folder.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn netns_path() -> PathBuf {
    let path = env::var_os("NETNS_BIN").map_or_else(beside_the_tests, PathBuf::from);
    assert!(
        path.is_file(),
        "{} has not been built: use `cargo xtask test`, or `cargo xtask build --debug` before",
        path.display()
    );
    path
}

/// Starts `netns ARGUMENTS` and kills it after `moment`. Returns false if it had already ended.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn is_killed_after(arguments: &[&str], moment: Duration) -> bool {
    let mut child = Command::new(netns_path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    // The time itself is what the test varies: there is no event to wait for.
    thread::sleep(moment);
    child.kill().expect("a child");
    child.wait().expect("a child").signal() == Some(Signal::SIGKILL as i32)
}

/// target/debug/netns, seen from target/debug/deps/TEST.
fn beside_the_tests() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).unwrap_or_else(|| Path::new("."));
    profile.join("netns")
}

/// The prefix of the test executable that repeats tests of others with `via_stack`.
const VIA_STACK: &str = "via_stack-";

/// Whether this test executable builds every lab with `via_stack`.
fn is_via_stack() -> bool {
    let test = env::current_exe().expect("the path of this test");
    test.file_name().is_some_and(|name| name.to_string_lossy().starts_with(VIA_STACK))
}

/// Runs `netns ARGUMENTS` to its end.
#[track_caller]
#[must_use]
pub fn netns(arguments: &[&str]) -> Output {
    let takes_mode = matches!(arguments, ["up" | "plan", ..]) && is_via_stack();
    let mode = takes_mode.then_some("--via-stack");
    run(None, Command::new(netns_path()).args(arguments).args(mode))
}

/// Runs `netns` with the words of a line to its end.
#[track_caller]
#[must_use]
pub fn netns_line(line: &str) -> Output {
    netns(&line.split(' ').collect::<Vec<_>>())
}

/// Builds the lecture's lab.
#[track_caller]
pub fn lab_is_up() {
    netns(&["up"]).success();
}

/// Runs a command in a namespace to its end.
#[track_caller]
#[must_use]
pub fn run(namespace: Option<&str>, command: &mut Command) -> Output {
    let running = Running::start(namespace, command);
    let command = Name(namespace, command).to_string();
    let (status, stdout, stderr) = running.finish();
    Output { command, status, stdout, stderr }
}

/// The status and output of a command.
#[derive(Clone, Debug)]
pub struct Output {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Expects that the command has succeeded.
    ///
    /// # Panics
    /// When it has failed.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{self}\nexpected success");
        self
    }

    /// Expects exit code 1 and an error that contains all of `parts`.
    ///
    /// # Panics
    /// When it succeeded, or failed in another way.
    #[track_caller]
    pub fn fails_with(self, parts: &[&str]) -> Self {
        self.fails_with_code(1, parts)
    }

    /// Expects this exit code and an error that contains all of `parts`.
    ///
    /// # Panics
    /// When it ended in another way.
    #[track_caller]
    pub fn fails_with_code(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}\nexpected exit code {code}");
        for part in parts {
            assert!(self.stderr.contains(part), "{self}\nexpected {part:?} in its error");
        }
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("stack backtrace"),
            "{self}\nexpected a message for a person"
        );
        self
    }

    /// Expects all of `parts` in its output.
    ///
    /// # Panics
    /// When one is missing.
    #[track_caller]
    pub fn shows(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stdout.contains(part), "{self}\nexpected {part:?} in its output");
        }
        self
    }

    /// The exit code as a shell reports it: a signal counts from 128.
    ///
    /// # Panics
    /// Never: a process has ended by a code or a signal.
    #[must_use]
    pub fn code(&self) -> i32 {
        let signal = || self.status.signal().map(|signal| 128 + signal);
        self.status.code().or_else(signal).expect("a code or a signal")
    }

    /// Expects success, and returns the output as JSON.
    ///
    /// # Panics
    /// When the command failed or the output is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(self) -> Value {
        let output = self.success();
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("{output}\nexpected JSON: {error}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "\n{command}\n{status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
