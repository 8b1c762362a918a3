//! `cargo xtask dist`: the program as one static file, with manual pages and completions, as a
//! Debian package and as a tar archive.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{build::Profile, test, workspace::Workspace};

mod contents;
mod deb;
mod elf;
mod files;
mod packages;
mod release;
mod static_build;
mod tarball;

pub(crate) use packages::package;
pub(crate) use static_build::build as build_static;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The folder then has the program itself, netns_VERSION_ARCH.deb, netns-VERSION-ARCH.tar.gz and
SHA256SUMS. The program is built for musl; a missing standard library is installed with rustup.
Where musl cannot be had, glibc is linked statically in its place, and a line says so. A debug
build is linked with glibc wherever that has a static library, from what is compiled already.

Sources in the same folder give the same files each time they are built: the time of all that is
packed is that of the last commit, or what SOURCE_DATE_EPOCH says.")]
pub(crate) struct Args {
    /// Folder for the packages [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Package a debug build, which is there sooner
    #[arg(long)]
    debug: bool,
    /// Then install the packages in empty roots, and run labs and the demonstration there
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| workspace.target().join("dist"));
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    for file in package(workspace, profile, &out)? {
        println!("dist: {}", file.display());
    }
    if args.check {
        return test::run_package_tests(workspace, &out);
    }
    Ok(ExitCode::SUCCESS)
}
