//! UDP-Lite: like UDP, but for what the checksum covers (RFC 3828).

use netns_common::{
    abi::{Forward, Protocol},
    model::Hook,
};

use crate::lab::{BLUE, FAR, HOST, LAN, Lab, RED, ipv4, tcp};

#[test]
fn rfc3828_the_checksum_stays_correct_for_every_coverage() {
    for coverage in [0, 8, 9, 20, 41] {
        let mut lab = Lab::new();
        let packet = |source| ipv4(source, FAR).udp_lite(40_000, 5004, coverage).payload(33);
        let kept = lab.red(&packet(RED));
        kept.left_as((HOST, 40_000), (FAR, 5004));
        lab.answer(&kept).reached(RED, (FAR, 5004), (RED, 40_000));
        let moved = lab.blue(&packet(BLUE));
        let port = moved.head().source_port.number();
        assert_ne!(port, 40_000);
        moved.left_as((HOST, port), (FAR, 5004));
        lab.answer(&moved).reached(BLUE, (FAR, 5004), (BLUE, 40_000));
    }
}

#[test]
fn rfc3828_a_computed_checksum_of_0_becomes_all_ones() {
    let mut lab = Lab::new();
    let computed: Vec<u16> = (0..=u16::MAX)
        .map(|port| {
            let sent = lab.red(&ipv4(RED, FAR).udp_lite(40_000, port, 8).payload(2));
            lab.router.tables.flush();
            u16::from_be_bytes([sent.after.bytes()[40], sent.after.bytes()[41]])
        })
        .collect();
    assert!(!computed.contains(&0), "a checksum of 0 is forbidden");
    assert!(computed.contains(&0xffff), "no packet met the case");
}

#[test]
fn udp_lite_ports_are_separate_from_udp_ports() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    lab.blue(&ipv4(BLUE, FAR).udp_lite(40_000, 53, 0)).left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.flow_count(), 2);
    // Neither is a forward of udp one of its own.
    lab.outside(&ipv4(LAN, HOST).udp_lite(7000, 5353, 0)).passed();
    let protocol = Protocol::UdpLite.number();
    lab.forward(9, Forward { protocol, ..tcp(5353..=5353, 53) });
    let call = lab.outside(&ipv4(LAN, HOST).udp_lite(7000, 5353, 0));
    call.reached(BLUE, (LAN, 7000), (BLUE, 53));
    lab.answer(&call).left_as((HOST, 5353), (LAN, 7000));
}

#[test]
fn rfc3828_a_checksum_of_0_is_not_corrected() {
    let mut lab = Lab::new();
    let places = lab.places;
    let packet = ipv4(RED, FAR).udp_lite(40_000, 53, 0).payload(5);
    let mut frame = packet.frame(places.red_mac, places.bridge.mac, places.red_port);
    frame.bytes_mut()[40..42].fill(0);
    let sent = lab.send(Hook::FromNamespace, frame);
    assert_eq!(sent.after.bytes()[40..42], [0, 0], "its receiver is to discard it");
}
