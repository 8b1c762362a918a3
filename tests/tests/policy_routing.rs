//! Rules of policy routing (`ip rule`) decide by which of two uplinks a connection leaves.

use std::net::{SocketAddr, UdpSocket};

use netns_tests::{DEADLINE, Inside, Sandbox, inside, ip, lab, outside};

/// A router "gw" with two uplinks, `isp-a` with the default route and `isp-b`; beyond each the same
/// server, 8.8.8.8, in the namespaces `na` and `nb`.
#[track_caller]
fn two_providers() {
    let lab = lab("providers")
        .router("gw")
        .uplink("isp-a", "192.0.2.2/24", &outside("na", "192.0.2.1/24", &[]))
        .text("[[uplink]]")
        .text("name = \"isp-b\"")
        .text("address = \"198.51.100.2/24\"")
        .text(&format!("outside = {}", outside("nb", "198.51.100.1/24", &[])))
        .bridge("br0", "10.1.0.1/24")
        .namespace("red", "br0", "10.1.0.2/24")
        .namespace("blue", "br0", "10.1.0.3/24")
        .text("[[masquerade]]")
        .text("source = \"10.1.0.0/24\"");
    lab.up().success();
    for provider in ["na", "nb"] {
        ip(&inside(provider), "addr add 8.8.8.8/32 dev lo");
    }
}

/// Adds a second default route, in a table of its own, and a rule that leads there.
#[track_caller]
fn lead(gateway: &Inside, rule: &str) {
    ip(gateway, "route replace default via 198.51.100.1 dev isp-b table 100");
    ip(gateway, &format!("rule add {rule} table 100"));
}

#[track_caller]
fn udp(name: &str, address: &str) -> UdpSocket {
    let socket = inside(name).run(|| UdpSocket::bind(address)).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket
}

#[track_caller]
fn receive(socket: &UdpSocket) -> SocketAddr {
    socket.recv_from(&mut [0; 64]).expect("a datagram").1
}

/// A namespace asks a server, which is behind one of the providers, and is answered; the address
/// that the server has seen.
#[track_caller]
fn ask(client: &UdpSocket, server: &UdpSocket) -> String {
    let at = server.local_addr().expect("an address");
    client.send_to(b"question", at).expect("to send");
    let seen = receive(server);
    server.send_to(b"answer", seen).expect("to answer");
    assert_eq!(receive(client), at);
    seen.ip().to_string()
}

/// The servers at a port behind both providers.
#[track_caller]
fn servers(port: u16) -> [UdpSocket; 2] {
    ["na", "nb"].map(|provider| udp(provider, &format!("8.8.8.8:{port}")))
}

#[test]
fn a_rule_for_a_source_decides_by_which_uplink_it_leaves() {
    let _sandbox = Sandbox::new();
    two_providers();
    lead(&inside("gw"), "from 10.1.0.3");
    let (red, blue) = (udp("red", "10.1.0.2:0"), udp("blue", "10.1.0.3:0"));
    let [by_a, by_b] = servers(53);
    for _ in 0..2 {
        assert_eq!(ask(&red, &by_a), "192.0.2.2");
        assert_eq!(ask(&blue, &by_b), "198.51.100.2");
    }
}

#[test]
fn a_rule_for_a_protocol_and_a_port_decides_too() {
    let _sandbox = Sandbox::new();
    two_providers();
    lead(&inside("gw"), "ipproto udp dport 443");
    let red = udp("red", "10.1.0.2:0");
    assert_eq!(ask(&red, &servers(53)[0]), "192.0.2.2");
    assert_eq!(ask(&red, &servers(443)[1]), "198.51.100.2");
}

#[test]
fn a_rule_for_a_type_of_service_decides_by_the_first_packet() {
    let _sandbox = Sandbox::new();
    two_providers();
    lead(&inside("gw"), "tos 0x10");
    let plain = udp("red", "10.1.0.2:0");
    let marked = udp("red", "10.1.0.2:0");
    socket2::SockRef::from(&marked).set_tos_v4(0x10).expect("a type of service");
    let [by_a, by_b] = servers(53);
    assert_eq!(ask(&plain, &by_a), "192.0.2.2");
    assert_eq!(ask(&marked, &by_b), "198.51.100.2");
}

#[test]
fn a_rule_that_comes_later_moves_a_connection_to_the_other_uplink() {
    let _sandbox = Sandbox::new();
    two_providers();
    let blue = udp("blue", "10.1.0.3:0");
    let [by_a, server] = servers(53);
    assert_eq!(ask(&blue, &by_a), "192.0.2.2");
    lead(&inside("gw"), "from 10.1.0.3");
    server.set_nonblocking(true).expect("a socket");
    netns_tests::eventually("the connection leaves by the other uplink", DEADLINE, || {
        blue.send_to(b"question", "8.8.8.8:53").expect("to send");
        std::thread::sleep(std::time::Duration::from_millis(50));
        let seen = server.recv_from(&mut [0; 64]).map(|(_, seen)| seen.ip().to_string());
        seen.is_ok_and(|seen| seen == "198.51.100.2")
    });
}
