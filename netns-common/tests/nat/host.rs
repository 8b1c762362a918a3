//! The host's own connections beside those of the namespaces.

use netns_common::{
    abi::FlowState,
    abi::{FlowKind, Forward, HostCallKey, Ip4, Limits, Port, Protocol},
    model::{Datagram, Hook, HostSocket, Routes, Way},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4, tcp};

/// A socket of the host sends a packet out of the uplink.
fn host(lab: &mut Lab, packet: &Datagram) -> Sent {
    let places = lab.places;
    let mut frame = packet.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    frame.from_host = true;
    lab.send(Hook::ToUplink, frame)
}

fn connected(protocol: Protocol, port: u16, remote: (Ip4, u16)) -> HostSocket {
    HostSocket {
        protocol: protocol.number(),
        address: HOST,
        port: Port::new(port),
        remote: Some((remote.0, Port::new(remote.1))),
    }
}

#[test]
fn cve_2021_3773_a_namespace_cannot_intercept_answers_to_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(45_000, 53)).left_as((HOST, 45_000), (FAR, 53));
    lab.router.tables.host_sockets.insert(connected(Protocol::Udp, 45_000, (FAR, 53)));
    host(&mut lab, &ipv4(HOST, FAR).udp(45_000, 53)).passed();
    lab.outside(&ipv4(FAR, HOST).udp(53, 45_000)).passed();
    // Red goes on by another port.
    let again = lab.red(&ipv4(RED, FAR).udp(45_000, 53));
    assert_ne!(again.head().source_port.number(), 45_000);
    lab.answer(&again).reached(RED, (FAR, 53), (RED, 45_000));
}

#[test]
fn cve_2021_3773_a_namespace_cannot_intercept_echo_replies_to_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).echo_request(4242));
    host(&mut lab, &ipv4(HOST, FAR).echo_request(4242)).passed();
    let (_, flow) = lab.only_flow();
    assert_eq!(FlowKind::from_number(flow.kind), FlowKind::Host);
    for _ in 0..3 {
        let moved = lab.red(&ipv4(RED, FAR).echo_request(4242));
        assert_ne!(moved.head().source_port.number(), 4242);
        lab.answer(&moved).reached(RED, (FAR, 0), (RED, 4242));
        host(&mut lab, &ipv4(HOST, FAR).echo_request(4242)).passed();
        lab.outside(&ipv4(FAR, HOST).echo_reply(4242)).passed();
    }
}

#[test]
fn packets_of_a_namespace_do_not_remove_its_flows() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(45_000, 53));
    let mut frame = sent.after.clone();
    frame.from_host = false;
    lab.send(Hook::ToUplink, frame).passed();
    lab.answer(&sent).reached(RED, (FAR, 53), (RED, 45_000));
}

#[test]
fn a_connection_of_the_host_older_than_a_forward_continues() {
    let mut lab = Lab::new();
    // The lecture forwards port 80, and udp 5353; the host has them towards these remotes.
    lab.router.tables.host_sockets = [
        connected(Protocol::Tcp, 80, (LAN, 7000)),
        connected(Protocol::Udp, 5353, (LAN, 7000)),
        connected(Protocol::Tcp, 80, (RED, 7001)),
    ]
    .into();
    lab.outside(&ipv4(LAN, HOST).tcp(7000, 80, SYN | ACK)).passed();
    lab.outside(&ipv4(LAN, HOST).udp(7000, 5353)).passed();
    lab.red(&ipv4(RED, HOST).tcp(7001, 80, SYN | ACK)).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn an_icmp_error_to_the_host_about_its_own_packet_is_passed() {
    let mut lab = Lab::new();
    let bridge = crate::lab::BRIDGE;
    let quoted = ipv4(bridge, RED).udp(40_000, 9999);
    let quoted = quoted.frame(lab.places.bridge.mac, lab.places.red_mac, lab.places.red_port);
    lab.red(&ipv4(RED, bridge).error(3, 3, &quoted, 8)).passed();
}

#[test]
fn a_flow_follows_a_change_of_the_uplinks_address_and_gateway() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(45_000, 53)).left_as((HOST, 45_000), (FAR, 53));
    let egress = lab.places.uplink.index;
    let source = Ip4::new(192, 168, 1, 20);
    lab.router.tables.routes = Routes::new(&[egress, lab.places.bridge.index]).with(
        FAR,
        0,
        Way::Via { egress, gateway: LAN, source },
    );
    lab.router.wait(3);
    let moved = lab.red(&ipv4(RED, FAR).udp(45_000, 53));
    moved.left_as((source, 45_000), (FAR, 53));
    lab.answer(&moved).reached(RED, (FAR, 53), (RED, 45_000));
    assert_eq!(lab.flow_count(), 1);
}

