//! `cargo xtask dist`: the program as one static file, with manual pages and completions, as a
//! Debian package and as a tar archive.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::UNIX_EPOCH,
};

use anyhow::{Context as _, Result};
use flate2::Compression;
use sha2::{Digest as _, Sha256};

use crate::{build::Profile, test, workspace::Workspace};

mod contents;
mod deb;
mod elf;
mod static_build;
mod tarball;

pub(crate) use static_build::build as build_static;

/// What the packages are of.
const PACKAGE: &str = "netns-user";

/// The packages' own name, which is the program's.
const NAME: &str = "netns";

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

/// Builds the program and puts it with its packages into a folder. Returns the files.
pub(crate) fn package(workspace: &Workspace, profile: Profile, out: &Path) -> Result<Vec<PathBuf>> {
    let release = Release::of(workspace, profile)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let binary = static_build::build(workspace, profile, PACKAGE, NAME)?;
    let program = read(&binary)?;
    elf::is_static(&program).with_context(|| format!("{} is not static", binary.display()))?;
    let files = contents::gather(workspace, &binary, program.clone())?;

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

/// What the packages say of themselves.
#[derive(Debug)]
struct Release {
    version: String,
    description: String,
    /// The architecture in Rust's words, and in Debian's.
    arch: &'static str,
    debian_arch: &'static str,
    /// Seconds since 1970: the time of every file in the packages.
    time: u64,
    compression: Compression,
}

impl Release {
    fn of(workspace: &Workspace, profile: Profile) -> Result<Self> {
        let package = workspace
            .package(PACKAGE)
            .with_context(|| format!("there is no package {PACKAGE} in the workspace"))?;
        Ok(Self {
            version: package.version.to_string(),
            description: package.description.clone().unwrap_or_default(),
            arch: env::consts::ARCH,
            debian_arch: deb::architecture(env::consts::ARCH)?,
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

/// Writes a file that is there whole or not at all.
fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    let unfinished = folder.join(format!(".{name}.unfinished"));
    // One that was killed may have left it. A new file, as `File::create_new` makes it, is never
    // behind a link of somebody else's.
    let _ = fs::remove_file(&unfinished);
    let written = fs::File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| {
            let mode = if name == NAME { 0o755 } else { 0o644 };
            fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(mode))
        })
        .and_then(|()| fs::rename(&unfinished, &path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
