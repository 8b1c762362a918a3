//! The topology files of labs of ours, which have the same networks as the other modes.

use crate::{
    modes::Mode,
    network::{CLIENT, NEIGHBOUR, Network, SERVER, SINK, SINK_HOP, UPLINK},
};

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
    let (nat, uplink) = (nat_keys(network), uplink_keys(network.mode));
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

/// The keys under `[nat]`.
fn nat_keys(network: &Network) -> String {
    let via_stack = if network.mode == Mode::OursViaStack { "via_stack = true" } else { "" };
    format!("{}\n{via_stack}", network.kind.nat_keys())
}

/// The keys of the uplink, besides its addresses.
fn uplink_keys(mode: Mode) -> &'static str {
    if mode == Mode::OursPeer { "redirect_peer = true" } else { "" }
}
