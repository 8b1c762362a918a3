//! Dropped packets, each with its reason.

use netns_common::{
    abi::{DropReason, Ip4},
    model::Hook,
};

use crate::lab::{BLUE, BRIDGE, FAR, HOST, LAN, Lab, RED, SYN, ipv4};

#[test]
fn outgoing_icmp_messages_that_are_not_queries_are_dropped() {
    let mut lab = Lab::new();
    for kind in [5, 9, 10, 14, 15, 17] {
        lab.red(&ipv4(RED, FAR).icmp(kind, 0, [0; 4])).dropped(DropReason::UnrelatedIcmp);
    }
    lab.red(&ipv4(RED, FAR).echo_reply(7)).dropped(DropReason::UnrelatedIcmp);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn packets_from_the_uplink_with_inside_addresses_are_dropped() {
    let mut lab = Lab::new();
    for inside in [RED, BLUE, BRIDGE, Ip4::new(192, 168, 15, 77)] {
        lab.outside(&ipv4(FAR, inside).udp(1, 2)).dropped(DropReason::InsideDestination);
        lab.outside(&ipv4(inside, HOST).udp(1, 2)).dropped(DropReason::InsideSource);
        lab.outside(&ipv4(FAR, inside).protocol(47)).dropped(DropReason::InsideDestination);
        lab.outside(&ipv4(inside, HOST).tcp(1, 80, SYN)).dropped(DropReason::InsideSource);
    }
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn the_egress_guard_drops_inside_sources() {
    let mut lab = Lab::new();
    lab.stack(&ipv4(BRIDGE, FAR).udp(1, 2)).dropped(DropReason::Leak);
    lab.stack(&ipv4(BRIDGE, FAR).fragment(9, true)).dropped(DropReason::Leak);
    lab.stack(&ipv4(BRIDGE, FAR).protocol(47)).dropped(DropReason::Leak);
    for inside in [RED, BLUE, Ip4::new(192, 168, 15, 77)] {
        lab.stack(&ipv4(inside, FAR).fragment(9, true)).dropped(DropReason::Fragment);
        lab.stack(&ipv4(inside, FAR).protocol(51)).dropped(DropReason::UnsupportedProtocol);
    }
    lab.stack(&ipv4(HOST, FAR).udp(1, 2)).passed();
    lab.stack(&ipv4(Ip4::new(192, 168, 16, 1), FAR).udp(1, 2)).passed();
    let mut short = ipv4(RED, FAR).frame([2; 6], [2; 6], 3);
    short.bytes_mut().truncate(20);
    lab.send(Hook::ToUplink, short).dropped(DropReason::Malformed);
}

#[test]
fn packets_that_no_rule_covers_do_not_leave() {
    let mut lab = Lab::new();
    lab.router.tables.masquerades.clear();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).dropped(DropReason::NoMasquerade);
    // The rule of another uplink.
    let mut lab = Lab::new();
    lab.router.tables.masquerades[0].1 = 99;
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).dropped(DropReason::NoMasquerade);
}

#[test]
fn damaged_headers_are_dropped_and_never_read_past_their_end() {
    let mut lab = Lab::new();
    let places = lab.places;
    for datagram in [
        ipv4(RED, FAR).tcp(40_000, 443, SYN),
        ipv4(RED, FAR).udp(40_000, 53),
        ipv4(RED, FAR).echo_request(7),
        ipv4(RED, FAR).options(5).udp(40_000, 53),
    ] {
        let frame = datagram.frame(places.red_mac, places.bridge.mac, places.red_port);
        for length in 15..frame.bytes().len() {
            let mut cut = frame.clone();
            cut.bytes_mut().truncate(length);
            lab.send(Hook::FromNamespace, cut).dropped(DropReason::Malformed);
        }
        for version_length in [0x00, 0x40, 0x44, 0x55, 0x65, 0x4f] {
            let mut damaged = frame.clone();
            damaged.bytes_mut()[14] = version_length;
            lab.send(Hook::FromNamespace, damaged).dropped(DropReason::Malformed);
        }
    }
}

#[test]
fn drops_are_counted_with_their_ip_bytes() {
    let mut lab = Lab::new();
    lab.red(&ipv4(LAN, FAR).udp(1, 2).payload(72));
    let counter = lab.router.tables.drop_counter(DropReason::SpoofedSource);
    assert_eq!((counter.packets, counter.bytes), (1, 100));
}
