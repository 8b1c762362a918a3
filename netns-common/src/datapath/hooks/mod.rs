//! The hooks: each handles a packet from its entry program to the flow that forwards it, or to the
//! new flow that it begins. Uses all other folders.

pub(crate) mod from_namespace;
pub(crate) mod from_uplink;
pub(crate) mod host_sockets;
pub(crate) mod mss_clamp;
pub(crate) mod other_nat;
pub(crate) mod reroute;
pub(crate) mod same_bridge;
pub(crate) mod source_check;
pub(crate) mod to_uplink;
