//! The code that the kernel side and the userspace side of `netns` share.
//!
//! - [`abi`]: the types that lie in BPF maps, their names and sizes.
//! - [`datapath`]: the NAT, pure logic over the traits [`datapath::Packet`] and
//!   [`datapath::Tables`]; the kernel and the host model implement both.
//! - `model` (feature `model`): that host implementation, for tests.
#![no_std]

#[cfg(feature = "model")]
extern crate std;

pub mod abi;
pub mod datapath;
#[cfg(feature = "model")]
pub mod model;
