//! By which uplink a call from outside is answered. With `via_stack` that is the kernel's choice.

use std::net::UdpSocket;

use netns_tests::{DEADLINE, Sandbox, inside, ip, lab, netns, outside};

#[track_caller]
fn udp(name: &str, address: &str) -> UdpSocket {
    let socket = inside(name).run(|| UdpSocket::bind(address)).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket
}

#[test]
fn a_call_is_answered_by_the_uplink_that_it_came_by() {
    let _sandbox = Sandbox::new();
    lab("providers")
        .router("gw")
        .uplink("isp-a", "192.0.2.2/24", &outside("na", "192.0.2.1/24", &[]))
        .text("[[uplink]]")
        .text("name = \"isp-b\"")
        .text("address = \"198.51.100.2/24\"")
        .text(&format!("outside = {}", outside("nb", "198.51.100.1/24", &[])))
        .bridge("br0", "10.1.0.1/24")
        .namespace("red", "br0", "10.1.0.2/24")
        .up()
        .success();
    for provider in ["na", "nb"] {
        ip(&inside(provider), "addr add 8.8.8.8/32 dev lo");
    }
    netns(&["forward", "add", "udp", "5353", "10.1.0.2:53"]).success();
    let red = udp("red", "10.1.0.2:53");
    let [by_a, by_b] = ["na", "nb"].map(|provider| udp(provider, "8.8.8.8:40000"));
    let called = |caller: &UdpSocket, called: &str| {
        for _ in 0..2 {
            caller.send_to(b"call", called).expect("to call");
            let (_, peer) = red.recv_from(&mut [0; 8]).expect("a call");
            red.send_to(b"answer", peer).expect("to answer");
            let (_, from) = caller.recv_from(&mut [0; 8]).expect("an answer");
            assert_eq!(from.to_string(), called);
        }
    };
    // As routers with two providers have it: what bears an address leaves by its uplink.
    let gateway = inside("gw");
    ip(&gateway, "route add default via 198.51.100.1 dev isp-b table 100");
    ip(&gateway, "rule add from 198.51.100.2 table 100");
    called(&by_a, "192.0.2.2:5353");
    called(&by_b, "198.51.100.2:5353");
    // Or by a second default route, which counts for nothing but what must leave by that uplink.
    ip(&gateway, "rule del table 100");
    ip(&gateway, "route add default via 198.51.100.1 dev isp-b metric 1000");
    called(&by_b, "198.51.100.2:5353");
}
