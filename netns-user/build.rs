//! Builds the eBPF object that the `datapath` module embeds.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aya_build::{Package, Toolchain};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// Sections that nothing reads any more, by the beginning of their names.
const UNREAD: [&str; 3] = [".debug_", ".rel.debug_", ".rel.BTF"];

fn main() -> anyhow::Result<()> {
    // Set by xtask, which knows what is installed; a path of a toolchain or a rustup name.
    println!("cargo:rerun-if-env-changed=NETNS_BPF_TOOLCHAIN");
    // The object holds this crate's logic.
    println!("cargo:rerun-if-changed=../netns-common");
    // Else each line of the inner cargo's progress becomes a warning that cargo repeats.
    let mut variables = vec![("CARGO_TERM_QUIET", OsString::from("true"))];
    if let Some(crates) = env::var_os("NETNS_BPF_UNSTABLE_CRATES") {
        variables.push(("RUSTC_BOOTSTRAP", crates));
    }
    let toolchain = env::var("NETNS_BPF_TOOLCHAIN").ok();
    if let Some(folder) = toolchain.as_deref().filter(|name| name.starts_with('/')) {
        // Where there is no rustup to be told, PATH says whose compiler and cargo it is.
        let path = env::var_os("PATH").unwrap_or_default();
        let programs = [Path::new(folder).join("bin")];
        let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path)))?;
        variables.push(("PATH", path));
    }
    for (name, value) in variables {
        // SAFETY: a build script is a process of its own, and this is its only thread so far.
        unsafe { env::set_var(name, value) };
    }
    let toolchain = toolchain.as_deref().map_or(Toolchain::Nightly, Toolchain::Custom);
    let package = Package { name: "netns-ebpf", root_dir: "../netns-ebpf", ..Package::default() };
    let out = env::var_os("OUT_DIR").map(PathBuf::from).context("cargo sets OUT_DIR")?;
    let object = out.join("netns-ebpf");
    let is_skipped = env::var_os("AYA_BUILD_SKIP").is_some();
    if is_skipped && !object.exists() {
        // What is checked embeds a file, which must be there; what runs needs a true one.
        fs::write(&object, []).with_context(|| format!("cannot write {}", object.display()))?;
    }
    aya_build::build_ebpf([package], toolchain).context(
        "cannot build the eBPF programs: `cargo xtask build` installs the toolchain that they \
         need and builds them with it. For a plain cargo command this is nightly Rust with \
         rust-src, and bpf-linker; to check host code alone set AYA_BUILD_SKIP=1",
    )?;
    if is_skipped {
        return Ok(());
    }
    strip(&object).with_context(|| format!("cannot strip {}", object.display()))
}

/// Takes out what only a debugger and a linker read: nine tenths of the object, all of which is
/// gone through each time it is loaded. BTF, which the kernel reads and shows the source by, stays.
fn strip(object: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(object)?;
    let mut builder = Builder::read(bytes.as_slice())?;
    for section in builder.sections.iter_mut() {
        section.delete |= UNREAD.iter().any(|kind| section.name.starts_with(kind.as_bytes()));
    }
    builder.delete_orphans();
    // LLVM has one table for the names of symbols and of sections, which cannot be written here.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(fs::write(object, stripped)?)
}
