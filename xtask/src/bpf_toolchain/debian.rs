//! Debian's compiler for its browsers, for which a `core` for BPF is packaged.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::pinned::how_to_install;
use crate::{packages, workspace::Workspace};

/// The compiler, its `core` for BPF, and clippy of the same version.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];

/// The folder of the compiler.
const PROGRAMS: &str = "/usr/bin";

/// The crates that may use unstable features of this stable compiler. With `1` instead of a list,
/// every build script would take it for a nightly compiler.
const UNSTABLE_CRATES: &str = "aya_ebpf,aya_ebpf_bindings,aya_ebpf_cty";

/// Installs the packages and returns a folder with rustc, clippy and cargo in rustup's layout.
pub(super) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    if which::which("dpkg-query").is_err() {
        bail!(how_to_install());
    }
    ensure_packages(&PACKAGES)?;
    link_compiler(workspace.target().join("bpf-toolchain").join("debian"))
}

/// The steps of [`ensure`] in words.
pub(super) fn plan() -> Result<Vec<String>> {
    if which::which("dpkg-query").is_err() || packages::find_program("apt-get").is_none() {
        bail!(how_to_install());
    }
    let missing = packages::debian_missing(&PACKAGES)?;
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    packages::plan_of_debian(&missing)
}

/// Installs packages if this Debian offers them.
pub(super) fn ensure_packages(wanted: &[&str]) -> Result<()> {
    let missing = packages::debian_missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !packages::debian_offers(&missing)? {
        bail!(how_to_install());
    }
    packages::debian_install(&missing)
}

/// `cargo VERB` with this compiler.
pub(super) fn cargo(folder: &Path, verb: &str) -> Result<Command> {
    let programs = folder.join("bin");
    // `cargo clippy` might find the cargo-clippy of another toolchain first.
    let program = if verb == "clippy" { "cargo-clippy" } else { "cargo" };
    let mut command = Command::new(programs.join(program));
    command
        .arg(verb)
        .env("CARGO", programs.join("cargo"))
        .env("PATH", path_with(&programs)?)
        .env("RUSTC_BOOTSTRAP", UNSTABLE_CRATES);
    Ok(command)
}

/// Makes a toolchain folder of links to Debian's compiler and clippy, and to the cargo in use:
/// Debian's cargo is in another package, and without a cargo here rustup would use any that it has.
fn link_compiler(folder: PathBuf) -> Result<PathBuf> {
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    let debian = Path::new(PROGRAMS);
    let compiler = ["rustc", "cargo-clippy", "clippy-driver"]
        .into_iter()
        .map(|program| (program, debian.join(program)));
    let cargo = match env::var_os("CARGO") {
        Some(path) => PathBuf::from(path),
        None => which::which("cargo").context("cargo is not on PATH")?,
    };
    for (program, original) in compiler.chain([("cargo", cargo)]) {
        let link = programs.join(program);
        if fs::read_link(&link).is_ok_and(|target| target == original) {
            continue;
        }
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => symlink(&original, &link),
        }
        .with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(folder)
}

fn path_with(folder: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()].into_iter().chain(env::split_paths(&path));
    env::join_paths(folders)
        .with_context(|| format!("{} has a colon and cannot be added to PATH", folder.display()))
}
