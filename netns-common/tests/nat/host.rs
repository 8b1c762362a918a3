//! The host's own connections beside those of the namespaces.

use netns_common::{
    abi::{FlowKind, Ip4, Port, Protocol},
    model::{Datagram, Hook, HostSocket, Routes, Way},
};

use crate::lab::{ACK, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

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
fn cve_2021_3773_a_namespace_cannot_lie_in_wait_for_answers_to_the_host() {
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
fn cve_2021_3773_holds_for_identifiers_of_echoes_too() {
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
fn what_namespaces_send_does_not_take_their_flows_away() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(45_000, 53));
    let mut frame = sent.after.clone();
    frame.from_host = false;
    lab.send(Hook::ToUplink, frame).passed();
    lab.answer(&sent).reached(RED, (FAR, 53), (RED, 45_000));
}

#[test]
fn a_connection_of_the_host_that_is_older_than_the_forward_goes_on() {
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
