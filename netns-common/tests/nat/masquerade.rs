//! Connections that a namespace begins.

use netns_common::model::rules;

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, ipv4};

#[test]
fn a_connection_keeps_its_port_and_its_answers_come_back() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN).payload(10));
    request.left_as((HOST, 40_000), (FAR, 443));
    lab.answer(&request).reached(RED, (FAR, 443), (RED, 40_000));
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, ACK)).left_as((HOST, 40_000), (FAR, 443));
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn a_neighbour_on_the_uplink_is_its_own_next_hop() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, LAN).udp(5000, 53)).left_as((HOST, 5000), (LAN, 53));
}

#[test]
fn udp_keeps_its_port_and_echo_its_identifier() {
    let mut lab = Lab::new();
    let datagram = lab.red(&ipv4(RED, FAR).udp(5000, 53).payload(33));
    datagram.left_as((HOST, 5000), (FAR, 53));
    lab.answer(&datagram).reached(RED, (FAR, 53), (RED, 5000));
    let ping = lab.red(&ipv4(RED, FAR).echo_request(7).payload(56));
    ping.left_as((HOST, 7), (FAR, 0));
    lab.answer(&ping).reached(RED, (FAR, 0), (RED, 7));
    assert_eq!(lab.flow_count(), 2);
}

#[test]
fn a_second_namespace_with_the_same_port_gets_another_and_its_answers() {
    for protocol in ["tcp", "udp", "echo"] {
        let mut lab = Lab::new();
        let begin = |source| match protocol {
            "tcp" => ipv4(source, FAR).tcp(40_000, 443, SYN),
            "udp" => ipv4(source, FAR).udp(40_000, 443),
            _ => ipv4(source, FAR).echo_request(40_000),
        };
        let service = if protocol == "echo" { 0 } else { 443 };
        let first = lab.red(&begin(RED));
        let second = lab.blue(&begin(BLUE));
        first.left_as((HOST, 40_000), (FAR, service));
        let moved = second.head().source_port.number();
        assert_ne!(moved, 40_000, "{protocol}");
        assert!(moved >= 1024, "{protocol}: {moved} is a port of the system's");
        second.left_as((HOST, moved), (FAR, service));
        lab.answer(&second).reached(BLUE, (FAR, service), (BLUE, 40_000));
        lab.answer(&first).reached(RED, (FAR, service), (RED, 40_000));
        // The flow with the translated port keeps it.
        lab.blue(&begin(BLUE)).left_as((HOST, moved), (FAR, service));
        assert_eq!(lab.flow_count(), 2, "{protocol}");
        assert_eq!(lab.router.tables.translated_flows().len(), 1, "{protocol}");
    }
}

#[test]
fn rfc7857_req3_a_port_is_shared_by_several_destinations() {
    let mut lab = Lab::new();
    let first = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let second = lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53));
    first.left_as((HOST, 40_000), (FAR, 53));
    second.left_as((HOST, 40_000), (LAN, 53));
    lab.answer(&first).reached(RED, (FAR, 53), (RED, 40_000));
    lab.answer(&second).reached(BLUE, (LAN, 53), (BLUE, 40_000));
}

#[test]
fn rfc6888_req15_an_allocated_port_cannot_be_predicted_without_the_seed() {
    let moved = |seed| {
        let mut lab = Lab::new();
        lab.router.tables.settings.seed = seed;
        lab.red(&ipv4(RED, FAR).udp(40_000, 53));
        lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53)).head().source_port.number()
    };
    assert_eq!(moved([1, 2]), moved([1, 2]));
    assert_ne!(moved([1, 2]), moved([1, 3]));
}

#[test]
fn rfc768_an_absent_udp_checksum_stays_absent() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    // By its own port, and by another one.
    for sent in [
        lab.red(&ipv4(RED, FAR).udp_without_checksum(40_000, 53).payload(9)),
        lab.blue(&ipv4(BLUE, FAR).udp_without_checksum(40_000, 53).payload(9)),
    ] {
        assert_eq!(sent.after.bytes()[40..42], [0, 0]);
        sent.is_one_hop_further();
    }
}

#[test]
fn rfc768_a_computed_udp_checksum_of_0_becomes_all_ones() {
    let mut lab = Lab::new();
    let computed: Vec<u16> = (0..=u16::MAX)
        .map(|port| {
            let sent = lab.red(&ipv4(RED, FAR).udp(40_000, port).payload(2));
            lab.router.tables.flush();
            u16::from_be_bytes([sent.after.bytes()[40], sent.after.bytes()[41]])
        })
        .collect();
    assert!(!computed.contains(&0));
    assert!(computed.contains(&0xffff), "no packet met the case");
}