/// Forwards udp 40000 to 50000 of the host to blue.
fn forward_range(lab: &mut Lab) {
    let protocol = Protocol::Udp.number();
    lab.forward(11, Forward { protocol, ..tcp(40_000..=50_000, 40_000) });
}

#[test]
fn an_answer_to_an_unconnected_socket_of_the_host_does_not_reach_a_forward() {
    let mut lab = Lab::new();
    forward_range(&mut lab);
    let answer = ipv4(FAR, HOST).udp(53, 45_000);
    lab.outside(&answer).reached(BLUE, (FAR, 53), (BLUE, 45_000));
    lab.router.tables.flush();
    let called = HostCallKey::new(FAR, Port::new(53), Port::new(45_000), Protocol::Udp.number());
    lab.router.tables.host_calls.insert(called, lab.router.now);
    lab.outside(&answer).passed();
    // Somebody else's datagram is a call.
    lab.outside(&ipv4(LAN, HOST).udp(53, 45_000)).reached(BLUE, (LAN, 53), (BLUE, 45_000));
    // Nobody waits for an answer that long.
    lab.router.wait(121);
    lab.outside(&answer).reached(BLUE, (FAR, 53), (BLUE, 45_000));
}

#[test]
fn a_closed_flow_gives_its_port_back_to_a_service_of_the_host() {
    for over in [FlowState::TimeWait, FlowState::Reset, FlowState::RemoteClosed] {
        let mut lab = Lab::new();
        lab.red(&ipv4(RED, FAR).tcp(8443, 40_000, SYN)).left_as((HOST, 8443), (FAR, 40_000));
        lab.router.tables.edit_flows(|flow| flow.state = over as u8);
        let call = ipv4(FAR, HOST).tcp(40_000, 8443, SYN);
        // Without a service it is red's.
        lab.outside(&call).reached(RED, (FAR, 40_000), (RED, 8443));
        lab.router.tables.host_sockets.insert(HostSocket {
            protocol: Protocol::Tcp.number(),
            address: Ip4::UNSPECIFIED,
            port: Port::new(8443),
            remote: None,
        });
        lab.router.tables.edit_flows(|flow| flow.state = over as u8);
        lab.outside(&call).passed();
        assert_eq!(lab.flow_count(), 0);
    }
}

#[test]
fn an_open_flow_keeps_its_port_against_a_service_of_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).tcp(8443, 40_000, SYN));
    lab.router.tables.edit_flows(|flow| flow.state = FlowState::Established as u8);
    lab.router.tables.host_sockets.insert(HostSocket {
        protocol: Protocol::Tcp.number(),
        address: Ip4::UNSPECIFIED,
        port: Port::new(8443),
        remote: None,
    });
    lab.outside(&ipv4(FAR, HOST).tcp(40_000, 8443, SYN)).reached(RED, (FAR, 40_000), (RED, 8443));
}

#[test]
fn connections_find_a_port_when_nearly_all_are_forwarded() {
    let mut lab = Lab::new();
    let protocol = Protocol::Udp.number();
    lab.forward(11, Forward { protocol, ..tcp(1024..=65_535, 1024) });
    // Each from a port that is forwarded.
    for port in (2000..60_000).step_by(70) {
        let sent = lab.red(&ipv4(RED, FAR).udp(port, 53));
        assert_eq!(sent.head().source, HOST, "port {port}: {sent:#?}");
    }
}

#[test]
fn a_forwarded_port_is_allocated_only_as_a_last_resort() {
    let mut lab = Lab::new();
    let protocol = Protocol::Udp.number();
    lab.forward(11, Forward { protocol, ..tcp(30_000..=65_535, 30_000) });
    for port in 40_000..40_200 {
        let sent = lab.red(&ipv4(RED, FAR).udp(port, 53));
        assert!(sent.head().source_port.number() < 30_000, "{sent:#?}");
    }
}

#[test]
fn with_19_of_20_ports_in_use_a_port_is_found_nearly_always() {
    let mut lab = Lab::new();
    lab.router.tables.capacity = 100_000;
    let settings = &mut lab.router.tables.settings;
    settings.limits = Limits { other_nats: 0, ..Limits::default() };
    (settings.port_min, settings.port_max) = (20_000, 39_999);
    // Spread as by chance.
    let is_used = |port: &u16| (u32::from(*port).wrapping_mul(2_654_435_761) >> 20) % 20 != 0;
    for port in (20_000..40_000).filter(is_used) {
        lab.blue(&ipv4(BLUE, FAR).udp(port, 53)).left_as((HOST, port), (FAR, 53));
    }
    let found = (20_000..30_000).filter(is_used).take(100).filter(|port| {
        let sent = lab.red(&ipv4(RED, FAR).udp(*port, 53));
        sent.head().source == HOST
    });
    assert_eq!(found.count(), 100);
}
