//! Fragments: the record of each datagram, and the detour through the reassembler for fragments
//! that come out of order. Uses all folders up to `context`, in the order of [`datapath`](super).

pub(crate) mod first;
pub(crate) mod reassembler;
pub(crate) mod resume;
pub(crate) mod table;
