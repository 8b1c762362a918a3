//! Policy routing: rules of `ip rule` select the uplink of a connection.

use std::{net::UdpSocket, time::Duration};

use netns_tests::{
    DEADLINE, Sandbox, ask, eventually, inside, lead_to_the_second, servers_of_both, two_providers,
};

/// A masquerade without an uplink: packets get the address of the uplink that they leave by.
const MASQUERADE: &str = "[[masquerade]]\nsource = \"10.1.0.0/24\"";

/// How long to wait at a server that may not be the right one.
const GLANCE: Duration = Duration::from_millis(50);

/// Sends a query to 8.8.8.8, which exists behind both providers. Returns the source that the server
/// sees.
#[track_caller]
fn seen(client: &UdpSocket, server: &UdpSocket) -> String {
    ask(client, server, "question").ip().to_string()
}

#[test]
fn an_ip_rule_for_a_source_selects_the_uplink() {
    let _sandbox = Sandbox::new();
    two_providers(MASQUERADE);
    lead_to_the_second("from 10.1.0.3");
    let (red, blue) = (inside("red").udp("10.1.0.2:0"), inside("blue").udp("10.1.0.3:0"));
    let [by_a, by_b] = servers_of_both(53);
    for _ in 0..2 {
        assert_eq!(seen(&red, &by_a), "192.0.2.2");
        assert_eq!(seen(&blue, &by_b), "198.51.100.2");
    }
}

#[test]
fn an_ip_rule_for_a_protocol_and_port_selects_the_uplink() {
    let _sandbox = Sandbox::new();
    two_providers(MASQUERADE);
    lead_to_the_second("ipproto udp dport 443");
    let red = inside("red").udp("10.1.0.2:0");
    assert_eq!(seen(&red, &servers_of_both(53)[0]), "192.0.2.2");
    assert_eq!(seen(&red, &servers_of_both(443)[1]), "198.51.100.2");
}

#[test]
fn an_ip_rule_for_a_tos_selects_the_uplink_by_the_first_packet() {
    let _sandbox = Sandbox::new();
    two_providers(MASQUERADE);
    lead_to_the_second("tos 0x10");
    let plain = inside("red").udp("10.1.0.2:0");
    let marked = inside("red").udp("10.1.0.2:0");
    socket2::SockRef::from(&marked).set_tos_v4(0x10).expect("a type of service");
    let [by_a, by_b] = servers_of_both(53);
    assert_eq!(seen(&plain, &by_a), "192.0.2.2");
    assert_eq!(seen(&marked, &by_b), "198.51.100.2");
}

#[test]
fn an_ip_rule_added_later_moves_a_connection_to_the_other_uplink() {
    let _sandbox = Sandbox::new();
    two_providers(MASQUERADE);
    let blue = inside("blue").udp("10.1.0.3:0");
    let [by_a, server] = servers_of_both(53);
    assert_eq!(seen(&blue, &by_a), "192.0.2.2");
    lead_to_the_second("from 10.1.0.3");
    server.set_read_timeout(Some(GLANCE)).expect("a timeout");
    eventually("the connection leaves by the other uplink", DEADLINE, || {
        blue.send_to(b"question", "8.8.8.8:53").expect("to send");
        let came = server.recv_from(&mut [0; 64]);
        came.is_ok_and(|(_, seen)| seen.ip().to_string() == "198.51.100.2")
    });
}
