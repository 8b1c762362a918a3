//! The folders and packages of the workspace, and how commands are run.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The crate of the eBPF programs. It is built only for the BPF target, so commands on the whole
/// workspace leave it out.
pub(crate) const EBPF_PACKAGE: &str = "netns-ebpf";

/// The workspace that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask crate is not inside the workspace")?
            .join("Cargo.toml");
        // Without dependencies, cargo resolves nothing: this takes 0.1 s and needs no network.
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
        Ok(Self { metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Cargo's target folder, which the environment or the configuration may have moved.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The folder of the package that a package id of a cargo message names.
    pub(crate) fn package_folder(&self, id: &cargo_metadata::PackageId) -> Option<&Path> {
        let package = self.metadata.packages.iter().find(|package| package.id == *id)?;
        package.manifest_path.parent().map(|folder| folder.as_std_path())
    }

    pub(crate) fn packages(&self) -> &[cargo_metadata::Package] {
        &self.metadata.packages
    }

    /// A package of the workspace.
    pub(crate) fn package(&self, name: &str) -> Option<&cargo_metadata::Package> {
        self.metadata.packages.iter().find(|package| package.name == name)
    }

    /// A cargo command in the workspace's root.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let mut command = Command::new(cargo);
        command.arg(verb).current_dir(self.root());
        command
    }
}

/// Every verb uses the same set of features, so that no verb compiles again what another one has
/// compiled: a crate that is not selected itself would otherwise lack its default features.
pub(crate) const FEATURES: [&str; 2] = ["--features", "netns-common/default,netns-common/model"];

/// Arguments that select every crate but the one for the BPF target.
pub(crate) const EVERY_HOST_CRATE: [&str; 5] =
    ["--workspace", "--exclude", EBPF_PACKAGE, FEATURES[0], FEATURES[1]];

/// Runs a command whose output the user sees, and fails when it fails.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", name(command));
    }
    Ok(())
}

/// A command as a user would type it.
pub(crate) fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = [program].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

/// Runs a command and returns its standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let name = name(command);
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed: {}: {}", output.status, error.trim_end());
    }
    Ok(output.stdout)
}
