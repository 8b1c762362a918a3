//! ICMP errors that the NAT itself sends.

use netns_common::{
    abi::{DropReason, ICMP_BURST, ICMP_PER_TICK, Ip4},
    datapath::{Exit, Headers, Verdict},
    model::{Datagram, Hook, Mtus, VecPacket, wrong_checksums},
};

use crate::{
    icmp_errors::quoted,
    lab::{ACK, BLUE, BRIDGE, FAR, HOST, Lab, RED, SYN, Sent, ipv4},
};

const TIME_EXCEEDED: (u8, u8) = (11, 0);
const FRAGMENTATION_NEEDED: (u8, u8) = (3, 4);
const PROHIBITED: (u8, u8) = (3, 13);

/// One packet from outside of each kind: to a forwarded port, to known flows of red's and
/// blue's, answers and calls.
fn from_outside(lab: &mut Lab) -> Vec<Datagram> {
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.red(&ipv4(RED, FAR).echo_request(7));
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    vec![
        ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK),
        ipv4(FAR, HOST).udp(53, 40_000),
        ipv4(FAR, HOST).udp_without_checksum(53, 40_000),
        ipv4(FAR, HOST).echo_reply(7),
        ipv4(FAR, HOST).tcp(50_000, 8080, ACK),
        ipv4(FAR, HOST).options(3).tcp(50_000, 8080, ACK),
        // A packet without a flow yet.
        ipv4(FAR, HOST).tcp(50_001, 8080, SYN),
        ipv4(FAR, HOST).udp(50_001, 5353),
    ]
}

#[test]
fn rfc4787_req13_time_exceeded_comes_from_the_address_that_was_called() {
    for length in [0, 20, 520, 521, 1400] {
        let mut lab = Lab::new();
        for packet in from_outside(&mut lab) {
            let flows = lab.router.tables.flows();
            let sent = lab.outside(&packet.payload(length).ttl(1));
            assert_eq!(sent.refused(DropReason::TtlExceeded, HOST), (TIME_EXCEEDED, 0));
            assert_eq!(lab.router.tables.flows(), flows, "no flow is begun or touched");
        }
        assert_eq!(lab.drops(DropReason::TtlExceeded), 8);
    }
}

#[test]
fn rfc4787_req13_fragmentation_needed_reports_the_mtu_of_the_cable() {
    let mut lab = Lab::new();
    let places = lab.places;
    let mtus = [(places.red_port, 1280), (places.blue_port, 1280)];
    for packet in from_outside(&mut lab) {
        lab.router.tables.mtus = Mtus::new(&mtus);
        let headers = packet.bytes().len();
        let packet = packet.dont_fragment();
        let flows = lab.router.tables.flows();
        for size in [1281, 1500] {
            let sent = lab.outside(&packet.clone().payload(size - headers));
            assert_eq!(sent.refused(DropReason::TooLarge, HOST), (FRAGMENTATION_NEEDED, 1280));
        }
        assert_eq!(lab.router.tables.flows(), flows);
        let sent = lab.outside(&packet.payload(1280 - headers));
        assert!(matches!(sent.verdict, Verdict::Redirect(_)), "{sent:#?}");
    }
    assert_eq!(lab.drops(DropReason::TooLarge), 16);
}

#[test]
fn rfc4787_req13a_an_oversized_packet_without_df_is_left_to_the_stack_to_fragment() {
    let mut lab = Lab::new();
    let places = lab.places;
    for (packet, to) in from_outside(&mut lab).into_iter().zip([
        (RED, 40_000),
        (RED, 40_000),
        (RED, 40_000),
        (RED, 7),
        (BLUE, 80),
        (BLUE, 80),
        (BLUE, 80),
        (BLUE, 53),
    ]) {
        lab.router.tables.mtus = Mtus::new(&[(places.red_port, 1280), (places.blue_port, 1280)]);
        let sent = lab.outside(&packet.payload(1400).ttl(9));
        assert_eq!(sent.verdict, Verdict::Redirect(Exit::Onward));
        // The stack counts the hop.
        assert_eq!(sent.head().ttl, 9);
        assert_eq!(sent.ends().1, to);
        assert_eq!(sent.before.destination_mac(), sent.after.destination_mac());
        assert_eq!(wrong_checksums(sent.after.network()), []);
    }
    let flows = lab.router.tables.flows();
    assert!(flows.values().all(|flow| flow.packets_in > 0), "{flows:#?}");
}

