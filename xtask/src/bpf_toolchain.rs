//! The toolchain of the eBPF programs: which one this machine has or can get.
//!
//! Two are known to work. With rustup: nightly, whose `rust-src` lets cargo build `core` for the
//! BPF target, and bpf-linker on PATH. On Debian: the compiler that Debian keeps for its
//! browsers, for which a `core` built for BPF is packaged, and a bpf-linker built against the
//! same LLVM.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{packages, step, workspace::Workspace};

/// The LLVM that both Debian's compiler and our bpf-linker must have: the compiler hands the
/// linker its bitcode, which an older LLVM does not read. rustc-web 1.96 has LLVM 22.
const LLVM_MAJOR: u32 = 22;

/// The newest bpf-linker that has a feature for [`LLVM_MAJOR`] and builds with Rust 1.95.
const BPF_LINKER_VERSION: &str = "0.13.0";

/// Debian's packages: compiler, `core` for BPF, and what bpf-linker is built from.
const DEBIAN_PACKAGES: [&str; 5] =
    ["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-llvm", "llvm-22-dev", "libpolly-22-dev"];

/// Clippy of the very same compiler version; only lint needs it.
const DEBIAN_CLIPPY: &str = "rust-web-clippy";

/// Where Debian's compiler is.
const DEBIAN_PROGRAMS: &str = "/usr/bin";

/// Debian's compiler is a stable one. These crates of aya may use unstable features of it all
/// the same. It is a list rather than `1`, with which aya-build would want to build `core`.
const UNSTABLE_CRATES: &str = "aya_ebpf,aya_ebpf_bindings,aya_ebpf_cty";

const HOW_TO_INSTALL: &str = "\
the eBPF programs need a nightly Rust with its sources, and bpf-linker. Please run:
    rustup toolchain install nightly --component rust-src
    cargo install bpf-linker
(rustup is at https://rustup.rs; on Debian with the bookworm-security or a newer suite,
this command installs packages instead)";

/// A complete toolchain for the BPF target.
#[derive(Debug)]
pub(crate) enum BpfToolchain {
    Nightly,
    Debian(DebianToolchain),
}

/// Debian's compiler and the bpf-linker that fits it.
#[derive(Debug)]
pub(crate) struct DebianToolchain {
    /// Laid out as rustup expects a toolchain to be: links to compiler, clippy and cargo.
    compiler: PathBuf,
    /// Holds bpf-linker and nothing else, so that it can stand in PATH.
    linker: PathBuf,
}

impl fmt::Display for BpfToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nightly => f.write_str("nightly Rust"),
            Self::Debian(debian) => {
                write!(f, "Debian's rustc-web and {}/bpf-linker", debian.linker.display())
            }
        }
    }
}

impl BpfToolchain {
    /// Finds the toolchain, or installs it after saying so. When all is there, this is a look at
    /// files and versions: no package manager and no network.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        if nightly_is_complete() {
            return Ok(Self::Nightly);
        }
        if which::which("dpkg-query").is_err() {
            bail!(HOW_TO_INSTALL);
        }
        ensure_debian_packages(&DEBIAN_PACKAGES)?;
        ensure_debian_llvm()?;
        let folder = workspace.target().join("bpf-toolchain");
        let linker = ensure_linker(workspace, &folder)?;
        let compiler = link_compiler(folder.join("debian"))?;
        Ok(Self::Debian(DebianToolchain { compiler, linker }))
    }

    /// Sets what the build script of netns-user reads, and PATH, where the compiler finds
    /// bpf-linker.
    ///
    /// RUSTC_BOOTSTRAP itself is left to that build script. Many crates look at it when they are
    /// built, so cargo would compile them again whenever a command of xtask follows a plain one,
    /// and that includes the building of xtask.
    pub(crate) fn apply(&self, command: &mut Command) -> Result<()> {
        if let Self::Debian(debian) = self {
            command
                .env("NETNS_BPF_TOOLCHAIN", &debian.compiler)
                .env("NETNS_BPF_UNSTABLE_CRATES", UNSTABLE_CRATES)
                .env("PATH", path_with(&debian.linker)?);
        }
        Ok(())
    }

    /// `cargo clippy` for the BPF target, by the toolchain that also compiles the programs.
    pub(crate) fn clippy(&self, workspace: &Workspace) -> Result<Command> {
        if let Self::Debian(_) = self {
            ensure_debian_packages(&[DEBIAN_CLIPPY])?;
        }
        let mut command = match self {
            Self::Nightly => {
                let mut command = nightly("cargo");
                command.args(["clippy", "-Zbuild-std=core"]);
                command
            }
            Self::Debian(debian) => {
                let programs = debian.compiler.join("bin");
                // Asked for it, cargo might find the cargo-clippy of another toolchain first.
                let mut command = Command::new(programs.join("cargo-clippy"));
                command
                    .arg("clippy")
                    .env("CARGO", programs.join("cargo"))
                    .env("PATH", path_with(&programs)?)
                    .env("RUSTC_BOOTSTRAP", UNSTABLE_CRATES);
                command
            }
        };
        command.current_dir(workspace.root());
        let arch = env::consts::ARCH;
        let arch = if arch.starts_with("riscv64") { "riscv64" } else { arch };
        command.env("CARGO_ENCODED_RUSTFLAGS", format!("--cfg=bpf_target_arch=\"{arch}\""));
        let target = if cfg!(target_endian = "big") { "bpfeb" } else { "bpfel" };
        command.arg(format!("--target={target}-unknown-none"));
        Ok(command)
    }
}

