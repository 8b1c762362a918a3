//! A forward's target speaks from the port that it is published by.

use netns_common::{
    abi::{Filtering, Forward, Ip4, Port, Protocol},
    model::{HostSocket, Way},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, ipv4, tcp};

/// A forward of UDP to red.
fn udp(port: u16, to: u16) -> Forward {
    Forward { target: RED, protocol: Protocol::Udp.number(), ..tcp(port..=port, to) }
}

/// A lab with these forwards of UDP to red.
fn with(forwards: &[Forward]) -> Lab {
    let mut lab = Lab::new();
    for (rule, forward) in (20..).zip(forwards) {
        lab.forward(rule, *forward);
    }
    lab
}

#[test]
fn a_published_target_sends_from_its_published_port() {
    let mut lab = with(&[udp(5060, 5060), udp(15_353, 6353)]);
    for (own, seen) in [(5060, 5060), (6353, 15_353)] {
        let sent = lab.red(&ipv4(RED, FAR).udp(own, 5070));
        sent.left_as((HOST, seen), (FAR, 5070));
        lab.answer(&sent).reached(RED, (FAR, 5070), (RED, own));
        lab.red(&ipv4(RED, FAR).udp(own, 5070)).left_as((HOST, seen), (FAR, 5070));
        lab.red(&ipv4(RED, LAN).udp(own, 5070)).left_as((HOST, seen), (LAN, 5070));
    }
    // Nobody else is, nor another protocol.
    let other = lab.blue(&ipv4(BLUE, FAR).udp(5060, 5071));
    assert_ne!(other.ends().0, (HOST, 5060));
    lab.red(&ipv4(RED, FAR).tcp(6353, 5070, SYN)).left_as((HOST, 6353), (FAR, 5070));
}

#[test]
fn tcp_and_sctp_targets_send_from_their_published_ports() {
    let mut lab = Lab::new();
    lab.blue(&ipv4(BLUE, FAR).tcp(80, 5070, SYN)).left_as((HOST, 80), (FAR, 5070));
    lab.blue(&ipv4(BLUE, FAR).sctp(5061, 5070, 1)).left_as((HOST, 5060), (FAR, 5070));
}

#[test]
fn the_published_port_with_the_equal_number_is_preferred_then_the_lowest() {
    let mut lab = with(&[udp(9000, 5060), udp(7000, 5060), udp(8000, 5060)]);
    lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((HOST, 7000), (FAR, 5070));
    lab.forward(30, udp(5060, 5060));
    lab.red(&ipv4(RED, FAR).udp(5060, 5071)).left_as((HOST, 5060), (FAR, 5071));
}

#[test]
fn a_range_that_contains_the_port_is_not_an_equal_number() {
    // 8004 leads to 8005, and 8005 to 8006.
    let range = Forward { last: 8010, ..udp(8000, 8001) };
    let mut lab = with(&[range, udp(7000, 8005)]);
    lab.red(&ipv4(RED, FAR).udp(8005, 5070)).left_as((HOST, 7000), (FAR, 5070));
    lab.red(&ipv4(RED, FAR).udp(8006, 5070)).left_as((HOST, 8005), (FAR, 5070));
}

#[test]
fn a_connection_keeps_its_address_if_its_port_is_published_on_another() {
    let mut lab = with_second(&[], Lab::new().places.uplink.index);
    lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((HOST, 5060), (FAR, 5070));
    lab.forward(20, Forward { address: SECOND, ..udp(5060, 5060) });
    lab.router.wait(3);
    lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((HOST, 5060), (FAR, 5070));
    lab.red(&ipv4(RED, FAR).udp(5060, 5071)).left_as((SECOND, 5060), (FAR, 5071));
}

#[test]
fn an_inside_or_unowned_address_is_never_used_as_source() {
    let places = Lab::new().places;
    for link in [places.bridge.index, 0] {
        let mut lab = with_second(&[Forward { address: SECOND, ..udp(5060, 5060) }], link);
        let sent = lab.red(&ipv4(RED, FAR).udp(5060, 5070));
        sent.left_as((HOST, 5060), (FAR, 5070));
    }
}

