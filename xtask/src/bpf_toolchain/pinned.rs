//! The pinned version of Rust for the eBPF programs, and how its programs are called.

use std::process::Command;

/// The version of Rust that the object in the repository is built with. With another one its bytes
/// differ, and what the verifier makes of them.
pub(super) const REFERENCE: &str = "1.95.0";

/// Its LLVM, which is that of Debian's compiler too.
pub(super) const REFERENCE_LLVM: u32 = 22;

/// The recipe, for a person whom this command cannot help.
pub(super) fn how_to_install() -> String {
    format!(
        "the sources of the eBPF programs have changed, and to build them takes Rust {REFERENCE} \
         with its sources. Please run:\n    \
         rustup toolchain install {REFERENCE} --profile minimal --component rust-src,clippy\n\
         (rustup is at https://rustup.rs; on Debian with the bookworm-security or a newer suite, \
         this command installs packages instead)"
    )
}

/// A program of a rustup toolchain; without words, the one on PATH.
pub(super) fn program_of(words: &[String], program: &str) -> Command {
    let Some((first, rest)) = words.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    // Whether it is installed is a question, and must not start a download.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    command
}
