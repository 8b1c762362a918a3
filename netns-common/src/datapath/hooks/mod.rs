//! The hooks: what each does with a packet, from its entry program to the flow that carries it or
//! the new flow that it begins. Uses every other wing.

pub(crate) mod egress;
pub(crate) mod from_namespace;
pub(crate) mod from_uplink;
pub(crate) mod host_sockets;
pub(crate) mod mss_clamp;
pub(crate) mod other_nat;
pub(crate) mod reroute;
pub(crate) mod same_bridge;
pub(crate) mod source_check;
pub(crate) mod to_uplink;
