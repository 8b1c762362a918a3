//! Forwarding: of the machine itself, and from each of a lab's interfaces in routers.
//!
//! It uses the record, the actual state and the gates of a topology. `apply` and `take_down` use
//! it.

pub(in crate::lab) mod gates;
pub(in crate::lab) mod machine;
