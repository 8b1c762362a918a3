//! Network labs on one Linux machine, with NAT in eBPF.

pub mod cli;
pub mod commands;
pub mod datapath;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod lab;
mod locks;
pub mod net;
pub mod output;
mod processes;
mod shell;
pub mod step;
mod threads;

pub use netns_topology::{graph, rules, topology};
