//! Builds the program and makes its packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::{
    contents, deb, elf,
    files::{hex, place, read},
    release::{NAME, PACKAGE, Release},
    static_build::StaticProgram,
    tarball,
};
use crate::{
    architecture::Architecture,
    build::{Profile, build},
    workspace::Workspace,
};

/// Builds the program for an architecture, or for this machine's, and puts it with its packages
/// into a folder. Returns the files.
pub(crate) fn package(
    workspace: &Workspace,
    profile: Profile,
    out: &Path,
    architecture: Option<Architecture>,
) -> Result<Vec<PathBuf>> {
    let foreign = architecture.filter(|it| Some(*it) != Architecture::here());
    let release = Release::of(workspace, profile, architecture)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let program = StaticProgram { workspace, profile, package: PACKAGE, name: NAME };
    let binary = match foreign {
        Some(other) => program.build_foreign(other)?,
        None => program.build()?,
    };
    let program = read(&binary)?;
    elf::is_static(&program).with_context(|| format!("{} is not static", binary.display()))?;
    // The program itself writes its manual pages and completions, which are the same everywhere.
    let runnable = match foreign {
        Some(_) => build(workspace, profile)?,
        None => binary,
    };
    let files = contents::gather(workspace, &runnable, program.clone())?;

    let mut made = vec![
        (NAME.to_owned(), program),
        (deb::file_name(&release), deb::package(&release, &files)?),
        (tarball::file_name(&release), tarball::archive(&release, &files)?),
    ];
    let sums: String = made
        .iter()
        .map(|(name, bytes)| format!("{}  {name}\n", hex(&Sha256::digest(bytes))))
        .collect();
    made.push(("SHA256SUMS".to_owned(), sums.into_bytes()));
    made.iter().map(|(name, bytes)| place(out, name, bytes)).collect()
}
