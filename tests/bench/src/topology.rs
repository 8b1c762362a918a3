//! Builds the networks: a client, a server, and the cable or router between them.

use std::{fs, net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result};
use netns_tests::netns_path;

use crate::{
    networks::Network,
    tools::{finish, ip, set, tool},
    workloads,
};

/// The addresses of the server, of the router's uplink, of the client, and of its neighbour.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub(crate) const UPLINK: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 1);
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 2);

/// The sink: the destinations of packets that are only counted. Its next hop is on the server's
/// cable and has an Ethernet address that no interface has. The server's interface counts such a
/// packet, and IP drops it at once as one for another host (`ip_rcv_core`). This costs little,
/// needs neither a module nor a filter, and is the same in every mode.
pub(crate) const SINK: &str = "10.128.0.0/9";
pub(crate) const SINK_HOP: &str = "192.168.1.99";
pub(crate) const SINK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const SINK_MAC_TEXT: &str = "02:00:00:00:00:99";

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

pub(crate) fn lab_file(network: &Network) -> String {
    format!("/run/{}.toml", network.router)
}

/// The topology file of the lab.
pub(crate) fn lab_text(network: &Network) -> String {
    let Network { client, neighbour, .. } = network;
    let router = router_text(network);
    format!(
        r#"{router}
[[bridge]]
name = "v-net-0"
address = "192.168.15.5/24"
[[namespace]]
name = "{client}"
interface = "eth0"
port = "red"
bridge = "v-net-0"
address = "{CLIENT}/24"
[[namespace]]
name = "{neighbour}"
interface = "eth0"
port = "blue"
bridge = "v-net-0"
address = "{NEIGHBOUR}/24"
[[masquerade]]
source = "192.168.15.0/24"
uplink = "ens3"
"#
    )
}

/// The part of the topology file that all labs share: the name, the router and its uplink.
pub(crate) fn router_text(network: &Network) -> String {
    let Network { server, router, .. } = network;
    let (nat, uplink) = (network.mode.nat_keys(network.kind), network.mode.uplink_keys());
    format!(
        r#"name = "{router}"
[nat]
{nat}
[router]
namespace = "{router}"
routes = [{{ to = "{SINK}", via = "{SINK_HOP}" }}]
[[uplink]]
name = "ens3"
address = "{UPLINK}/24"
gateway = "{SERVER}"
{uplink}
outside = {{ namespace = "{server}", interface = "eth0", address = "{SERVER}/24" }}"#
    )
}

/// Prepares both ends for many connections in a row and for many destinations, and adds the sink.
fn prepare_ends(network: &Network) -> Result<()> {
    ip(&format!("-n {} link set lo up", network.server))?;
    ip(&format!("-n {} route add local 10.0.0.0/9 dev lo", network.server))?;
    for end in [&network.client, &network.server] {
        set(end, "ipv4/ip_local_port_range", "1024 65535")?;
        set(end, "ipv4/tcp_tw_reuse", "1")?;
        // The end that connects in one workload listens in another.
        set(end, "ipv4/ip_local_reserved_ports", &workloads::server_ports())?;
    }
    if let Some(router) = network.router_namespace() {
        add_sink(router)?;
    }
    Ok(())
}

/// Adds the neighbour entry of the sink's next hop in the router's namespace.
pub(crate) fn add_sink(router: &str) -> Result<()> {
    ip(&format!(
        "-n {router} neighbour replace {SINK_HOP} lladdr {SINK_MAC_TEXT} dev ens3 nud permanent"
    ))
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
