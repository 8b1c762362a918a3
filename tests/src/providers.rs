//! A lab whose router has two providers.

use std::net::UdpSocket;

use crate::{inside, ip, lab, outside};

/// The networks of the providers.
const PROVIDERS: [&str; 2] = ["na", "nb"];

/// Builds a lab whose router "gw" has two uplinks: `isp-a` (192.0.2.2) with the default route, and
/// `isp-b` (198.51.100.2). Beyond each is the same server, 8.8.8.8, in the namespaces `na` and `nb`.
/// Its bridge is 10.1.0.1; red is 10.1.0.2 and blue 10.1.0.3. `rules` are more lines of its file.
#[track_caller]
pub fn two_providers(rules: &str) {
    let lab = lab("providers")
        .router("gw")
        .uplink("isp-a", "192.0.2.2/24", &outside("na", "192.0.2.1/24", &[]))
        // Without a gateway, for which there is no word: no route leads by it.
        .text("[[uplink]]")
        .text("name = \"isp-b\"")
        .text("address = \"198.51.100.2/24\"")
        .text(&format!("outside = {}", outside("nb", "198.51.100.1/24", &[])))
        .bridge("br0", "10.1.0.1/24")
        .namespace("red", "br0", "10.1.0.2/24")
        .namespace("blue", "br0", "10.1.0.3/24")
        .text(rules);
    lab.up().success();
    for provider in PROVIDERS {
        ip(&inside(provider), "addr add 8.8.8.8/32 dev lo");
    }
}

/// Adds a second default route to the router of [`two_providers`], by `isp-b` and in a table of its
/// own, and a rule of `ip rule` that leads there.
#[track_caller]
pub fn lead_to_the_second(rule: &str) {
    let gateway = inside("gw");
    ip(&gateway, "route replace default via 198.51.100.1 dev isp-b table 100");
    ip(&gateway, &format!("rule add {rule} table 100"));
}

/// Sockets of the server at this port, behind the one provider and behind the other.
#[must_use]
#[track_caller]
pub fn servers_of_both(port: u16) -> [UdpSocket; 2] {
    PROVIDERS.map(|provider| inside(provider).udp(("8.8.8.8", port)))
}
