//! Forwarding: of the machine itself, and from each of a lab's interfaces in routers.
//!
//! Above it are `apply` and `take_down`, which switch forwarding on and off. It uses the record and
//! the actual state.

pub(in crate::lab) mod gates;
pub(in crate::lab) mod machine;
