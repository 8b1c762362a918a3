//! Plays of whole labs: the demonstration, two uplinks, many namespaces.

use std::{fs, net::UdpSocket, time::Duration};

use netns_tests::{DEADLINE, LabFile, ask, eventually, inside, lab, netns, outside, receive};
use netns_user::net::Netlink;

/// How long to wait for a datagram that may be lost.
const GLANCE: Duration = Duration::from_millis(50);

const NAMESPACES: usize = 200;

/// `netns demo`: each of its checks passes.
pub(super) fn demo() {
    let checks = netns(&["demo", "--json"]).json();
    let checks = checks.as_array().expect("a list of checks");
    assert!(!checks.is_empty(), "no checks");
    for check in checks {
        assert_eq!(check["ok"], true, "a check of the demonstration: {check}");
    }
}

/// A router with two uplinks to one outside, whose host has 8.8.8.8 too, and a default route by
/// each: that by the first is used as long as there is one.
fn two_uplinks() -> LabFile {
    let second = outside("net", "198.51.100.1/24", &[]).replace("eth0", "eth1");
    lab("uplinks")
        .router("gw")
        .text("routes = [{ to = \"default\", via = \"198.51.100.1\", metric = 1000 }]")
        .uplink("isp-a", "192.0.2.2/24", &outside("net", "192.0.2.1/24", &["8.8.8.8"]))
        // As TOML text, since `LabFile` cannot express an uplink without a gateway.
        .text("[[uplink]]\nname = \"isp-b\"\naddress = \"198.51.100.2/24\"")
        .text(&format!("outside = {second}"))
        .bridge("br0", "10.1.0.1/23")
        .namespace("red", "br0", "10.1.0.2/23")
        // Packets get the address of the uplink that they leave by.
        .text("[[masquerade]]\nsource = \"10.1.0.0/23\"")
}

/// Sends datagrams until one arrives with this source. Those that are sent while a link goes down
/// or comes up may be lost.
#[track_caller]
fn arrives_from(source: &str, client: &UdpSocket, server: &UdpSocket) {
    server.set_read_timeout(Some(GLANCE)).expect("a timeout");
    eventually(&format!("a datagram comes from {source}"), DEADLINE, || {
        client.send_to(b"question", "8.8.8.8:53").expect("to send");
        let came = server.recv_from(&mut [0; 64]);
        came.is_ok_and(|(_, seen)| seen.ip().to_string() == source)
    });
}

/// When the first uplink goes down, a flow in use leaves by the second one; when `netns up` has
/// mended the first, it is back on that.
pub(super) fn failover() {
    let file = two_uplinks();
    file.up().success();
    let (client, server) = (inside("red").udp("10.1.0.2:40000"), inside("net").udp("8.8.8.8:53"));
    assert_eq!(ask(&client, &server, "question").ip().to_string(), "192.0.2.2");
    let switched_off = inside("gw").run(|| {
        let netlink = Netlink::open()?;
        netlink.set_down(&netlink.link("isp-a")?)
    });
    switched_off.expect("the first uplink can be switched off");
    netns(&["status"]).fails_with_code(1, &[]).shows(&["isp-a"]);
    arrives_from("198.51.100.2", &client, &server);
    file.up().success();
    arrives_from("192.0.2.2", &client, &server);
    netns(&["status"]).success();
}

/// The lab grows to many namespaces. Each reaches the outside, and nothing of the lab stays behind.
pub(super) fn many_namespaces() {
    two_uplinks().many("n{}", "br0", NAMESPACES).up().success();
    netns(&["status"]).success();
    let server = inside("net").udp("8.8.8.8:53");
    for number in 1..=NAMESPACES {
        let client = inside(&format!("n{number}")).udp("0.0.0.0:0");
        client.send_to(b"question", "8.8.8.8:53").expect("to send");
        assert_eq!(receive(&server).1.ip().to_string(), "192.0.2.2");
    }
    netns(&["down"]).success();
    let left: Vec<_> = fs::read_dir("/run/netns").expect("the folder").flatten().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
