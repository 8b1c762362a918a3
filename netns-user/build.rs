//! Builds the eBPF object that the `datapath` module embeds.

use aya_build::{Package, Toolchain};

fn main() -> anyhow::Result<()> {
    // Set by xtask, which knows what is installed; a path of a toolchain or a rustup name.
    println!("cargo:rerun-if-env-changed=NETNS_BPF_TOOLCHAIN");
    // The object holds this crate's logic.
    println!("cargo:rerun-if-changed=../netns-common");
    let toolchain = std::env::var("NETNS_BPF_TOOLCHAIN").ok();
    let toolchain = toolchain.as_deref().map_or(Toolchain::Nightly, Toolchain::Custom);
    let package = Package { name: "netns-ebpf", root_dir: "../netns-ebpf", ..Package::default() };
    aya_build::build_ebpf([package], toolchain)
}