#[test]
fn ports_of_a_range_are_published_one_by_one() {
    let range = Forward { last: 20_099, ..udp(20_000, 10_000) };
    let mut lab = with(&[range]);
    for number in [0, 1, 99] {
        let sent = lab.red(&ipv4(RED, FAR).udp(10_000 + number, 5070));
        sent.left_as((HOST, 20_000 + number), (FAR, 5070));
    }
    for own in [9_999, 10_100] {
        lab.red(&ipv4(RED, FAR).udp(own, 5070)).left_as((HOST, own), (FAR, 5070));
    }
}

/// An address that the host has besides its first one.
const SECOND: Ip4 = Ip4::new(192, 168, 1, 11);

/// A lab whose host has two addresses; the link of the second.
fn with_second(forwards: &[Forward], link: u32) -> Lab {
    let mut lab = with(forwards);
    lab.router.tables.host_addresses.insert(SECOND);
    lab.router.tables.address_links.insert(SECOND, link);
    let routes = std::mem::take(&mut lab.router.tables.routes);
    lab.router.tables.routes = routes.with(SECOND, 32, Way::Local);
    lab
}

#[test]
fn a_target_published_on_one_address_sends_from_it() {
    let uplink = Lab::new().places.uplink.index;
    let on_second = Forward { address: SECOND, ..udp(5060, 5060) };
    let mut lab = with_second(&[on_second], uplink);
    let sent = lab.red(&ipv4(RED, FAR).udp(5060, 5070));
    sent.left_as((SECOND, 5060), (FAR, 5070));
    lab.answer(&sent).reached(RED, (FAR, 5070), (RED, 5060));
    // It stays so when the route is asked for anew.
    lab.router.wait(3);
    lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((SECOND, 5060), (FAR, 5070));
    assert_eq!(lab.flow_count(), 1);
    // Its other ports have the usual address.
    lab.red(&ipv4(RED, FAR).udp(5061, 5070)).left_as((HOST, 5061), (FAR, 5070));
}

#[test]
fn a_port_published_on_another_uplink_is_used_without_its_address() {
    let on_second = Forward { address: SECOND, ..udp(5060, 5060) };
    let mut lab = with_second(&[on_second], 99);
    lab.router.tables.settings.uplinks[1] = 99;
    lab.router.tables.settings.uplink_count = 2;
    lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((HOST, 5060), (FAR, 5070));
}

#[test]
fn a_port_published_only_on_loopback_or_inside_is_not_used_as_source() {
    for address in [Ip4::new(127, 0, 0, 1), crate::lab::BRIDGE] {
        let mut lab = with(&[Forward { address, ..udp(15_060, 5060) }]);
        lab.red(&ipv4(RED, FAR).udp(5060, 5070)).left_as((HOST, 5060), (FAR, 5070));
        // Nor does it stand in the way of one that is known outside.
        lab.forward(30, udp(16_060, 5060));
        lab.red(&ipv4(RED, FAR).udp(5060, 5071)).left_as((HOST, 16_060), (FAR, 5071));
    }
}

#[test]
fn a_published_port_in_use_towards_a_remote_is_replaced_by_another() {
    let mut lab = with(&[udp(15_353, 6353)]);
    let socket = HostSocket {
        protocol: Protocol::Udp.number(),
        address: HOST,
        port: Port::new(15_353),
        remote: Some((FAR, Port::new(5070))),
    };
    lab.router.tables.host_sockets.insert(socket);
    lab.red(&ipv4(RED, FAR).udp(6353, 5070)).left_as((HOST, 6353), (FAR, 5070));
    lab.red(&ipv4(RED, LAN).udp(6353, 5070)).left_as((HOST, 15_353), (LAN, 5070));
    // The fall-back may be taken as well.
    lab.blue(&ipv4(BLUE, FAR).udp(5354, 5070));
    lab.router
        .tables
        .host_sockets
        .insert(HostSocket { remote: Some((FAR, Port::new(5071))), ..socket });
    lab.blue(&ipv4(BLUE, FAR).udp(6353, 5071)).left_as((HOST, 6353), (FAR, 5071));
    let sent = lab.red(&ipv4(RED, FAR).udp(6353, 5071));
    assert!(![6353, 15_353].contains(&sent.ends().0.1), "{:?}", sent.ends());
    lab.answer(&sent).reached(RED, (FAR, 5071), (RED, 6353));
}

