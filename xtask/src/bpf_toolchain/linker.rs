//! bpf-linker, which generates the eBPF code. It is built against the LLVM of the compiler.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::debian;
use crate::{
    packages, step,
    workspace::{Workspace, output_of},
};

/// The newest version that builds with the reference compiler.
const VERSION: &str = "0.13.0";

/// The LLVM releases that this version can be built against.
const LLVM_RELEASES: [u32; 3] = [21, 22, 23];

/// A bpf-linker in its own folder.
#[derive(Debug)]
pub(super) struct Linker {
    folder: PathBuf,
    /// The full version of its LLVM, which generates the code.
    llvm: String,
}

impl fmt::Display for Linker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bpf-linker {VERSION} with LLVM {}", self.llvm)
    }
}

impl Linker {
    /// Builds bpf-linker against LLVM `major`, unless it exists and runs.
    pub(super) fn ensure(workspace: &Workspace, major: u32) -> Result<Self> {
        if !LLVM_RELEASES.contains(&major) {
            bail!(
                "the compiler has LLVM {major}, and bpf-linker {VERSION} knows {LLVM_RELEASES:?}: \
                 change REFERENCE in xtask/src/bpf_toolchain/pinned.rs and VERSION in linker.rs \
                 together"
            );
        }
        let config = ensure_llvm(major)?;
        let llvm = ask(&config, "--version")?;
        let root = root(workspace, major);
        let folder = root.join("bin");
        if is_there(&folder) {
            return Ok(Self { folder, llvm });
        }
        let mut install = workspace.cargo("install");
        install
            .args(["bpf-linker", "--version", VERSION, "--locked", "--force"])
            .args(["--no-default-features", "--features", &format!("llvm-{major}")])
            // A debug build links the same object byte for byte, and is built in half the time.
            .args(["--profile", "dev", "--root"])
            .arg(&root)
            .env("LLVM_PREFIX", ask(&config, "--prefix")?)
            .env("CARGO_TARGET_DIR", root.join("build"));
        step::run(&format!("setup: installing with cargo: bpf-linker {VERSION}"), &mut install)?;
        Ok(Self { folder, llvm })
    }

    /// A folder with only bpf-linker, which can be added to PATH.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The steps of [`Linker::ensure`] in words.
pub(super) fn plan(workspace: &Workspace, major: u32) -> Result<Vec<String>> {
    let mut steps = Vec::new();
    if find_llvm(major).is_none() && which::which("dpkg-query").is_ok() {
        let packages = packages_of_llvm(major);
        let packages = packages.each_ref().map(String::as_str);
        steps.extend(packages::plan_of_debian(&packages)?);
    }
    let root = root(workspace, major);
    if !is_there(&root.join("bin")) {
        steps.push(format!("build bpf-linker {VERSION} with cargo in {}", root.display()));
    }
    Ok(steps)
}

/// A folder for each LLVM, since bpf-linker does not show which one it uses.
fn root(workspace: &Workspace, major: u32) -> PathBuf {
    workspace.target().join("bpf-toolchain").join(format!("llvm-{major}"))
}

/// Whether a folder has the right version and it runs. It is linked with the system's LLVM, so only
/// running it shows whether it still works.
fn is_there(folder: &Path) -> bool {
    let version = output_of(Command::new(folder.join("bpf-linker")).arg("--version"));
    let version = version.ok().and_then(|version| String::from_utf8(version).ok());
    version.is_some_and(|version| version.trim().ends_with(VERSION))
}

fn packages_of_llvm(major: u32) -> [String; 2] {
    [format!("llvm-{major}-dev"), format!("libpolly-{major}-dev")]
}

/// The llvm-config of an LLVM with headers and libraries. On Debian, its packages are installed if
/// necessary.
fn ensure_llvm(major: u32) -> Result<PathBuf> {
    if let Some(config) = find_llvm(major)
        && missing_packages(&config, major)?.is_empty()
    {
        return Ok(config);
    }
    if which::which("dpkg-query").is_ok() {
        let packages = packages_of_llvm(major);
        debian::ensure_packages(&packages.each_ref().map(String::as_str))?;
    }
    find_llvm(major).with_context(|| {
        format!(
            "bpf-linker needs LLVM {major} with headers and libraries. Please install it (Fedora: \
             llvm-devel; Arch Linux: llvm), or set LLVM_PREFIX to its folder"
        )
    })
}

/// The packages of Debian's LLVM that are not installed.
fn missing_packages(config: &Path, major: u32) -> Result<Vec<String>> {
    if !config.starts_with("/usr/lib") || which::which("dpkg-query").is_err() {
        return Ok(Vec::new());
    }
    let wanted = packages_of_llvm(major);
    let missing = packages::debian_missing(&wanted.each_ref().map(String::as_str))?;
    Ok(missing.into_iter().map(str::to_owned).collect())
}

fn find_llvm(major: u32) -> Option<PathBuf> {
    let given = env::var_os("LLVM_PREFIX").map(|folder| Path::new(&folder).join("bin/llvm-config"));
    let debian = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/llvm-config"));
    let names = [format!("llvm-config-{major}"), "llvm-config".to_owned()];
    let on_path = names.iter().filter_map(|name| which::which(name).ok());
    given.into_iter().chain([debian]).chain(on_path).find(|config| has_headers(config, major))
}

/// Whether this llvm-config belongs to that release, and its headers are installed.
fn has_headers(config: &Path, major: u32) -> bool {
    let is_of_release = ask(config, "--version")
        .is_ok_and(|version| version.split('.').next() == Some(&major.to_string()));
    is_of_release
        && ask(config, "--includedir")
            .is_ok_and(|folder| Path::new(&folder).join("llvm-c/Core.h").exists())
}

fn ask(config: &Path, question: &str) -> Result<String> {
    let answer = output_of(Command::new(config).arg(question))?;
    Ok(String::from_utf8(answer)?.trim().to_owned())
}