#[test]
fn a_packet_with_ip_options_is_translated() {
    let mut lab = Lab::new();
    for words in 1..=10 {
        let request = lab.red(&ipv4(RED, FAR).options(words).tcp(40_000, 443, SYN).payload(3));
        request.left_as((HOST, 40_000), (FAR, 443));
        let answer = ipv4(FAR, HOST).options(words).tcp(443, 40_000, SYN | ACK);
        lab.outside(&answer).reached(RED, (FAR, 443), (RED, 40_000));
    }
    lab.blue(&ipv4(BLUE, FAR).options(2).udp(40_000, 443)).is_one_hop_further();
    let moved = lab.red(&ipv4(RED, FAR).options(2).udp(40_000, 443));
    assert_ne!(moved.head().source_port.number(), 40_000);
    moved.is_one_hop_further();
}

#[test]
fn a_checksum_offload_gets_the_new_pseudo_header_sum() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let partial = |source, destination| {
        // What a socket leaves in the field: the folded sum of the pseudo-header alone.
        let bytes = ipv4(source, destination).tcp(40_000, 443, SYN).payload(6).bytes();
        let mut pseudo = bytes[12..20].to_vec();
        pseudo.extend([0, 6, 0, 26]);
        !netns_common::model::checksum(&pseudo)
    };
    let packet = ipv4(BLUE, FAR).tcp(40_000, 443, SYN).payload(6);
    let places = lab.places;
    let mut frame = packet.frame(places.blue_mac, places.bridge.mac, places.blue_port);
    frame.partial_checksum = true;
    frame.bytes_mut()[50..52].copy_from_slice(&partial(BLUE, FAR).to_be_bytes());
    let sent = lab.send(netns_common::model::Hook::FromNamespace, frame);
    assert_ne!(sent.head().source_port.number(), 40_000, "the port has moved too");
    assert_eq!(sent.after.bytes()[50..52], partial(HOST, FAR).to_be_bytes());
}

#[test]
fn a_masquerade_counts_flows_packets_and_ip_bytes() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53).payload(72));
    lab.answer(&request);
    let counter = lab.rule(rules::MASQUERADE);
    assert_eq!((counter.flows, counter.packets, counter.bytes), (1, 2, 100 + 28));
    let (_, flow) = lab.only_flow();
    assert_eq!((flow.packets_out, flow.bytes_out), (1, 100));
    assert_eq!((flow.packets_in, flow.bytes_in), (1, 28));
}

#[test]
fn byte_counters_exceed_four_gigabytes() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53).payload(72));
    lab.answer(&request);
    lab.router.tables.edit_flows(|flow| {
        flow.bytes_out = u32::MAX - 49;
        flow.bytes_in = u32::MAX;
    });
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53).payload(72));
    lab.answer(&request);
    let (_, flow) = lab.only_flow();
    assert_eq!((flow.packets_out, flow.bytes_out()), (2, (1 << 32) + 50));
    assert_eq!((flow.packets_in, flow.bytes_in()), (2, (1 << 32) + 27));
}

#[test]
fn the_padding_of_a_short_frame_is_not_counted() {
    let mut lab = Lab::new();
    let places = lab.places;
    let packet = ipv4(RED, FAR).udp(40_000, 53).payload(1);
    let mut frame = packet.frame(places.red_mac, places.bridge.mac, places.red_port);
    frame.bytes_mut().resize(60, 0);
    lab.send(netns_common::model::Hook::FromNamespace, frame).left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.only_flow().1.bytes_out, 29);
    assert_eq!(lab.rule(rules::MASQUERADE).bytes, 29);
}

#[test]
fn an_established_connection_without_a_record_is_picked_up() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, ACK));
    sent.left_as((HOST, 40_000), (FAR, 443));
    lab.answer(&sent).reached(RED, (FAR, 443), (RED, 40_000));
}

#[test]
fn rfc5508_req1_timestamp_queries_and_their_answers_pass() {
    let mut lab = Lab::new();
    // Identifier 7, sequence 1; the three times are content.
    let query = ipv4(RED, FAR).payload(12).icmp(13, 0, [0, 7, 0, 1]);
    lab.red(&query).left_as((HOST, 7), (FAR, 0));
    lab.outside(&ipv4(FAR, HOST).payload(12).icmp(14, 0, [0, 7, 0, 1])).reached(
        RED,
        (FAR, 0),
        (RED, 7),
    );
    let other = ipv4(BLUE, FAR).payload(12).icmp(13, 0, [0, 7, 0, 1]);
    let other = lab.blue(&other).head().source_port.number();
    assert_ne!(other, 7, "blue's identifier is another one outside");
    lab.outside(&ipv4(FAR, HOST).payload(12).icmp(14, 0, [0, 8, 0, 1])).passed();
    assert_eq!(lab.flow_count(), 2);
}
