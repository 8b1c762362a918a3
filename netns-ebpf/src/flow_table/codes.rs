//! The numbers that functions of the flow table return: the verifier permits a global function to
//! return only a number.

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// The insertion is done.
pub(crate) const DONE: i32 = 0;
/// The key has a record already.
pub(crate) const EXISTS: i32 = 1;
/// The table or bucket has no room, or there is no such record.
pub(crate) const FULL: i32 = 2;
