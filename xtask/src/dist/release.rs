//! What is released: its name, its version and the time of its files.

use std::{env, fs, process::Command, time::UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use flate2::Compression;

use crate::{architecture::Architecture, build::Profile, workspace::Workspace};

/// What the packages are of.
pub(super) const PACKAGE: &str = "netns-user";

/// The packages' own name, which is the program's.
pub(super) const NAME: &str = "netns";

/// What the packages say of themselves.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) description: String,
    /// The architecture in Rust's words, and in Debian's.
    pub(super) arch: &'static str,
    pub(super) debian_arch: &'static str,
    /// Seconds since 1970: the time of every file in the packages.
    pub(super) time: u64,
    pub(super) compression: Compression,
}

impl Release {
    /// `architecture` is that of the program; `None`: that of this machine.
    pub(super) fn of(
        workspace: &Workspace,
        profile: Profile,
        architecture: Option<Architecture>,
    ) -> Result<Self> {
        let (arch, debian_arch) = match architecture.or_else(Architecture::here) {
            Some(known) => (known.name(), known.debian()),
            None => (env::consts::ARCH, debian_name(env::consts::ARCH)?),
        };
        let package = workspace
            .package(PACKAGE)
            .with_context(|| format!("there is no package {PACKAGE} in the workspace"))?;
        Ok(Self {
            version: package.version.to_string(),
            description: package.description.clone().unwrap_or_default(),
            arch,
            debian_arch,
            time: source_time(workspace)?,
            compression: match profile {
                Profile::Debug => Compression::fast(),
                Profile::Release => Compression::best(),
            },
        })
    }
}

/// SOURCE_DATE_EPOCH, else the last commit's time; in a source archive, which has no commits,
/// the time that the archive has given its files.
fn source_time(workspace: &Workspace) -> Result<u64> {
    if let Some(time) = env::var_os("SOURCE_DATE_EPOCH") {
        return time.to_str().and_then(|time| time.parse().ok()).with_context(|| {
            format!("SOURCE_DATE_EPOCH is no number of seconds since 1970: {}", time.display())
        });
    }
    let git = Command::new("git")
        .args(["log", "--max-count=1", "--format=%ct"])
        .current_dir(workspace.root())
        .output();
    let commit = git.ok().filter(|output| output.status.success());
    if let Some(time) =
        commit.and_then(|out| String::from_utf8(out.stdout).ok()?.trim().parse().ok())
    {
        return Ok(time);
    }
    let manifest = workspace.root().join("Cargo.toml");
    let changed = fs::metadata(&manifest).and_then(|file| file.modified());
    let changed = changed.with_context(|| format!("cannot read {}", manifest.display()))?;
    Ok(changed.duration_since(UNIX_EPOCH)?.as_secs())
}

/// Debian's name of another architecture than [`Architecture`] has, which Rust calls `arch`.
fn debian_name(arch: &str) -> Result<&'static str> {
    Ok(match arch {
        "arm" => "armhf",
        "loongarch64" => "loong64",
        "powerpc64" => "ppc64el",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        "x86" => "i386",
        other => bail!("Debian's name for the architecture {other} is not known here"),
    })
}
