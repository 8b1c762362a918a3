//! Networks of a client, a server, and what is between them.

use std::{fs, net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result};
use netns_tests::netns_path;

use crate::{
    places::Place,
    tools::{finish, ip, set, tool},
    works,
};

/// The addresses of the server, of the router's uplink, of the client, and of its neighbour.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub(crate) const UPLINK: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 1);
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 2);

/// Where packets go that are only to be counted. The next hop is on the server's cable, and has
/// an Ethernet address that is nobody's: the server's interface counts the packet, and IP drops it
/// as another host's before it looks any further (`ip_rcv_core`). That costs little, needs no
/// module and no filter, and is the same in every mode.
pub(crate) const SINK: &str = "10.128.0.0/9";
pub(crate) const SINK_HOP: &str = "192.168.1.99";
pub(crate) const SINK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const SINK_MAC_TEXT: &str = "02:00:00:00:00:99";

/// Client and server with one cable between them.
pub(crate) fn cable(place: &Place) -> Result<()> {
    let (client, server) = (&place.client, &place.server);
    ip(&format!("netns add {client}"))?;
    ip(&format!("netns add {server}"))?;
    ip(&format!("link add eth0 netns {client} type veth peer name eth0 netns {server}"))?;
    ip(&format!("-n {client} address add {UPLINK}/24 dev eth0"))?;
    ip(&format!("-n {server} address add {SERVER}/24 dev eth0"))?;
    ip(&format!("-n {client} link set eth0 up"))?;
    ip(&format!("-n {server} link set eth0 up"))?;
    ip(&format!("-n {client} route add default via {SERVER}"))?;
    ready(place)
}

/// A client on a bridge of a router, with a neighbour, and the server beyond the router's uplink
/// `ens3`. The server has a route to the client, so that no NAT is needed.
pub(crate) fn routed(place: &Place) -> Result<()> {
    let Place { client, neighbour, server, router, .. } = place;
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
    ready(place)
}

/// The same network as a lab of ours.
pub(crate) fn lab(place: &Place) -> Result<()> {
    let file = lab_file(place);
    fs::write(&file, lab_text(place)).with_context(|| format!("cannot write {file}"))?;
    finish(Command::new(netns_path()).args(["up", &file]))?;
    ready(place)
}

pub(crate) fn lab_file(place: &Place) -> String {
    format!("/run/{}.toml", place.router)
}

/// What is in that file.
pub(crate) fn lab_text(place: &Place) -> String {
    let Place { client, neighbour, server, router, .. } = place;
    let (nat, uplink) = (place.mode.nat(place.kind), place.mode.uplink());
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
outside = {{ namespace = "{server}", interface = "eth0", address = "{SERVER}/24" }}
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

/// What both ends need for many connections one after another, and for many destinations; and
/// where the sink is.
fn ready(place: &Place) -> Result<()> {
    ip(&format!("-n {} link set lo up", place.server))?;
    ip(&format!("-n {} route add local 10.0.0.0/9 dev lo", place.server))?;
    for end in [&place.client, &place.server] {
        set(end, "ipv4/ip_local_port_range", "1024 65535")?;
        set(end, "ipv4/tcp_tw_reuse", "1")?;
        // Whoever connects now listens in another work.
        set(end, "ipv4/ip_local_reserved_ports", &works::server_ports())?;
    }
    if let Some(router) = place.has_router() {
        sink(router)?;
    }
    Ok(())
}

/// Gives the sink's next hop its address, in the router's namespace.
pub(crate) fn sink(router: &str) -> Result<()> {
    ip(&format!(
        "-n {router} neighbour replace {SINK_HOP} lladdr {SINK_MAC_TEXT} dev ens3 nud permanent"
    ))
}

/// Switches off what lets the ends hand over many segments as one, on every link.
pub(crate) fn without_offloads(place: &Place) -> Result<()> {
    let Place { client, neighbour, server, .. } = place;
    let mut links = vec![(client, "eth0"), (server, "eth0")];
    if place.has_router().is_some() {
        links.push((neighbour, "eth0"));
        links.extend(["red", "blue", "ens3", "v-net-0"].map(|link| (&place.router, link)));
    }
    for (namespace, link) in links {
        tool(namespace, "ethtool", &format!("-K {link} tso off gso off gro off"))?;
    }
    Ok(())
}
