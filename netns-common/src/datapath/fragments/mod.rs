//! Fragments: the note about each datagram, and the way through the reassembler for fragments that
//! come out of order. Uses every wing down to `context`.

pub(crate) mod first;
pub(crate) mod reassembler;
pub(crate) mod resume;
pub(crate) mod table;
