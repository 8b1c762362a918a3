//! From namespace to namespace on one bridge.

use netns_common::{
    abi::{DropReason, Ip4, Mac, Prefix},
    datapath::{Exit, PortState, Verdict},
    model::{Datagram, Hook, Mtus, Places},
};

use crate::lab::{BLUE, FAR, HOST, Lab, RED, SYN, Sent, ipv4};

/// A packet from red to blue, or to the owner of that Ethernet address.
fn to_blue(lab: &mut Lab, packet: &Datagram, mac: Mac) -> Sent {
    let Places { red_mac, red_port, .. } = lab.places;
    lab.send(Hook::FromNamespace, packet.frame(red_mac, mac, red_port))
}

#[test]
fn a_neighbour_on_the_bridge_is_reached_directly() {
    let mut lab = Lab::new();
    let Places { blue_mac, blue_port, .. } = lab.places;
    for packet in [ipv4(RED, BLUE).tcp(40_000, 80, SYN), ipv4(RED, BLUE).echo_request(7)] {
        let sent = to_blue(&mut lab, &packet.ttl(1), blue_mac);
        assert_eq!(sent.verdict, Verdict::Redirect(Exit::Peer { cable: blue_port }));
        assert_eq!(sent.before.bytes(), sent.after.bytes(), "it is bridged, not routed");
    }
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn packets_not_for_a_neighbour_are_left_to_the_bridge() {
    let mut lab = Lab::new();
    let Places { blue_mac, blue_port, .. } = lab.places;
    let datagram = ipv4(RED, BLUE).udp(40_000, 53);
    // An address that blue does not have, and an Ethernet address that is not blue's.
    to_blue(&mut lab, &ipv4(RED, Ip4::new(192, 168, 15, 77)).udp(1, 2), blue_mac).passed();
    to_blue(&mut lab, &datagram, [2, 0, 0, 0, 0, 0x77]).passed();
    // Larger than blue's cable.
    lab.router.tables.mtus = Mtus::new(&[(blue_port, 1280)]);
    to_blue(&mut lab, &ipv4(RED, BLUE).udp(40_000, 53).payload(1400), blue_mac).passed();
    lab.router.tables.mtus = Mtus::default();
    // Its cable is another bridge's.
    lab.router.tables.endpoints.get_mut(&BLUE).expect("blue's").bridge = 99;
    to_blue(&mut lab, &datagram, blue_mac).passed();
    let mut lab = Lab::new();
    lab.router.tables.settings.via_stack = 1;
    to_blue(&mut lab, &datagram, blue_mac).passed();
}

#[test]
fn a_neighbour_in_any_prefix_is_reached_directly() {
    let mut lab = Lab::new();
    let Places { blue_mac, blue_port, .. } = lab.places;
    let settings = &mut lab.router.tables.settings;
    settings.inside.swap(0, 1);
    settings.inside_count = 2;
    let sent = to_blue(&mut lab, &ipv4(RED, BLUE).udp(40_000, 53), blue_mac);
    assert_eq!(sent.verdict, Verdict::Redirect(Exit::Peer { cable: blue_port }));
}

#[test]
fn a_packet_to_an_inside_prefix_can_belong_to_a_flow() {
    let mut lab = Lab::new();
    // The remote's prefix is one that is never let out: that of the uplink's own network.
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.tables.settings.inside[0] = Prefix::new(FAR, 24);
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    sent.left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.only_flow().1.packets_out, 2);
}

#[test]
fn a_neighbour_gets_no_packet_with_a_spoofed_source() {
    let mut lab = Lab::new();
    let blue_mac = lab.places.blue_mac;
    to_blue(&mut lab, &ipv4(FAR, BLUE).udp(1, 2), blue_mac).dropped(DropReason::SpoofedSource);
    to_blue(&mut lab, &ipv4(BLUE, BLUE).udp(1, 2), blue_mac).dropped(DropReason::SpoofedSource);
}

#[test]
fn a_neighbour_is_left_to_the_bridge_unless_both_ports_are_open() {
    let states = [PortState::Isolated, PortState::Unknown, PortState::Elsewhere, PortState::Closed];
    for state in states {
        for of_red in [true, false] {
            let mut lab = Lab::new();
            let Places { blue_mac, blue_port, red_port, .. } = lab.places;
            let port = if of_red { red_port } else { blue_port };
            lab.router.tables.port_states.insert(port, state);
            let sent = to_blue(&mut lab, &ipv4(RED, BLUE).udp(40_000, 53), blue_mac);
            if of_red && state == PortState::Closed {
                sent.dropped(DropReason::PortClosed);
            } else {
                sent.passed();
            }
        }
    }
}

#[test]
fn packets_of_an_unplugged_port_are_dropped() {
    let mut lab = Lab::new();
    let datagram = ipv4(RED, FAR).udp(40_000, 53);
    lab.red(&datagram).left_as((HOST, 40_000), (FAR, 53));
    let red_port = lab.places.red_port;
    // The port alone would be an interface of the router, which routes.
    lab.router.tables.port_states.insert(red_port, PortState::Closed);
    lab.red(&datagram).dropped(DropReason::PortClosed);
    lab.red(&ipv4(RED, FAR).udp(40_001, 53)).dropped(DropReason::PortClosed);
    assert_eq!(lab.only_flow().1.packets_out, 1);
}

#[test]
fn a_namespace_moved_to_another_bridge_cannot_use_other_addresses() {
    let mut lab = Lab::new();
    let red_port = lab.places.red_port;
    lab.router.tables.port_states.insert(red_port, PortState::Elsewhere);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).passed();
    lab.red(&ipv4(BLUE, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn packets_of_a_port_with_unknown_flags_are_left_to_the_kernel() {
    let mut lab = Lab::new();
    let red_port = lab.places.red_port;
    lab.router.tables.port_states.insert(red_port, PortState::Unknown);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).passed();
    assert_eq!(lab.flow_count(), 0);
    // A packet that the source check refuses is still dropped.
    lab.red(&ipv4(BLUE, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
}