#[test]
fn rfc5508_req7_an_error_about_a_hairpin_comes_from_the_bridges_address() {
    let mut lab = Lab::new();
    let call = ipv4(RED, HOST).tcp(40_000, 8080, SYN);
    for known in [false, true] {
        assert_eq!(lab.flow_count(), if known { 2 } else { 0 });
        let sent = lab.red(&call.clone().ttl(1));
        assert_eq!(sent.refused(DropReason::TtlExceeded, BRIDGE), (TIME_EXCEEDED, 0));
        lab.router.tables.mtus = Mtus::new(&[(lab.places.blue_port, 1280)]);
        let sent = lab.red(&call.clone().dont_fragment().payload(1300));
        assert_eq!(sent.refused(DropReason::TooLarge, BRIDGE), (FRAGMENTATION_NEEDED, 1280));
        // It meets no link on its way.
        let whole = lab.red(&call.clone().payload(1300));
        whole.reached(BLUE, (HOST, 40_000), (BLUE, 80));
        lab.router.tables.mtus = Mtus::default();
    }
    // And on the way back.
    let answer = ipv4(BLUE, HOST).tcp(80, 40_000, SYN | ACK);
    let sent = lab.blue(&answer.ttl(1));
    assert_eq!(sent.refused(DropReason::TtlExceeded, BRIDGE), (TIME_EXCEEDED, 0));
}

#[test]
fn rfc5508_req7_an_error_about_a_hairpin_with_a_translated_port_is_sent_too() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, HOST).udp(40_000, 5353)).reached(BLUE, (HOST, 40_000), (BLUE, 53));
    // Blue calls itself from the same port.
    let moved = lab.blue(&ipv4(BLUE, HOST).udp(40_000, 5353));
    assert_ne!(moved.head().source_port.number(), 40_000);
    let sent = lab.blue(&ipv4(BLUE, HOST).ttl(1).udp(40_000, 5353));
    assert_eq!(sent.refused(DropReason::TtlExceeded, BRIDGE), (TIME_EXCEEDED, 0));
}

#[test]
fn rfc5508_req7_an_error_about_a_hairpin_quotes_the_port_that_the_target_knows() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, SYN)).reached(BLUE, (HOST, 40_000), (BLUE, 80));
    // By another port of the host to the same one of blue.
    let call = lab.red(&ipv4(RED, HOST).tcp(40_000, 8080, SYN));
    let seen = call.head().source_port.number();
    assert_ne!(seen, 40_000);
    let answer = lab.answer(&call);
    answer.reached(RED, (HOST, 8080), (RED, 40_000));
    let error = lab.red(&ipv4(RED, HOST).error(3, 4, &answer.after, 8).next_hop_mtu(1400));
    assert_eq!(quoted(&error.after), ((BLUE, 80), (HOST, seen)));
    let error = lab.blue(&ipv4(BLUE, HOST).error(3, 3, &call.after, 8));
    assert_eq!(quoted(&error.after), ((RED, 40_000), (HOST, 8080)));
}

#[test]
fn rfc5508_req8_the_sender_gets_an_error_when_ports_or_records_run_out() {
    let mut lab = Lab::new();
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (50_000, 50_000);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.red(&ipv4(RED, FAR).udp(50_000, 53));
    let sent = lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53).payload(700));
    assert_eq!(sent.refused(DropReason::PortsExhausted, BRIDGE), (PROHIBITED, 0));

    let mut lab = Lab::new();
    lab.router.tables.capacity = 1;
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    for packet in [
        ipv4(BLUE, FAR).tcp(40_000, 443, SYN),
        ipv4(BLUE, FAR).udp(40_000, 443),
        ipv4(BLUE, FAR).echo_request(1),
        ipv4(BLUE, HOST).tcp(40_000, 80, SYN),
    ] {
        let sent = lab.blue(&packet);
        assert_eq!(sent.refused(DropReason::TableFull, BRIDGE), (PROHIBITED, 0));
    }
    // A caller from outside gets no error (RFC 5508 requires one only towards the inside).
    let sent = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    assert_eq!(sent.verdict, Verdict::Drop(DropReason::TableFull));
}

#[test]
fn pitfall_calico_10640_icmp_errors_of_the_router_have_its_address_towards_the_sender() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, HOST).udp(40_000, 5353));
    let inside = lab.red(&ipv4(RED, HOST).ttl(1).udp(40_000, 5353));
    inside.refused(DropReason::TtlExceeded, BRIDGE);
    let outside = lab.outside(&ipv4(FAR, HOST).ttl(1).udp(40_000, 5353));
    outside.refused(DropReason::TtlExceeded, HOST);
}

