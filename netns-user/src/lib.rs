//! Network labs on one Linux machine, with NAT in eBPF.
//!
//! From top to bottom: `commands` with `cli` and `habits`; `doctor` and `demo`; `lab`; `step` and
//! `datapath`; `inhabitants`; `net`; `output` and the small modules. Each uses only those below it.
//! All may use `topology`, `rules` and `graph`, which are a crate of their own.

pub mod cli;
pub mod commands;
pub mod datapath;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod habits;
mod inhabitants;
pub mod lab;
mod locks;
pub mod net;
pub mod output;
mod processes;
mod shell;
pub mod step;
mod threads;

pub use netns_topology::{graph, rules, topology};
