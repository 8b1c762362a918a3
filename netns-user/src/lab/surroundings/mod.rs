//! Surroundings: what else a machine has that changes what becomes of the packets of a lab.
//!
//! Everything here only looks, for `doctor` and for the warnings of commands.

pub(crate) mod queues;
pub(crate) mod shadowed;
pub(crate) mod uncovered;
