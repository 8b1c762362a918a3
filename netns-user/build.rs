//! Builds the eBPF object that the `datapath` module embeds.

use std::{env, ffi::OsString, fs, path::Path};

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

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
    if env::var_os("AYA_BUILD_SKIP").is_some() {
        // What is checked embeds a file, which must be there; what runs needs a true one.
        let object =
            Path::new(&env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("netns-ebpf");
        if !object.exists() {
            fs::write(&object, []).with_context(|| format!("cannot write {}", object.display()))?;
        }
    }
    aya_build::build_ebpf([package], toolchain).context(
        "cannot build the eBPF programs: `cargo xtask build` installs the toolchain that they \
         need and builds them with it. For a plain cargo command this is nightly Rust with \
         rust-src, and bpf-linker; to check host code alone set AYA_BUILD_SKIP=1",
    )
}
