//! Passes options to the linker, which generates the code.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The build for BPF says which machine's kernel it is for.
    println!("cargo::rustc-check-cfg=cfg(bpf_target_arch, values(any()))");
    // Do not merge equal ends of several paths. The jumps back to a merged end can keep the BPF
    // compiler of x86 (seen with Linux 6.18) from converging on the sizes of the jumps of a large
    // program, and then the kernel refuses the program with error 524.
    println!("cargo::rustc-link-arg-bins=--llvm-args=--enable-tail-merge=false");
    // Otherwise values are cleared and copied by a call, one byte at a time: an argument of 64
    // bytes costs 250 instructions, and each packet has one or two.
    println!("cargo::rustc-link-arg-bins=--disable-expand-memcpy-in-order");
}
