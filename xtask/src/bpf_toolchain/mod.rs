//! The toolchain of the eBPF programs. It is needed only after a change of their sources, since the
//! built object is in the repository.
//!
//! The reference compiler makes that object: stable Rust [`REFERENCE`](pinned::REFERENCE) with its
//! sources, from which cargo builds `core` for the BPF target. Where rustup cannot be had, Debian's
//! compiler for its browsers does: a `core` built for BPF is packaged for it. The object of another
//! compiler works as well, but its bytes differ.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{Workspace, output_of};

mod debian;
mod linker;
mod pinned;
mod reference;

use linker::Linker;
use pinned::{REFERENCE_LLVM, program_of};

/// A complete toolchain for the BPF target.
#[derive(Debug)]
pub(crate) struct BpfToolchain {
    compiler: Compiler,
    linker: Linker,
    /// The compiler's name and version, as in `rustc --version`.
    version: String,
}

#[derive(Debug)]
enum Compiler {
    /// [`REFERENCE`](pinned::REFERENCE), in the words that call a program of it.
    Reference(Vec<String>),
    /// Debian's, in a folder with rustup's layout.
    Debian(PathBuf),
}

impl fmt::Display for BpfToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.version, self.linker)
    }
}

impl BpfToolchain {
    /// Finds the toolchain, or installs it and says so first. A complete toolchain is recognised by
    /// files and versions alone, without a package manager or the network.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let compiler = match reference::ensure() {
            Some(words) => Compiler::Reference(words),
            None => Compiler::Debian(debian::ensure(workspace)?),
        };
        let version = version_of(&compiler)?;
        let linker = Linker::ensure(workspace, llvm_major(&version)?)?;
        let name = version.lines().next().unwrap_or_default().to_owned();
        Ok(Self { compiler, linker, version: name })
    }

    /// The steps of [`Self::ensure`] in words. Nothing is changed.
    pub(crate) fn plan(workspace: &Workspace) -> Result<Vec<String>> {
        let mut steps = match reference::plan() {
            Some(steps) => steps,
            None => debian::plan()?,
        };
        steps.extend(linker::plan(workspace, REFERENCE_LLVM)?);
        Ok(steps)
    }

    /// Whether this is the compiler that makes the object in the repository.
    pub(crate) fn is_reference(&self) -> bool {
        matches!(self.compiler, Compiler::Reference(_))
    }

    /// The compiler's name and version.
    pub(crate) fn compiler(&self) -> &str {
        &self.version
    }

    /// The versions of the linker and of its LLVM.
    pub(crate) fn linker(&self) -> String {
        self.linker.to_string()
    }

    /// `cargo VERB` for the BPF target.
    pub(crate) fn cargo(&self, workspace: &Workspace, verb: &str) -> Result<Command> {
        let mut command = match &self.compiler {
            Compiler::Reference(words) => {
                let mut command = program_of(words, "cargo");
                command.arg(verb).arg("-Zbuild-std=core");
                // Allows unstable features in this stable compiler.
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Compiler::Debian(folder) => debian::cargo(folder, verb)?,
        };
        command.current_dir(workspace.root());
        command.arg(format!("--target={}", target()));
        // These may be set for the host's compiler.
        for variable in ["RUSTC", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"] {
            command.env_remove(variable);
        }
        // Incremental compilation gives different code, and a different cost of verification.
        command.env("CARGO_INCREMENTAL", "0");
        command.env("CARGO_ENCODED_RUSTFLAGS", self.flags(workspace)?.join("\x1f"));
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let path = path.map(ToOwned::to_owned).or_else(|| env::var_os("PATH")).unwrap_or_default();
        let folders = [self.linker.folder().to_owned()].into_iter().chain(env::split_paths(&path));
        let path = env::join_paths(folders).context("a folder of bpf-linker with a colon")?;
        command.env("PATH", path);
        Ok(command)
    }

    /// `cargo clippy` for the BPF target. Only this command needs clippy, so its absence is told
    /// here.
    pub(crate) fn clippy(&self, workspace: &Workspace) -> Result<Command> {
        if let Compiler::Reference(words) = &self.compiler {
            reference::check_clippy(words)?;
        }
        self.cargo(workspace, "clippy")
    }

    /// The compiler's flags. Paths are replaced such that the object is the same wherever the
    /// repository, cargo's registry and the compiler are.
    fn flags(&self, workspace: &Workspace) -> Result<Vec<String>> {
        let arch = env::consts::ARCH;
        let arch = if arch.starts_with("riscv64") { "riscv64" } else { arch };
        let mut flags = vec![
            format!("--cfg=bpf_target_arch=\"{arch}\""),
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
            format!("--remap-path-prefix={}=.", workspace.root().display()),
            format!("--remap-path-prefix={}=/registry", registry()?.display()),
        ];
        if let Compiler::Reference(words) = &self.compiler {
            let sysroot = reference::sysroot(words)?;
            let sources = sysroot.join("lib/rustlib/src/rust");
            flags.push(format!("--remap-path-prefix={}=/rust", sources.display()));
        }
        Ok(flags)
    }
}

/// The BPF target of this machine's byte order.
pub(crate) const fn target() -> &'static str {
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}

fn version_of(compiler: &Compiler) -> Result<String> {
    let mut rustc = match compiler {
        Compiler::Reference(words) => program_of(words, "rustc"),
        Compiler::Debian(folder) => Command::new(folder.join("bin/rustc")),
    };
    Ok(String::from_utf8(output_of(rustc.arg("-vV"))?)?)
}

/// The major version of LLVM, which the linker must have too: it reads the compiler's bitcode,
/// which an older LLVM cannot.
fn llvm_major(version: &str) -> Result<u32> {
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = llvm.and_then(|llvm| llvm.split('.').next()?.parse().ok());
    let Some(major) = major else {
        bail!("`rustc -vV` does not show the version of LLVM:\n{version}");
    };
    Ok(major)
}

/// The folder in which cargo keeps the sources of crates.
fn registry() -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(Path::new(&home).join(".cargo"))
    });
    Ok(home.context("neither CARGO_HOME nor HOME is set")?.join("registry/src"))
}

#[cfg(test)]
mod tests {
    use super::llvm_major;

    #[test]
    fn the_llvm_is_read_from_the_compilers_version() {
        let version = "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64\nLLVM version: 22.1.2\n";
        assert_eq!(llvm_major(version).ok(), Some(22));
        assert!(llvm_major("rustc 1.95.0").is_err());
    }
}