#[test]
fn a_call_and_packets_of_its_target_are_one_connection() {
    let mut lab = with(&[udp(15_353, 6353)]);
    lab.red(&ipv4(RED, FAR).udp(6353, 5070)).left_as((HOST, 15_353), (FAR, 5070));
    lab.outside(&ipv4(FAR, HOST).udp(5070, 15_353)).reached(RED, (FAR, 5070), (RED, 6353));
    assert_eq!(lab.flow_count(), 1);
    // And the other way round.
    lab.outside(&ipv4(LAN, HOST).udp(5070, 15_353)).reached(RED, (LAN, 5070), (RED, 6353));
    lab.red(&ipv4(RED, LAN).udp(6353, 5070)).left_as((HOST, 15_353), (LAN, 5070));
    assert_eq!(lab.flow_count(), 2);
}

#[test]
fn an_endpoint_independent_mapping_uses_the_published_port() {
    let mut lab = with(&[udp(15_353, 6353)]);
    lab.router.tables.settings.mappings = 1;
    let rule = lab.masquerade();
    (rule.endpoint_independent, rule.filtering) = (1, Filtering::Endpoint as u8);
    for (remote, port) in [(FAR, 5070), (LAN, 5070), (FAR, 5071)] {
        let sent = lab.red(&ipv4(RED, remote).udp(6353, port));
        sent.left_as((HOST, 15_353), (remote, port));
        lab.answer(&sent).reached(RED, (remote, port), (RED, 6353));
    }
}

#[test]
fn a_namespace_called_by_a_published_target_sees_its_published_port() {
    let mut lab = with(&[udp(15_353, 6353)]);
    let call = lab.red(&ipv4(RED, HOST).udp(6353, 5353));
    call.reached(BLUE, (HOST, 15_353), (BLUE, 53));
    lab.answer(&call).reached(RED, (HOST, 5353), (RED, 6353));
}

#[test]
fn a_target_that_calls_its_own_published_port_gets_another_source_port() {
    let mut lab = Lab::new();
    let call = lab.blue(&ipv4(BLUE, HOST).tcp(80, 80, SYN));
    let port = call.ends().0.1;
    assert_ne!(port, 80);
    call.reached(BLUE, (HOST, port), (BLUE, 80));
    lab.answer(&call).reached(BLUE, (HOST, 80), (BLUE, 80));
    assert_eq!(lab.flow_count(), 2);
}

#[test]
fn a_port_forwarded_elsewhere_on_that_address_is_not_used_as_source() {
    // Red has the port on any address, but for the one that packets leave with.
    let mut lab = with(&[udp(7060, 7060)]);
    lab.forward(30, Forward { address: HOST, target: BLUE, ..udp(7060, 7060) });
    let sent = lab.red(&ipv4(RED, FAR).udp(7060, 5070));
    assert_ne!(sent.ends().0, (HOST, 7060));
    lab.blue(&ipv4(BLUE, FAR).udp(7060, 5070)).left_as((HOST, 7060), (FAR, 5070));
}

#[test]
fn a_target_no_longer_published_sends_from_its_own_port() {
    let mut lab = with(&[udp(15_353, 6353)]);
    lab.router.tables.forwards.remove(&20);
    lab.red(&ipv4(RED, FAR).udp(6353, 5070)).left_as((HOST, 6353), (FAR, 5070));
    lab.blue(&ipv4(BLUE, LAN).tcp(443, 5070, ACK)).left_as((HOST, 443), (LAN, 5070));
}
