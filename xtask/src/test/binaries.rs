//! Builds the test executables and lists their tests.

use std::{
    ffi::{OsStr, OsString},
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use crate::{
    root,
    workspace::{EVERY_HOST_CRATE, Workspace, output_of},
};

/// The folders of the tests that need a kernel.
const KERNEL_TESTS: [&str; 2] = ["tests/tests/", "tests/bench/tests/"];

/// One test executable, and the folder that its tests expect to be in.
#[derive(Debug)]
pub(super) struct TestBinary {
    /// The path of its source, relative to the workspace.
    pub(super) name: String,
    executable: PathBuf,
    folder: PathBuf,
}

impl TestBinary {
    /// Builds all test executables, and the program.
    pub(super) fn build_all(workspace: &Workspace) -> Result<Vec<Self>> {
        // The same command builds the program: with a second command, its dependencies would have
        // other features and would be built twice.
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
                .with_context(|| format!("{} is not in the workspace", artifact.package_id))?;
            let source = artifact.target.src_path.as_std_path();
            let name = source.strip_prefix(workspace.root()).unwrap_or(source);
            binaries.push(Self {
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

    /// Whether each of its tests runs in its own process. Tests that need a kernel are long, and a
    /// process that hangs or crashes must affect only one of them.
    pub(super) fn needs_a_kernel(&self) -> bool {
        KERNEL_TESTS.iter().any(|folder| self.name.starts_with(folder))
    }

    /// The names of the tests that `args` select.
    pub(super) fn tests(&self, args: &[OsString]) -> Result<Vec<String>> {
        let mut command = Command::new(&self.executable);
        let list = output_of(command.args(args).arg("--list"))?;
        let list = String::from_utf8_lossy(&list).into_owned();
        Ok(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// A command that runs tests as root with these variables.
    pub(super) fn command<'a>(
        &'a self,
        workspace: &'a Workspace,
        variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    ) -> Command {
        let own = [
            ("CARGO_MANIFEST_DIR", self.folder.as_os_str()),
            ("CARGO_TARGET_DIR", workspace.target().as_os_str()),
        ];
        let mut command = root::command(&self.executable, own.into_iter().chain(variables));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}
