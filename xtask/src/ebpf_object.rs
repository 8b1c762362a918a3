//! `cargo xtask object`: builds the eBPF object in the repository from its sources.

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;
use netns_ebpf_object::{
    Committed, Record, commit, committed, files, object_digest, sources_digest,
};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

mod compare;

use crate::{
    bpf_toolchain::{BpfToolchain, target},
    workspace::{EBPF_PACKAGE, Workspace, name},
};

/// Prefixes of the sections that are not needed to load the programs.
const UNREAD: [&str; 3] = [".debug_", ".rel.debug_", ".rel.BTF"];

#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
The object is netns-ebpf/object/netns-ebpf.o.gz; netns-ebpf.record beside it has the digest of its
sources. Every command that needs the object rebuilds it when the sources have changed. Commit both
files with the last commit of a series.")]
pub(crate) struct Args {
    /// Change nothing, and fail when the object in the repository differs from one built now
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    if args.check {
        check(workspace)?;
        return Ok(ExitCode::SUCCESS);
    }
    rebuild(workspace)?;
    println!("object: {}", files(workspace.root())[0].display());
    Ok(ExitCode::SUCCESS)
}

/// Rebuilds the object in the repository if its sources have changed.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    match look(workspace)? {
        Committed::Fits(_) => Ok(()),
        Committed::Stale(reason) => {
            eprintln!("object: rebuilding the eBPF programs: {reason}");
            rebuild(workspace)
        }
    }
}

fn look(workspace: &Workspace) -> Result<Committed> {
    committed(workspace.root(), target()).context("cannot read the sources of the eBPF programs")
}

fn rebuild(workspace: &Workspace) -> Result<()> {
    let toolchain = BpfToolchain::ensure(workspace)?;
    let (object, record) = build(workspace, &toolchain)?;
    commit(workspace.root(), &object, &record).context("cannot write the eBPF object")?;
    if !toolchain.is_reference() {
        eprintln!(
            "object: built by {toolchain}, which is not the reference compiler: the object works, \
             but do not commit it"
        );
    }
    Ok(())
}

/// Builds the object in the target folder, and returns it with its record.
fn build(workspace: &Workspace, toolchain: &BpfToolchain) -> Result<(Vec<u8>, Record)> {
    let sources = sources_digest(workspace.root())?;
    let object = strip(&fs::read(compile(workspace, toolchain)?)?)?;
    let record = Record {
        sources,
        object: object_digest(&object),
        target: target().to_owned(),
        compiler: toolchain.compiler().to_owned(),
        linker: toolchain.linker(),
    };
    Ok((object, record))
}

/// Compiles the eBPF crate and returns the path of its executable.
fn compile(workspace: &Workspace, toolchain: &BpfToolchain) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(workspace, "build")?;
    cargo
        .args(["--package", EBPF_PACKAGE, "--bins", "--release", "--locked"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(workspace.target().join("bpf"));
    let output = run_to_end(&mut cargo)?;
    for message in Message::parse_stream(output.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message?
            && let Some(executable) = artifact.executable
        {
            return Ok(executable.into_std_path_buf());
        }
    }
    bail!("{} built no executable", name(&cargo))
}

fn run_to_end(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", name(command), output.status);
    }
    Ok(output.stdout)
}

/// Removes the sections that only a debugger or a linker reads. They are nine tenths of the object,
/// and all of it is parsed at each load. BTF stays: the kernel reads it and shows the source with
/// it.
fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object)?;
    for section in builder.sections.iter_mut() {
        section.delete |= UNREAD.iter().any(|kind| section.name.starts_with(kind.as_bytes()));
    }
    builder.delete_orphans();
    // LLVM uses one table for the names of symbols and sections, which this library cannot write.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(stripped)
}

/// Fails when the object in the repository differs from the one that its sources give.
fn check(workspace: &Workspace) -> Result<()> {
    if let Committed::Stale(reason) = look(workspace)? {
        bail!(
            "the eBPF object in the repository is outdated: {reason}. Build it with \
             `cargo xtask object` and commit it"
        );
    }
    let Committed::Fits(committed) = look(workspace)? else {
        bail!("the sources of the eBPF programs have just changed: try again");
    };
    let [_, path] = files(workspace.root());
    let recorded = Record::read(&path)?;
    let toolchain = BpfToolchain::ensure(workspace)?;
    let (object, built) = build(workspace, &toolchain)?;
    if recorded.compiler != built.compiler || recorded.linker != built.linker {
        println!(
            "object: its digest matches the sources. Its bytes were not compared: it was built by \
             {} with {}, but this machine has {} with {}",
            recorded.compiler, recorded.linker, built.compiler, built.linker
        );
        return Ok(());
    }
    let different = compare::differences(&committed, &object)?;
    if !different.is_empty() {
        bail!(
            "the eBPF object in the repository differs from one built now in {}. Build it with \
             `cargo xtask object` and commit it",
            different.join(", ")
        );
    }
    println!("object: the object in the repository is identical to one built from its sources");
    Ok(())
}
