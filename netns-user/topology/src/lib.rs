//! What a lab is: the topology file and its model, the NAT rules, and drawings of the lab.
//! Pure: no system call, so the tests of this crate need neither root nor the eBPF toolchain.

mod count;
pub mod graph;
pub mod rules;
pub mod topology;

pub use count::counted;
