//! The reference compiler: one version of stable Rust, with its sources.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use super::pinned::{REFERENCE, program_of};
use crate::{step, workspace::output_of};

/// The words of a command line before a program of the reference compiler. It is installed with its
/// sources by rustup if necessary. `None` if that is not possible.
pub(super) fn ensure() -> Option<Vec<String>> {
    if let Some(words) = find() {
        return Some(words);
    }
    if which::which("rustup").is_err() {
        return None;
    }
    // The toolchain in use may be that version under another name, such as `stable`.
    let on_path = Vec::new();
    let (words, arguments) = if is_reference(&on_path) {
        (on_path, vec!["component", "add", "rust-src"])
    } else {
        let words = ["toolchain", "install", REFERENCE, "--profile", "minimal"];
        (by_rustup(), [&words[..], &["--component", "rust-src,clippy"]].concat())
    };
    let what = format!("setup: installing with rustup: Rust {REFERENCE} with its sources");
    let installed = step::run(&what, Command::new("rustup").args(arguments));
    (installed.is_ok() && has_sources(&words)).then_some(words)
}

/// The steps of [`ensure`] in words. `None` if it cannot be installed.
pub(super) fn plan() -> Option<Vec<String>> {
    if find().is_some() {
        return Some(Vec::new());
    }
    which::which("rustup").ok()?;
    Some(vec![format!("install with rustup: Rust {REFERENCE} with its sources")])
}

/// The words of the command line, if it is installed with its sources.
fn find() -> Option<Vec<String>> {
    [Vec::new(), by_rustup()].into_iter().find(|words| has_sources(words))
}

fn by_rustup() -> Vec<String> {
    ["rustup", "run", REFERENCE].map(str::to_owned).to_vec()
}

fn is_reference(words: &[String]) -> bool {
    let version = output_of(program_of(words, "rustc").arg("--version"));
    let version = version.ok().and_then(|version| String::from_utf8(version).ok());
    version.is_some_and(|version| version.split(' ').nth(1) == Some(REFERENCE))
}

fn has_sources(words: &[String]) -> bool {
    is_reference(words)
        && sysroot(words)
            .is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/core").is_dir())
}

/// Fails where the compiler has no clippy.
pub(super) fn check_clippy(words: &[String]) -> Result<()> {
    match output_of(program_of(words, "cargo").args(["clippy", "--version"])) {
        Ok(_) => Ok(()),
        Err(_) => bail!(without_clippy(words)),
    }
}

/// The error of a compiler without clippy.
fn without_clippy(words: &[String]) -> String {
    // Without words it is the toolchain in use, whose name may be another one.
    let toolchain =
        if words.is_empty() { String::new() } else { format!(" --toolchain {REFERENCE}") };
    format!(
        "the toolchain of the eBPF programs, Rust {REFERENCE}, has no clippy, which only \
         `cargo xtask lint` needs. Please run:\n    rustup component add clippy{toolchain}"
    )
}

/// Where the compiler is installed.
pub(super) fn sysroot(words: &[String]) -> Result<PathBuf> {
    let sysroot = output_of(program_of(words, "rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(String::from_utf8(sysroot)?.trim()))
}

#[cfg(test)]
mod tests {
    use super::{by_rustup, check_clippy, without_clippy};

    #[test]
    fn a_compiler_without_clippy_is_told_with_the_command_that_installs_it() {
        let error = check_clippy(&["/nowhere/rustup".to_owned()]).expect_err("there is none");
        assert!(error.to_string().contains("has no clippy"), "{error}");
        let named = "\n    rustup component add clippy --toolchain 1.95.0";
        assert!(without_clippy(&by_rustup()).ends_with(named));
        assert!(without_clippy(&[]).ends_with("\n    rustup component add clippy"));
    }
}
