//! `cargo xtask dist`: builds the program as one static file, and packages it with manual pages and
//! completions as a Debian package and a tar archive.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{architecture::Architecture, build::Profile, test, workspace::Workspace};

mod contents;
mod deb;
mod elf;
mod files;
mod packages;
mod release;
mod static_build;
mod tarball;

pub(crate) use packages::package;
pub(crate) use static_build::StaticProgram;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The files are the program itself, netns_VERSION_ARCH.deb, netns-VERSION-ARCH.tar.gz and SHA256SUMS.
The program is built for musl; a missing standard library is installed with rustup. If musl is not
available, glibc is linked statically instead, and a message says so. A debug build is linked with a
static glibc if there is one, and reuses compiled crates.

The build is reproducible in the same folder: all files in the packages have the time of the last
commit, or that of SOURCE_DATE_EPOCH.")]
pub(crate) struct Args {
    /// Folder for the packages [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Package a debug build, which is faster to make
    #[arg(long)]
    debug: bool,
    /// Build for another architecture
    #[arg(long, value_name = "ARCH", conflicts_with = "check")]
    arch: Option<Architecture>,
    /// Then install the packages in empty root folders, and run labs and the demonstration there
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| workspace.target().join("dist"));
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    for file in package(workspace, profile, &out, args.arch)? {
        println!("dist: {}", file.display());
    }
    if args.check {
        return test::run_package_tests(workspace, &out);
    }
    Ok(ExitCode::SUCCESS)
}
