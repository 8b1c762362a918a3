//! The model of a lab: the topology file, the NAT rules, and the drawings of a lab.
//! It makes no system calls, so that its tests need neither root nor the eBPF toolchain.

mod count;
pub mod graph;
pub mod rules;
pub mod topology;

pub use count::counted;
