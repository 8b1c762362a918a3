//! Network labs on one Linux machine, with NAT in eBPF.
//!
//! From top to bottom: `commands` with `cli`; `doctor` and `demo`; `lab`; `step`, `datapath` and
//! `graph`; `topology`; `inhabitants`; `net`; `rules`, `output` and the small modules. Each uses only
//! those below it.

pub mod cli;
pub mod commands;
pub mod datapath;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod graph;
mod inhabitants;
pub mod lab;
mod locks;
pub mod net;
pub mod output;
mod processes;
pub mod rules;
mod shell;
pub mod step;
mod threads;
pub mod topology;
