//! The surroundings of a lab: what else on the machine changes the way of its packets.
//!
//! Everything here only reads, for `doctor` and for the warnings of commands.

pub(crate) mod other_masquerades;
pub(crate) mod other_nats;
pub(crate) mod queues;
pub(crate) mod shadowed;
pub(crate) mod uncovered;
