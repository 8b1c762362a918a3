//! What the stack gets, and gets as it came.

use netns_common::{
    abi::{DropReason, Ip4},
    model::{Hook, Places},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, ipv4};

#[test]
fn frames_without_ipv4_are_passed_to_the_stack() {
    let mut lab = Lab::new();
    let Places { red_mac, red_port, uplink, .. } = lab.places;
    let hooks = [
        (Hook::FromNamespace, red_port),
        (Hook::FromUplink, uplink.index),
        (Hook::ToUplink, uplink.index),
    ];
    for (hook, link) in hooks {
        for ether_type in [[0x86, 0xdd], [0x88, 0xcc]] {
            let mut frame = ipv4(RED, FAR).udp(1, 2).frame(red_mac, [0xff; 6], link);
            frame.bytes_mut()[12..14].copy_from_slice(&ether_type);
            let sent = lab.send(hook, frame);
            if (hook, ether_type) == (Hook::FromNamespace, [0x86, 0xdd]) {
                sent.dropped(DropReason::Ipv6);
            } else {
                sent.passed();
            }
        }
    }
}

#[test]
fn frames_of_a_vlan_are_bridged_untranslated() {
    let mut lab = Lab::new();
    let places = lab.places;
    let mut tagged =
        ipv4(RED, FAR).udp(1, 2).frame(places.red_mac, places.bridge.mac, places.red_port);
    tagged.tagged = true;
    lab.send(Hook::FromNamespace, tagged).passed();
    let mut tagged = ipv4(FAR, HOST).tcp(1, 80, SYN).frame(
        places.lan_mac,
        places.uplink.mac,
        places.uplink.index,
    );
    tagged.tagged = true;
    lab.send(Hook::FromUplink, tagged).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn bridged_packets_are_not_translated() {
    let mut lab = Lab::new();
    let places = lab.places;
    let neighbour = Ip4::new(192, 168, 15, 77);
    let frame =
        ipv4(RED, neighbour).udp(1, 2).frame(places.red_mac, places.blue_mac, places.red_port);
    lab.send(Hook::FromNamespace, frame).passed();
    lab.red(&ipv4(RED, BLUE).udp(1, 2)).passed();
    lab.red(&ipv4(RED, Ip4::new(224, 0, 0, 251)).udp(5353, 5353)).passed();
    lab.red(&ipv4(RED, Ip4::BROADCAST).udp(68, 67)).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn the_stack_answers_an_outbound_packet_whose_ttl_expires() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).ttl(1).udp(40_000, 53)).passed();
    assert_eq!(lab.flow_count(), 0);
    // Also while the flow is there, and without counting for it.
    lab.red(&ipv4(RED, FAR).ttl(2).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    let before = lab.only_flow();
    lab.red(&ipv4(RED, FAR).ttl(1).udp(40_000, 53)).passed();
    assert_eq!(lab.only_flow(), before);
}

#[test]
fn rfc4787_req13_the_stack_answers_packets_over_the_mtu_of_the_uplink() {
    let mut lab = Lab::new();
    lab.router.tables.mtus = netns_common::model::Mtus::new(&[(lab.places.uplink.index, 1400)]);
    let packet =
        |length: usize| ipv4(RED, FAR).dont_fragment().udp(40_000, 53).payload(length - 28);
    for known in [false, true] {
        lab.red(&packet(1401)).passed();
        lab.red(&packet(1500)).passed();
        assert_eq!(lab.flow_count(), usize::from(known));
        lab.red(&packet(1400)).left_as((HOST, 40_000), (FAR, 53));
    }
}

#[test]
fn traffic_of_the_host_is_passed_untouched() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 22, SYN)).passed();
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 33_333, ACK)).passed();
    lab.outside(&ipv4(LAN, HOST).udp(53, 33_333)).passed();
    lab.outside(&ipv4(LAN, HOST).echo_request(1)).passed();
    lab.outside(&ipv4(LAN, HOST).echo_reply(1)).passed();
    lab.outside(&ipv4(LAN, HOST).protocol(47)).passed();
    lab.outside(&ipv4(LAN, HOST).fragment(0, true).udp(53, 33_333)).passed();
    // As the first one of its datagram was.
    lab.outside(&ipv4(LAN, HOST).protocol(17).fragment(5, false)).passed();
    let places = lab.places;
    let answer = ipv4(HOST, LAN).tcp(22, 50_000, SYN | ACK);
    let mut frame = answer.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    frame.from_host = true;
    lab.send(Hook::ToUplink, frame).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_flow_accepts_packets_only_from_its_remote() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.outside(&ipv4(LAN, HOST).udp(53, 40_000)).passed();
    lab.outside(&ipv4(FAR, HOST).udp(54, 40_000)).passed();
    lab.outside(&ipv4(FAR, HOST).tcp(53, 40_000, ACK)).passed();
    let other = Ip4::new(192, 168, 1, 99);
    lab.outside(&ipv4(FAR, other).udp(53, 40_000)).passed();
}

#[test]
fn an_echo_request_is_never_taken_for_a_reply() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).echo_request(7));
    lab.outside(&ipv4(FAR, HOST).echo_request(7)).passed();
}
