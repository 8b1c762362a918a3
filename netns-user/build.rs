//! Unpacks the eBPF object that the `datapath` module embeds.

use std::{env, error::Error, fs, path::Path};

use netns_ebpf_object::{Committed, committed, files, inputs};

#[expect(clippy::disallowed_macros, reason = "cargo reads what a build script prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("..");
    for input in inputs(root).iter().chain(&files(root)) {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    let target = match env::var("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let object = match committed(root, target)? {
        Committed::Fits(object) => object,
        Committed::Stale(reason) => {
            // Whoever only checks or tests host code needs no eBPF programs. A program without
            // them says so as soon as it is to load them.
            println!(
                "cargo::warning=the eBPF object is left out: {reason}. `cargo xtask build` builds \
                 it anew"
            );
            Vec::new()
        }
    };
    let out = Path::new(&env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?).join("netns-ebpf");
    Ok(fs::write(out, object)?)
}
