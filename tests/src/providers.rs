//! A lab whose router has two providers.

use std::net::UdpSocket;

use crate::{inside, ip, lab, outside};

/// The networks of the providers.
const PROVIDERS: [&str; 2] = ["na", "nb"];

/// Builds a lab whose router "gw" has two uplinks: `isp-a` (192.0.2.2) with the default route, and
/// `isp-b` (198.51.100.2). Behind each is a server 8.8.8.8, in the namespaces `na` and `nb`. Its
/// bridge has 10.1.0.1; red has 10.1.0.2 and blue 10.1.0.3. `rules` are further lines of its file.
#[track_caller]
pub fn two_providers(rules: &str) {
    let lab = lab("providers")
        .router("gw")
        .uplink("isp-a", "192.0.2.2/24", &outside("na", "192.0.2.1/24", &[]))
        // As TOML text, since `LabFile` cannot express an uplink without a gateway.
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

/// Adds a routing table with a default route by `isp-b` to the router of [`two_providers`], and an
/// `ip rule` with this selector for that table.
#[track_caller]
pub fn lead_to_the_second(rule: &str) {
    let gateway = inside("gw");
    ip(&gateway, "route replace default via 198.51.100.1 dev isp-b table 100");
    ip(&gateway, &format!("rule add {rule} table 100"));
}

/// Sockets of both servers at this port: behind the first provider and behind the second.
#[must_use]
#[track_caller]
pub fn servers_of_both(port: u16) -> [UdpSocket; 2] {
    PROVIDERS.map(|provider| inside(provider).udp(("8.8.8.8", port)))
}
