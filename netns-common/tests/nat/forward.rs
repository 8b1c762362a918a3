//! Connections that the outside begins.

use std::collections::HashSet;

use netns_common::{
    abi::{DropReason, Forward, Ip4, Protocol},
    model::{Routes, Way, rules},
};

use crate::icmp_errors::quoted;
use crate::lab::{ACK, BLUE, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, ipv4, tcp};

#[test]
fn a_forwarded_port_reaches_its_target_and_answers_have_the_hosts_address() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN));
    request.reached(BLUE, (LAN, 50_000), (BLUE, 80));
    lab.answer(&request).left_as((HOST, 80), (LAN, 50_000));
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, ACK).payload(5)).reached(
        BLUE,
        (LAN, 50_000),
        (BLUE, 80),
    );
    assert_eq!(lab.flow_count(), 1);
    assert_eq!(lab.rule(rules::TCP_80).flows, 1);
    assert_eq!(lab.rule(rules::TCP_80).packets, 3);
}

#[test]
fn a_forward_may_change_the_port() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    request.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    lab.answer(&request).left_as((HOST, 8080), (FAR, 50_000));
    let query = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353).payload(20));
    query.reached(BLUE, (FAR, 50_000), (BLUE, 53));
    lab.answer(&query).left_as((HOST, 5353), (FAR, 50_000));
}

/// Blue's port 80 has two ports of the host. One caller calls both from one port.
#[test]
fn a_caller_whose_tuple_is_taken_inside_gets_another_source_port() {
    let mut lab = Lab::new();
    let first = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    first.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    let second = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    let seen = second.head().source_port.number();
    assert_ne!(seen, 50_000);
    second.reached(BLUE, (FAR, seen), (BLUE, 80));
    for _ in 0..3 {
        lab.answer(&first).left_as((HOST, 80), (FAR, 50_000));
        lab.answer(&second).left_as((HOST, 8080), (FAR, 50_000));
        lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, ACK)).reached(BLUE, (FAR, 50_000), (BLUE, 80));
        let again = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, ACK));
        again.reached(BLUE, (FAR, seen), (BLUE, 80));
    }
    assert_eq!(lab.flow_count(), 2);
    assert_eq!(lab.router.tables.translated_flows().len(), 1);
}

#[test]
fn one_caller_on_many_ports_of_one_target_is_kept_apart_inside() {
    let mut lab = Lab::new();
    for number in 0..40 {
        lab.forward(20 + number, tcp(9000 + number..=9000 + number, 80));
    }
    let mut seen = HashSet::new();
    for number in 0..40 {
        let call = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 9000 + number, SYN));
        let ((_, port), to) = call.ends();
        assert_eq!(to, (BLUE, 80));
        assert!(seen.insert(port), "{port}");
        lab.answer(&call).left_as((HOST, 9000 + number), (FAR, 50_000));
    }
}

#[test]
fn a_caller_keeps_its_port_inside_once_the_other_call_is_over() {
    let mut lab = Lab::new();
    let first = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353));
    lab.forward(20, Forward { protocol: Protocol::Udp.number(), ..tcp(5354..=5354, 53) });
    let second = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5354));
    assert_ne!(second.head().source_port.number(), 50_000);
    lab.router.wait(301);
    lab.outside(&ipv4(FAR, HOST).udp(50_000, 5354)).reached(BLUE, (FAR, 50_000), (BLUE, 53));
    assert_eq!(first.ends(), ((FAR, 50_000), (BLUE, 53)));
    assert_eq!(lab.flow_count(), 1, "the records of both are gone");
}

/// A call by `first` and one by `second`, ports of the host that lead to one of blue, from one port
/// of the caller. The first is over and forgotten; the port that blue sees in the second.
fn second_of_two_calls(lab: &mut Lab, first: u16, second: u16) -> u16 {
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, first, SYN)).reached(BLUE, (FAR, 50_000), (BLUE, 80));
    let call = lab.outside(&ipv4(FAR, HOST).tcp(50_000, second, SYN));
    lab.answer(&call).left_as((HOST, second), (FAR, 50_000));
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, second, ACK));
    // Nobody has answered the first one.
    lab.router.wait(lab.router.tables.settings.timeouts.tcp_opening + 1);
    call.head().source_port.number()
}

