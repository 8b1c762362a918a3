//! The border of a lab: a packet of the lab leaves translated, or untranslated because a rule says
//! so, or not at all. `leaks_during_changes` tests the same while a lab changes.

mod egress_rules;
mod foreign_links;
mod foreign_packets;
mod foreign_ports;
mod ipv6;
mod late_addresses;
mod routed_networks;
mod unusual_frames;

use std::net::SocketAddr;

use netns_tests::{Inside, LabFile, UdpEcho, ask_echo, inside, ip};

/// The router's address at its uplink.
const EXTERNAL: &str = "192.168.1.10";

/// Pings once and expects an ICMP error "communication administratively prohibited" (3/13).
#[track_caller]
fn is_refused(from: &str, arguments: &[&str]) {
    let ping = [&["-n", "-c", "1", "-W", "60"][..], arguments].concat();
    let output = inside(from).command("ping", &ping);
    assert!(!output.status.success(), "{output}\nexpected no answer");
    output.shows(&["Packet filtered"]);
}

/// Sends pings without DF that are larger than one frame.
#[track_caller]
fn ping_in_fragments(from: &str, to: &str) {
    for bytes in ["1420", "4000"] {
        let ping = ["-n", "-c", "1", "-W", "60", "-M", "dont", "-s", bytes, to];
        inside(from).command("ping", &ping).success();
    }
}

/// Sends a datagram to an echo server, and returns the source that the server sees.
#[track_caller]
fn seen_by(server: &UdpEcho, from: &Inside, to: &str) -> SocketAddr {
    ask_echo(&from.udp("0.0.0.0:0"), to);
    server.next_peer()
}

/// Makes red a router for the network 10.9.0.0/24, in which the namespace `far` is 10.9.0.2, and
/// gives the lab's router a route to it.
fn with_a_network_behind_red(lab: LabFile) -> LabFile {
    lab.replace("[router]", "[router]\nroutes = [{ to = \"10.9.0.0/24\", via = \"10.1.0.2\" }]")
        .replace("name = \"red\"", "name = \"red\"\nforwarding = true\nsource_check = false")
        .text(
            r#"
[[namespace]]
name = "far"
routes = [{ to = "default", via = "10.9.0.1" }]

[[cable]]
a = { namespace = "red", interface = "in", address = "10.9.0.1/24" }
b = { namespace = "far", interface = "eth0", address = "10.9.0.2/24" }
"#,
        )
}

/// Adds networks that leave by the uplink untranslated.
fn with_routed(lab: LabFile, networks: &[&str]) -> LabFile {
    lab.replace("name = \"wan\"", &format!("name = \"wan\"\nrouted = {networks:?}"))
}

/// Adds a route from the outside to inside addresses through the router.
fn outside_knows_the_way_in() {
    ip(&inside("outside"), "route add 10.0.0.0/8 via 192.168.1.10");
}
