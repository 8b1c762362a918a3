//! Virtual machines with other kernels. Debian's kernels, and qemu if it is not installed, are
//! downloaded and unpacked in target/virtual-machines; nothing is installed. A machine has no disk
//! and no network: its files are an initial file system, and its first process is a program of
//! ours, which powers it off.
//!
//! `verify` and `bench` use it. It uses only `packages`, `step` and `workspace`.

mod archive;
mod console;
mod initramfs;
mod kernel_modules;
mod kernels;
mod machine;
mod tools;

pub(crate) use console::watch;
pub(crate) use initramfs::File;
pub(crate) use kernels::{Kernel, number_of};
pub(crate) use machine::{Clock, Guest, Machine};
pub(crate) use tools::with_libraries;