/// A program of the nightly toolchain; without rustup, of the one toolchain there is.
fn nightly(program: &str) -> Command {
    let Ok(rustup) = which::which("rustup") else { return Command::new(program) };
    let mut command = Command::new(rustup);
    // Whether it is installed is a question, and must not start a download.
    command.args(["run", "nightly", program]).env("RUSTUP_AUTO_INSTALL", "0");
    command
}

/// Nightly with `rust-src`, and bpf-linker on PATH.
fn nightly_is_complete() -> bool {
    let answer = |argument: &[&str]| output_of(nightly("rustc").args(argument));
    which::which("bpf-linker").is_ok()
        && answer(&["--version"]).is_ok_and(|version| version.contains("nightly"))
        && answer(&["--print", "sysroot"]).is_ok_and(|sysroot| {
            Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir()
        })
}

fn ensure_debian_packages(wanted: &[&str]) -> Result<()> {
    let missing = packages::debian_missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !packages::debian_offers(&missing)? {
        bail!(HOW_TO_INSTALL);
    }
    packages::debian_install(&missing)
}

fn ensure_debian_llvm() -> Result<()> {
    let rustc = Path::new(DEBIAN_PROGRAMS).join("rustc");
    let version = output_of(Command::new(&rustc).arg("-vV"))?;
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = llvm.and_then(|version| version.split('.').next()?.parse().ok());
    if major != Some(LLVM_MAJOR) {
        bail!(
            "{} has LLVM {}, but bpf-linker {BPF_LINKER_VERSION} is built with LLVM {LLVM_MAJOR}: \
             the two must be equal. Change LLVM_MAJOR, BPF_LINKER_VERSION and DEBIAN_PACKAGES in \
             xtask/src/bpf_toolchain.rs together, or install nightly:\n{HOW_TO_INSTALL}",
            rustc.display(),
            llvm.unwrap_or("of no known version"),
        );
    }
    Ok(())
}

/// Builds bpf-linker into the toolchain's folder unless it is there and runs.
fn ensure_linker(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let programs = folder.join("bin");
    // It is linked with Debian's LLVM, so only running it shows that it still works.
    let version = output_of(Command::new(programs.join("bpf-linker")).arg("--version"));
    if version.is_ok_and(|version| version.trim().ends_with(BPF_LINKER_VERSION)) {
        return Ok(programs);
    }
    let mut install = workspace.cargo("install");
    install
        .args(["bpf-linker", "--version", BPF_LINKER_VERSION, "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{LLVM_MAJOR}")])
        // The object it links is the same byte for byte, and it is ready in half the time.
        .args(["--profile", "dev", "--root"])
        .arg(folder)
        .env("LLVM_PREFIX", format!("/usr/lib/llvm-{LLVM_MAJOR}"))
        .env("CARGO_TARGET_DIR", folder.join("build"));
    step::run(
        &format!("setup: installing with cargo: bpf-linker {BPF_LINKER_VERSION}"),
        &mut install,
    )?;
    Ok(programs)
}

/// Makes a toolchain folder of Debian's compiler and clippy, and the cargo in use: Debian's own
/// cargo is another package, and without one rustup would pick any that it has.
fn link_compiler(folder: PathBuf) -> Result<PathBuf> {
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    let debian = Path::new(DEBIAN_PROGRAMS);
    let compiler = ["rustc", "cargo-clippy", "clippy-driver"]
        .into_iter()
        .map(|program| (program, debian.join(program)));
    let cargo = match env::var_os("CARGO") {
        Some(path) => PathBuf::from(path),
        None => which::which("cargo").context("there is no cargo on PATH")?,
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
        .with_context(|| format!("{} cannot stand in PATH: it has a colon", folder.display()))
}

fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
