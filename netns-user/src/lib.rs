//! Network labs on one Linux machine, with NAT in eBPF.

pub mod datapath;
pub mod net;
pub mod rules;
pub mod topology;
