//! tcx egress of an uplink. Every packet that leaves runs through the egress guard; what the
//! kernel's stack forwarded from the lab is translated here, and a connection of the host has
//! precedence over a flow that has its port.

pub(crate) mod egress_guard;
pub(crate) mod host;
pub(crate) mod stack_forwarded;
