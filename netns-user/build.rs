//! Builds the eBPF object that the `datapath` module embeds.

use std::env;

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

fn main() -> anyhow::Result<()> {
    // Set by xtask, which knows what is installed; a path of a toolchain or a rustup name.
    println!("cargo:rerun-if-env-changed=NETNS_BPF_TOOLCHAIN");
    // The object holds this crate's logic.
    println!("cargo:rerun-if-changed=../netns-common");
    // SAFETY: a build script is a process of its own, and this is its only thread so far.
    unsafe {
        // Else each line of the inner cargo's progress becomes a warning that cargo repeats.
        env::set_var("CARGO_TERM_QUIET", "true");
        if let Some(crates) = env::var_os("NETNS_BPF_UNSTABLE_CRATES") {
            env::set_var("RUSTC_BOOTSTRAP", crates);
        }
    }
    let toolchain = env::var("NETNS_BPF_TOOLCHAIN").ok();
    let toolchain = toolchain.as_deref().map_or(Toolchain::Nightly, Toolchain::Custom);
    let package = Package { name: "netns-ebpf", root_dir: "../netns-ebpf", ..Package::default() };
    aya_build::build_ebpf([package], toolchain).context(
        "cannot build the eBPF programs: `cargo xtask build` installs the toolchain that they \
         need and builds them with it. For a plain cargo command this is nightly Rust with \
         rust-src, and bpf-linker; to check host code alone set AYA_BUILD_SKIP=1",
    )
}
