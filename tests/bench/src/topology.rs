//! Builds the networks: a client, a server, and the cable or router between them.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use netns_tests::{inside, mac_of, netns_path};

use crate::{
    lab_file::{lab_file, lab_text},
    modes::Mode,
    network::{CLIENT, NEIGHBOUR, Network, SERVER, SINK, SINK_HOP, SINK_MAC_TEXT, UPLINK},
    tools::{finish, ip, set, tool},
    workloads::catalogue::server_ports,
};

/// Builds a client and a server with one cable between them.
pub(crate) fn cable(network: &Network) -> Result<()> {
    let (client, server) = (&network.client, &network.server);
    ip(&format!("netns add {client}"))?;
    ip(&format!("netns add {server}"))?;
    ip(&format!("link add eth0 netns {client} type veth peer name eth0 netns {server}"))?;
    ip(&format!("-n {client} address add {UPLINK}/24 dev eth0"))?;
    ip(&format!("-n {server} address add {SERVER}/24 dev eth0"))?;
    ip(&format!("-n {client} link set eth0 up"))?;
    ip(&format!("-n {server} link set eth0 up"))?;
    ip(&format!("-n {client} route add default via {SERVER}"))?;
    prepare_ends(network)
}

/// Builds a client and its neighbour on the bridge of a router, and the server behind the router's
/// uplink `ens3`. The server has a route to the client, so no NAT is needed.
pub(crate) fn routed(network: &Network) -> Result<()> {
    let Network { client, neighbour, server, router, .. } = network;
    for namespace in [client, neighbour, server, router] {
        ip(&format!("netns add {namespace}"))?;
    }
    ip(&format!("-n {router} link add v-net-0 type bridge"))?;
    ip(&format!("-n {router} address add 192.168.15.5/24 dev v-net-0"))?;
    ip(&format!("-n {router} link set v-net-0 up"))?;
    for (inside, port, address) in [(client, "red", CLIENT), (neighbour, "blue", NEIGHBOUR)] {
        ip(&format!("link add eth0 netns {inside} type veth peer name {port} netns {router}"))?;
        ip(&format!("-n {router} link set {port} master v-net-0 up"))?;
        ip(&format!("-n {inside} address add {address}/24 dev eth0"))?;
        ip(&format!("-n {inside} link set eth0 up"))?;
        ip(&format!("-n {inside} route add default via 192.168.15.5"))?;
    }
    ip(&format!("link add eth0 netns {server} type veth peer name ens3 netns {router}"))?;
    ip(&format!("-n {router} address add {UPLINK}/24 dev ens3"))?;
    ip(&format!("-n {router} link set ens3 up"))?;
    ip(&format!("-n {router} route add default via {SERVER}"))?;
    ip(&format!("-n {router} route add {SINK} via {SINK_HOP}"))?;
    ip(&format!("-n {server} address add {SERVER}/24 dev eth0"))?;
    ip(&format!("-n {server} link set eth0 up"))?;
    ip(&format!("-n {server} route add 192.168.15.0/24 via {UPLINK}"))?;
    set(router, "ipv4/ip_forward", "1")?;
    prepare_ends(network)
}

/// Builds the same network as a lab of ours.
pub(crate) fn lab(network: &Network) -> Result<()> {
    let file = lab_file(network);
    fs::write(&file, lab_text(network)).with_context(|| format!("cannot write {file}"))?;
    finish(Command::new(netns_path()).args(["up", &file]))?;
    prepare_ends(network)
}

/// Prepares both ends for many connections in a row and for many destinations, and adds the sink.
fn prepare_ends(network: &Network) -> Result<()> {
    ip(&format!("-n {} link set lo up", network.server))?;
    ip(&format!("-n {} route add local 10.0.0.0/9 dev lo", network.server))?;
    for end in [&network.client, &network.server] {
        set(end, "ipv4/ip_local_port_range", "1024 65535")?;
        set(end, "ipv4/tcp_tw_reuse", "1")?;
        // The end that connects in one workload listens in another.
        set(end, "ipv4/ip_local_reserved_ports", &server_ports())?;
    }
    add_sink(network)
}

/// Adds the neighbour entry of the sink's next hop in the router's namespace, if there is one.
pub(crate) fn add_sink(network: &Network) -> Result<()> {
    let Some(router) = network.router_namespace() else { return Ok(()) };
    // `redirect_peer` delivers only frames with the far end's own address. The server then drops
    // the packet for want of a route, which takes longer.
    let address = match network.mode {
        Mode::OursPeer => {
            mac_of(&inside(&network.server), "eth0").map(|byte| format!("{byte:02x}")).join(":")
        }
        _ => SINK_MAC_TEXT.to_owned(),
    };
    ip(&format!("-n {router} neighbour replace {SINK_HOP} lladdr {address} dev ens3 nud permanent"))
}

/// Switches segmentation and receive offloads off on every link.
pub(crate) fn disable_offloads(network: &Network) -> Result<()> {
    let Network { client, neighbour, server, .. } = network;
    let mut links = vec![(client, "eth0"), (server, "eth0")];
    if network.router_namespace().is_some() {
        links.push((neighbour, "eth0"));
        links.extend(["red", "blue", "ens3", "v-net-0"].map(|link| (&network.router, link)));
    }
    for (namespace, link) in links {
        tool(namespace, "ethtool", &format!("-K {link} tso off gso off gro off"))?;
    }
    Ok(())
}

/// Sets whether bridged packets go through netfilter. A kernel without br_netfilter counts as off.
pub(crate) fn bridge_netfilter(network: &Network, on: bool) -> Result<()> {
    const KEY: &str = "bridge/bridge-nf-call-iptables";
    let path = format!("/proc/sys/net/{KEY}");
    if !on && !std::path::Path::new(&path).exists() {
        return Ok(());
    }
    set(&network.router, KEY, if on { "1" } else { "0" })
        .context("br_netfilter is not there: `modprobe br_netfilter`")
}
