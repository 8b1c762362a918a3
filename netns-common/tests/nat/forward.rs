//! Connections that the outside begins.

use netns_common::{
    abi::{DropReason, Forward, Ip4},
    model::{Routes, Way, rules},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, RST, SYN, ipv4, tcp};

#[test]
fn a_forwarded_port_leads_to_its_target_and_answers_bear_the_hosts_address() {
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
fn a_forward_may_lead_to_another_port() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    request.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    lab.answer(&request).left_as((HOST, 8080), (FAR, 50_000));
    let query = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353).payload(20));
    query.reached(BLUE, (FAR, 50_000), (BLUE, 53));
    lab.answer(&query).left_as((HOST, 5353), (FAR, 50_000));
}

#[test]
fn two_forwards_to_one_target_are_told_apart_by_the_callers_port() {
    let mut lab = Lab::new();
    let first = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    let second = lab.outside(&ipv4(FAR, HOST).tcp(50_001, 8080, SYN));
    lab.answer(&first).left_as((HOST, 80), (FAR, 50_000));
    lab.answer(&second).left_as((HOST, 8080), (FAR, 50_001));
    // From the same port the target could not tell which of them is meant.
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN)).dropped(DropReason::PortsExhausted);
    lab.outside(&ipv4(FAR, HOST).tcp(50_001, 80, SYN)).dropped(DropReason::PortsExhausted);
    lab.answer(&first).left_as((HOST, 80), (FAR, 50_000));
    lab.answer(&second).left_as((HOST, 8080), (FAR, 50_001));
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
fn a_broadcast_to_a_forwarded_port_is_the_hosts() {
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
fn another_protocol_on_a_forwarded_port_is_the_hosts() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(FAR, HOST).udp(50_000, 80)).passed();
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 5353, SYN)).passed();
}

#[test]
fn a_forward_of_one_address_comes_before_one_of_all() {
    let mut lab = Lab::new();
    lab.forward(9, Forward { address: HOST, target: RED, ..tcp(80..=80, 8000) });
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    request.reached(RED, (FAR, 50_000), (RED, 8000));
    lab.answer(&request).left_as((HOST, 80), (FAR, 50_000));
}

#[test]
fn a_target_that_is_on_no_cable_has_no_route() {
    let mut lab = Lab::new();
    lab.router.tables.endpoints.remove(&BLUE);
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN)).dropped(DropReason::NoRoute);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_reset_begins_no_connection() {
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
fn a_caller_that_no_route_leads_back_to_is_dropped() {
    let mut lab = Lab::new();
    let uplink = lab.places.uplink.index;
    lab.router.tables.routes = Routes::new(&[uplink, 10]).with(HOST, 32, Way::Local);
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN)).dropped(DropReason::NoRoute);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn one_caller_by_two_addresses_of_the_host_is_two_connections() {
    let mut lab = Lab::new();
    let first = lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN));
    lab.answer(&first).left_as((HOST, 80), (LAN, 50_000));
    let second = Ip4::new(192, 168, 1, 11);
    lab.router.tables.host_addresses.insert(second);
    let routes = std::mem::take(&mut lab.router.tables.routes);
    lab.router.tables.routes = routes.with(second, 32, Way::Local);
    // Blue could not tell the two apart, and the first one lives.
    lab.outside(&ipv4(LAN, second).tcp(50_000, 80, SYN)).dropped(DropReason::PortsExhausted);
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, ACK)).reached(BLUE, (LAN, 50_000), (BLUE, 80));
}

#[test]
fn no_packet_from_outside_comes_from_a_martian() {
    let mut lab = Lab::new();
    for source in [[127, 0, 0, 1], [0, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
        let [a, b, c, d] = source;
        let packet = ipv4(Ip4::new(a, b, c, d), HOST).udp(50_000, 5353);
        lab.outside(&packet).dropped(DropReason::Martian);
    }
    lab.outside(&ipv4(HOST, HOST).udp(50_000, 5353)).dropped(DropReason::Martian);
    assert_eq!(lab.flow_count(), 0);
}
