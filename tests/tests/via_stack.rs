//! Repeats the tests of the datapath with `via_stack`: the test library recognises this executable
//! by its name and builds every lab with that option.

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
#[path = "host_traffic.rs"]
mod host_traffic;
#[path = "icmp.rs"]
mod icmp;
#[path = "lab_border/main.rs"]
mod lab_border;
#[path = "leaks_during_changes.rs"]
mod leaks_during_changes;
#[path = "machine_as_router.rs"]
mod machine_as_router;
#[path = "masquerade.rs"]
mod masquerade;
#[path = "other_nats.rs"]
mod other_nats;
#[path = "policy_routing.rs"]
mod policy_routing;
#[path = "port_ownership.rs"]
mod port_ownership;
#[path = "protocols.rs"]
mod protocols;
#[path = "quotas.rs"]
mod quotas;
#[path = "reclaim_and_evict.rs"]
mod reclaim_and_evict;
#[path = "rule_options.rs"]
mod rule_options;
#[path = "two_routers.rs"]
mod two_routers;
#[path = "uplink_addresses.rs"]
mod uplink_addresses;