#[test]
fn the_target_of_a_call_can_connect_to_the_callers_port() {
    let mut lab = Lab::new();
    let seen = second_of_two_calls(&mut lab, 8080, 80);
    assert_ne!(seen, 50_000);
    let own = lab.blue(&ipv4(BLUE, FAR).tcp(80, 50_000, SYN));
    let ((external, port), to) = own.ends();
    assert_eq!((external, to), (HOST, (FAR, 50_000)));
    assert_ne!(port, 80, "the call has it");
    lab.answer(&own).reached(BLUE, (FAR, 50_000), (BLUE, 80));
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, ACK)).reached(BLUE, (FAR, seen), (BLUE, 80));
}

#[test]
fn a_caller_that_reconnects_is_accepted_with_its_translated_source_port() {
    let mut lab = Lab::new();
    let seen = second_of_two_calls(&mut lab, 80, 8080);
    assert_ne!(seen, 50_000);
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, FIN | ACK));
    lab.blue(&ipv4(BLUE, FAR).tcp(80, seen, FIN | ACK)).left_as((HOST, 8080), (FAR, 50_000));
    // Its own port is free by now.
    let again = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    again.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    lab.answer(&again).left_as((HOST, 8080), (FAR, 50_000));
}

#[test]
fn an_error_about_a_call_with_a_translated_source_port_has_the_original_ports() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    let call = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    let seen = call.head().source_port.number();
    // Blue tells about what it got.
    let error = lab.blue(&ipv4(BLUE, FAR).error(3, 3, &call.after, 8));
    assert_eq!(quoted(&error.after), ((FAR, 50_000), (HOST, 8080)));
    // The outside tells about what it got.
    let answer = lab.answer(&call);
    let error = lab.outside(&ipv4(FAR, HOST).error(3, 3, &answer.after, 8));
    assert_eq!(quoted(&error.after), ((BLUE, 80), (FAR, seen)));
}

#[test]
fn transit_traffic_to_a_forwarded_port_is_not_hijacked() {
    let mut lab = Lab::new();
    let elsewhere = Ip4::new(203, 0, 113, 9);
    lab.outside(&ipv4(LAN, elsewhere).tcp(50_000, 80, SYN)).passed();
    lab.red(&ipv4(RED, elsewhere).tcp(50_000, 80, SYN)).left_as((HOST, 50_000), (elsewhere, 80));
    assert_eq!(lab.rule(rules::TCP_80).packets, 0);
}

#[test]
fn traffic_without_a_route_is_not_hijacked_either() {
    let mut lab = Lab::new();
    let uplink = lab.places.uplink.index;
    lab.router.tables.routes = Routes::new(&[uplink, lab.places.bridge.index]);
    lab.outside(&ipv4(LAN, FAR).tcp(50_000, 80, SYN)).passed();
    lab.red(&ipv4(RED, FAR).tcp(50_000, 80, SYN)).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_broadcast_to_a_forwarded_port_reaches_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, Ip4::new(192, 168, 15, 255)).udp(50_000, 5353)).passed();
    lab.outside(&ipv4(LAN, Ip4::new(192, 168, 1, 255)).udp(50_000, 5353)).passed();
}

#[test]
fn an_address_that_the_host_has_lost_is_not_forwarded() {
    let mut lab = Lab::new();
    lab.router.tables.routes = lab.router.tables.routes.clone().with(HOST, 32, Way::Refused);
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN)).passed();
}

#[test]
fn another_protocol_on_a_forwarded_port_reaches_the_host() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(FAR, HOST).udp(50_000, 80)).passed();
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 5353, SYN)).passed();
}

#[test]
fn a_forward_of_one_address_precedes_one_of_all_addresses() {
    let mut lab = Lab::new();
    lab.forward(9, Forward { address: HOST, target: RED, ..tcp(80..=80, 8000) });
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    request.reached(RED, (FAR, 50_000), (RED, 8000));
    lab.answer(&request).left_as((HOST, 80), (FAR, 50_000));
}