#[test]
fn rfc1812_an_error_has_its_precedence_and_is_never_fragmented() {
    let mut lab = Lab::new();
    let packet = ipv4(FAR, HOST).ttl(1).udp(50_000, 5353).payload(1000);
    let mut frame =
        packet.frame(lab.places.lan_mac, lab.places.uplink.mac, lab.places.uplink.index);
    // Low delay, and "congestion experienced".
    frame.bytes_mut()[15] = 0x13;
    frame.mend_header();
    let sent = lab.send(Hook::FromUplink, frame);
    assert!(matches!(sent.verdict, Verdict::Answer(DropReason::TtlExceeded, _)), "{sent:#?}");
    let error = sent.after.network();
    assert_eq!(error.len(), 576);
    assert_eq!(error[1], 0xd0, "internetwork control, low delay");
    assert_eq!(error[4..9], [0, 0, 0x40, 0, 64], "number, flags and time to live");
}

/// Checks that the packet was dropped without an ICMP error.
#[track_caller]
fn silent(sent: &Sent, reason: DropReason) {
    assert_eq!(sent.verdict, Verdict::Drop(reason));
}

#[test]
fn rfc1122_no_error_is_sent_about_an_error() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let error = ipv4(FAR, HOST).ttl(1).error(3, 3, &request.after, 8);
    silent(&lab.outside(&error), DropReason::TtlExceeded);
    let call = lab.red(&ipv4(RED, HOST).udp(40_000, 5353));
    let error = ipv4(BLUE, HOST).ttl(1).error(3, 3, &call.after, 8);
    silent(&lab.blue(&error), DropReason::TtlExceeded);
}

#[test]
fn rfc1812_no_error_is_sent_to_a_multicast_or_martian_address() {
    let mut lab = Lab::new();
    let places = lab.places;
    let to_group = |packet: &Datagram| -> VecPacket {
        packet.frame(places.lan_mac, [0xff; 6], places.uplink.index)
    };
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let sent = lab.send(Hook::FromUplink, to_group(&ipv4(FAR, HOST).ttl(1).udp(53, 40_000)));
    silent(&sent, DropReason::TtlExceeded);
    // A remote that is none: its record can only have been made from inside.
    for remote in [Ip4::new(0, 0, 0, 9), Ip4::new(240, 0, 0, 9), Ip4::new(192, 168, 1, 255)] {
        lab.red(&ipv4(RED, FAR).udp(40_001, 53));
        let (key, flow) =
            lab.router.tables.flows().into_iter().next().expect("a flow to be changed");
        let key = netns_common::abi::FlowKey { remote, ..key };
        netns_common::datapath::FlowTable::insert_flow(&lab.router.tables, &key, &flow)
            .expect("room for a record");
        let port = key.external_port.number();
        silent(&lab.outside(&ipv4(remote, HOST).ttl(1).udp(53, port)), DropReason::TtlExceeded);
    }
    assert_eq!(lab.drops(DropReason::IcmpRateLimit), 0);
}

#[test]
fn rfc1812_errors_are_rate_limited_by_kind_and_suppressed_ones_are_counted() {
    let mut lab = Lab::new();
    let late = ipv4(FAR, HOST).ttl(1).udp(50_000, 5353);
    let large = ipv4(FAR, HOST).dont_fragment().udp(50_000, 5353).payload(1500);
    let told = |lab: &mut Lab, packet: &Datagram| {
        let told = (0..200).filter(|_| matches!(lab.outside(packet).verdict, Verdict::Answer(..)));
        u32::try_from(told.count()).expect("a small number")
    };
    assert_eq!(told(&mut lab, &late), ICMP_BURST);
    assert_eq!(lab.drops(DropReason::TtlExceeded), 200);
    assert_eq!(lab.drops(DropReason::IcmpRateLimit), u64::from(200 - ICMP_BURST));
    // Another kind has an allowance of its own, and time gives more.
    assert_eq!(told(&mut lab, &large), ICMP_BURST);
    lab.router.now += 1;
    assert_eq!(told(&mut lab, &late), ICMP_PER_TICK);
    lab.router.wait(60);
    assert_eq!(told(&mut lab, &late), ICMP_BURST);
}

#[test]
fn an_error_about_a_packet_with_checksum_offload_has_a_correct_checksum() {
    let mut lab = Lab::new();
    let packet = ipv4(FAR, HOST).ttl(1).tcp(50_000, 80, SYN).payload(30);
    let mut frame =
        packet.frame(lab.places.lan_mac, lab.places.uplink.mac, lab.places.uplink.index);
    frame.partial_checksum = true;
    let sent = lab.send(Hook::FromUplink, frame);
    sent.refused(DropReason::TtlExceeded, HOST);
    // Nothing completes it later either.
    assert!(!sent.after.partial_checksum);
    assert_eq!(Headers::read(&sent.after).map(|head| head.bytes), Ok(28 + 70));
}
