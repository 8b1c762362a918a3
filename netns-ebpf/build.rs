//! What the linker, which generates the code, is told.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Who compiles for BPF says for which machine's.
    println!("cargo::rustc-check-cfg=cfg(bpf_target_arch, values(any()))");
    // Equal ends of several ways are not made one: the jumps back to the one that stays are such
    // that x86's BPF compiler (seen with Linux 6.18) does not always come to rest over the sizes of
    // the jumps of a large program, and then the kernel refuses it with error 524.
    println!("cargo::rustc-link-arg-bins=--llvm-args=--enable-tail-merge=false");
    // Else what is to be cleared or copied is so by a call, byte after byte: an argument of 64
    // bytes costs 250 instructions, and each packet has one or two.
    println!("cargo::rustc-link-arg-bins=--disable-expand-memcpy-in-order");
}
