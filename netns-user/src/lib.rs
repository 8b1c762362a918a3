//! Network labs on one Linux machine, with NAT in eBPF.

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
