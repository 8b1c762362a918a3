//! The tests of what the datapath does with packets once more, for labs whose translated packets
//! take the way through the kernel's stack: by its name, this binary has each lab made so.

#[path = "bridge_ports.rs"]
mod bridge_ports;
#[path = "expiry.rs"]
mod expiry;
#[path = "floods.rs"]
mod floods;
#[path = "flows.rs"]
mod flows;
#[path = "forward.rs"]
mod forward;
#[path = "fragments.rs"]
mod fragments;
#[path = "host_beside.rs"]
mod host_beside;
#[path = "icmp.rs"]
mod icmp;
#[path = "inside/main.rs"]
mod inside;
#[path = "masquerade.rs"]
mod masquerade;
#[path = "moments.rs"]
mod moments;
#[path = "other_nats.rs"]
mod other_nats;
#[path = "own_router.rs"]
mod own_router;
#[path = "policy_routing.rs"]
mod policy_routing;
#[path = "protocols.rs"]
mod protocols;
#[path = "quotas.rs"]
mod quotas;
#[path = "room.rs"]
mod room;
#[path = "routers.rs"]
mod routers;
#[path = "rule_kinds.rs"]
mod rule_kinds;
#[path = "uplink_addresses.rs"]
mod uplink_addresses;
#[path = "whose_port.rs"]
mod whose_port;
