//! The kernel's network objects: namespaces, links, addresses, routes, sysctls.
//!
//! All calls of rtnetlink are in this folder. It knows nothing of labs, and uses only `files`,
//! `locks`, `output` and `shell`, the types of rules, and what `topology` says of names.

mod address;
pub mod connections;
mod error;
pub(crate) mod etc_netns;
mod exchange;
pub mod firewall;
pub(crate) mod hosts;
pub mod kernel;
mod link;
mod link_events;
mod link_message;
pub mod listeners;
mod location;
mod neighbour;
mod netlink;
pub mod netns;
mod peer;
mod reassembler;
pub(crate) mod resolver;
mod route;
mod route_socket;
mod routing_rule;
pub mod sockets;
pub mod sysctl;

pub use address::Address;
pub use error::NetError;
pub use hosts::HostEntry;
pub use link::{
    BRIDGE, Cable, ETHERNET_MTU, Link, Mac, Peer, PortState, VETH, bridge_mtu_to_begin_with,
};
pub use link_events::LinkEvents;
pub use location::{Interface, Netns};
pub use neighbour::Neighbour;
pub use netlink::Netlink;
pub use reassembler::{Reassembler, ReassemblerLimits};
pub use route::{Route, TableRoute};
pub use routing_rule::RoutingRule;