#[test]
fn a_forward_to_a_target_without_a_cable_has_no_route() {
    let mut lab = Lab::new();
    lab.router.tables.endpoints.remove(&BLUE);
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN)).dropped(DropReason::NoRoute);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_reset_to_a_forward_begins_no_flow() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, RST)).dropped(DropReason::NoFlow);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_packet_of_a_forwarded_connection_never_reaches_the_hosts_stack() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    lab.answer(&request);
    lab.outside(&ipv4(FAR, HOST).ttl(1).tcp(50_000, 80, ACK)).dropped(DropReason::TtlExceeded);
    lab.outside(&ipv4(FAR, HOST).ttl(1).tcp(50_001, 80, SYN)).dropped(DropReason::TtlExceeded);
    lab.outside(&ipv4(FAR, HOST).ttl(2).tcp(50_000, 80, ACK)).reached(
        BLUE,
        (FAR, 50_000),
        (BLUE, 80),
    );
}

#[test]
fn a_caller_without_a_route_back_is_dropped() {
    let mut lab = Lab::new();
    let uplink = lab.places.uplink.index;
    lab.router.tables.routes = Routes::new(&[uplink, 10]).with(HOST, 32, Way::Local);
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN)).dropped(DropReason::NoRoute);
    assert_eq!(lab.flow_count(), 0);
}

/// An address that the host has besides its first one.
const SECOND: Ip4 = Ip4::new(192, 168, 1, 11);

/// A lab whose host has two addresses.
fn with_two_addresses() -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.host_addresses.insert(SECOND);
    let routes = std::mem::take(&mut lab.router.tables.routes);
    lab.router.tables.routes = routes.with(SECOND, 32, Way::Local);
    lab
}

#[test]
fn calls_to_two_addresses_of_the_host_are_two_connections() {
    let mut lab = with_two_addresses();
    let first = lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN));
    let second = lab.outside(&ipv4(LAN, SECOND).tcp(50_000, 80, SYN));
    let seen = second.head().source_port.number();
    assert_ne!(seen, 50_000, "both lead to one port of blue");
    for _ in 0..2 {
        lab.answer(&first).left_as((HOST, 80), (LAN, 50_000));
        lab.answer(&second).left_as((SECOND, 80), (LAN, 50_000));
    }
    assert_eq!(lab.flow_count(), 2);
}

#[test]
fn calls_to_two_addresses_of_the_host_reach_their_own_targets() {
    let mut lab = with_two_addresses();
    let udp = Forward { protocol: Protocol::Udp.number(), ..tcp(4500..=4500, 4500) };
    lab.forward(20, Forward { address: HOST, target: RED, ..udp });
    lab.forward(21, Forward { address: SECOND, ..udp });
    for _ in 0..2 {
        let red = lab.outside(&ipv4(LAN, HOST).udp(4500, 4500));
        red.reached(RED, (LAN, 4500), (RED, 4500));
        let blue = lab.outside(&ipv4(LAN, SECOND).udp(4500, 4500));
        blue.reached(BLUE, (LAN, 4500), (BLUE, 4500));
        lab.answer(&red).left_as((HOST, 4500), (LAN, 4500));
        lab.answer(&blue).left_as((SECOND, 4500), (LAN, 4500));
    }
    assert_eq!(lab.flow_count(), 2);
    assert_eq!(lab.router.tables.translated_flows().len(), 0);
}

#[test]
fn packets_from_outside_with_a_martian_source_are_dropped() {
    let mut lab = Lab::new();
    for source in [[127, 0, 0, 1], [0, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
        let [a, b, c, d] = source;
        let packet = ipv4(Ip4::new(a, b, c, d), HOST).udp(50_000, 5353);
        lab.outside(&packet).dropped(DropReason::Martian);
    }
    lab.outside(&ipv4(HOST, HOST).udp(50_000, 5353)).dropped(DropReason::Martian);
    assert_eq!(lab.flow_count(), 0);
}
