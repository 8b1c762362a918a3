//! The programs in the kernel, attached nowhere: a test, or the verifier check, runs them over one
//! packet at a time. Every function here panics when the kernel refuses what it asks for.

mod kernel;
mod router;

pub use kernel::{Kernel, Ran};
pub use router::router;
