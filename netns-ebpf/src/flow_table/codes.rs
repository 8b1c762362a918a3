//! The numbers that functions of the flow table return: the verifier lets a function that it
//! follows by itself return nothing else.

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// The insertion is done.
pub(crate) const DONE: i32 = 0;
/// The key has a record already.
pub(crate) const EXISTS: i32 = 1;
/// There is no room, or no such record.
pub(crate) const FULL: i32 = 2;
