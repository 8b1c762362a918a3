//! Packets that take the way through the kernel's stack: translated where they come in from
//! outside, and where they leave.

use netns_common::{
    abi::{DropReason, FlowKind, Ip4},
    datapath::{Exit, Headers, Verdict},
    model::{Datagram, Hook, Places, Way, wrong_checksums},
};

use crate::{
    icmp_errors::quoted,
    lab::{ACK, BLUE, BRIDGE, End, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, Sent, ipv4},
};

/// The lecture's lab with `via_stack`.
fn via_stack() -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.settings.via_stack = 1;
    lab
}

/// red sends a packet, which the stack forwards.
fn forwarded(lab: &mut Lab, packet: &Datagram) -> Sent {
    lab.red(packet).passed();
    lab.stack(packet)
}

/// The host itself sends a packet.
fn own(lab: &mut Lab, packet: &Datagram) -> Sent {
    let Places { lan_mac, uplink, .. } = lab.places;
    let mut frame = packet.frame(uplink.mac, lan_mac, uplink.index);
    frame.from_host = true;
    lab.send(Hook::ToUplink, frame)
}

/// The error went on, its quotation translated and checksums right.
#[track_caller]
fn error_went_on(error: &Sent, (source, destination): (Ip4, Ip4), quotation: (End, End)) {
    assert_eq!(error.verdict, Verdict::Redirect(Exit::Onward), "{error:#?}");
    assert_eq!((error.head().source, error.head().destination), (source, destination));
    assert_eq!(error.head().ttl, Headers::read(&error.before).expect("a packet").ttl);
    assert_eq!(quoted(&error.after), quotation);
    assert_eq!(wrong_checksums(error.after.network()), []);
}

#[test]
fn multicast_packets_forwarded_by_the_stack_do_not_leave() {
    let mut lab = Lab::new();
    let group = Ip4::new(224, 0, 0, 251);
    lab.stack(&ipv4(RED, group).udp(40_000, 5353)).dropped(DropReason::Leak);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_connection_is_translated_with_via_stack() {
    for (packet, service) in [
        (ipv4(RED, FAR).tcp(40_000, 443, SYN), 443),
        (ipv4(RED, FAR).udp(40_000, 53).payload(9), 53),
        (ipv4(RED, FAR).udp_without_checksum(40_000, 53).payload(9), 53),
        (ipv4(RED, FAR).echo_request(40_000).payload(9), 0),
        (ipv4(RED, FAR).options(3).tcp(40_000, 443, SYN), 443),
    ] {
        let mut lab = via_stack();
        let sent = forwarded(&mut lab, &packet);
        sent.went_on_as((HOST, 40_000), (FAR, service));
        let answer = Datagram::answer_to(&sent.after).expect("an answer");
        lab.outside(&answer).went_on_as((FAR, service), (RED, 40_000));
        let again = forwarded(&mut lab, &packet);
        again.went_on_as((HOST, 40_000), (FAR, service));
        let (_, flow) = lab.only_flow();
        assert_eq!((flow.packets_out, flow.packets_in), (2, 1));
        assert_eq!((flow.cable, flow.inside_mac), (lab.places.red_port, lab.places.red_mac));
        assert_eq!((flow.egress, flow.next_hop), (lab.places.uplink.index, LAN));
    }
}

#[test]
fn rfc5508_req8_the_sender_gets_an_error_when_records_run_out_with_via_stack() {
    let mut lab = via_stack();
    lab.router.tables.capacity = 1;
    forwarded(&mut lab, &ipv4(RED, FAR).udp(40_000, 53));
    for packet in [
        ipv4(BLUE, FAR).tcp(40_000, 443, SYN).payload(900),
        ipv4(BLUE, FAR).udp(40_000, 443),
        ipv4(BLUE, FAR).echo_request(1),
    ] {
        let sent = lab.stack(&packet);
        assert_eq!(sent.refused(DropReason::TableFull, BRIDGE), ((3, 13), 0));
    }
    assert_eq!(lab.drops(DropReason::TableFull), 3);
}

#[test]
fn a_port_in_use_is_translated_with_via_stack() {
    let mut lab = via_stack();
    forwarded(&mut lab, &ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let packet = ipv4(BLUE, FAR).tcp(40_000, 443, SYN);
    lab.blue(&packet).passed();
    let sent = lab.stack(&packet);
    let port = sent.head().source_port.number();
    assert_ne!(port, 40_000);
    sent.went_on_as((HOST, port), (FAR, 443));
    let answer = Datagram::answer_to(&sent.after).expect("an answer");
    lab.outside(&answer).went_on_as((FAR, 443), (BLUE, 40_000));
    lab.stack(&ipv4(BLUE, FAR).tcp(40_000, 443, ACK)).went_on_as((HOST, port), (FAR, 443));
}

#[test]
fn a_forwarded_port_is_reached_with_via_stack() {
    let mut lab = via_stack();
    let sent = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN));
    sent.went_on_as((FAR, 50_000), (BLUE, 80));
    let answer = Datagram::answer_to(&sent.after).expect("an answer");
    lab.blue(&answer).passed();
    lab.stack(&answer).went_on_as((HOST, 8080), (FAR, 50_000));
    assert_eq!(lab.only_flow().1.kind, FlowKind::Forward as u8);
}

/// The source of a hairpinned packet is the host's own address, which the stack takes for a
/// martian.
#[test]
fn rfc4787_req9_a_hairpin_bypasses_the_stack_in_both_modes() {
    let mut lab = via_stack();
    let sent = lab.red(&ipv4(RED, HOST).tcp(40_000, 8080, SYN));
    sent.reached(BLUE, (HOST, 40_000), (BLUE, 80));
    lab.answer(&sent).reached(RED, (HOST, 8080), (RED, 40_000));
    lab.red(&ipv4(RED, HOST).tcp(40_000, 8080, ACK)).reached(BLUE, (HOST, 40_000), (BLUE, 80));
}

#[test]
fn the_stack_decrements_the_ttl_of_packets_that_it_forwards() {
    let mut lab = via_stack();
    forwarded(&mut lab, &ipv4(RED, FAR).udp(40_000, 53));
    lab.red(&ipv4(RED, FAR).udp(40_000, 53).ttl(1)).passed();
    lab.outside(&ipv4(FAR, HOST).udp(53, 40_000).ttl(1)).went_on_as((FAR, 53), (RED, 40_000));
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN).ttl(1)).went_on_as((FAR, 50_000), (BLUE, 80));
    assert_eq!(lab.drops(DropReason::TtlExceeded), 0);
}

#[test]
fn a_packet_fragmented_by_the_stack_is_translated_without_via_stack_too() {
    let mut lab = Lab::new();
    let sent = lab.stack(&ipv4(RED, FAR).udp(40_000, 53));
    sent.went_on_as((HOST, 40_000), (FAR, 53));
    // The flow is like any other: its next packet takes the fast path.
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    let answer = Datagram::answer_to(&sent.after).expect("an answer");
    lab.outside(&answer).reached(RED, (FAR, 53), (RED, 40_000));
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn a_connection_survives_a_change_of_via_stack() {
    let mut lab = Lab::new();
    for via_stack in [0, 1, 0, 1] {
        lab.router.tables.settings.via_stack = via_stack;
        let packet = ipv4(RED, FAR).tcp(40_000, 443, if via_stack == 0 { SYN } else { ACK });
        let answer = ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK);
        if via_stack == 0 {
            lab.red(&packet).left_as((HOST, 40_000), (FAR, 443));
            lab.outside(&answer).reached(RED, (FAR, 443), (RED, 40_000));
        } else {
            forwarded(&mut lab, &packet).went_on_as((HOST, 40_000), (FAR, 443));
            lab.outside(&answer).went_on_as((FAR, 443), (RED, 40_000));
        }
    }
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn the_source_is_checked_before_the_stack() {
    let mut lab = via_stack();
    for source in [BLUE, BRIDGE, HOST, FAR] {
        lab.red(&ipv4(source, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
    }
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53)).passed();
    lab.stack(&ipv4(BLUE, FAR).udp(40_000, 53)).went_on_as((HOST, 40_000), (FAR, 53));
    lab.red(&ipv4(BLUE, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
}

#[test]
fn packets_of_the_stack_that_cannot_be_translated_are_dropped_with_a_reason() {
    let mut lab = via_stack();
    lab.stack(&ipv4(RED, FAR).protocol(51)).dropped(DropReason::UnsupportedProtocol);
    lab.stack(&ipv4(RED, FAR).icmp(15, 0, [0; 4])).dropped(DropReason::UnrelatedIcmp);
    lab.stack(&ipv4(RED, FAR).echo_reply(7)).dropped(DropReason::UnrelatedIcmp);
    lab.stack(&ipv4(RED, FAR).tcp(40_000, 443, RST)).dropped(DropReason::NoFlow);
    lab.stack(&ipv4(BRIDGE, FAR).udp(1, 2)).dropped(DropReason::Leak);
    lab.router.tables.masquerades.clear();
    lab.stack(&ipv4(RED, FAR).udp(40_000, 53)).dropped(DropReason::NoMasquerade);
    assert_eq!(lab.flow_count(), 0);
}

/// As a process of the router that is bound to a bridge's address.
#[test]
fn packets_of_the_host_with_an_inside_source_do_not_leave() {
    for mut lab in [Lab::new(), via_stack()] {
        for source in [BRIDGE, RED] {
            own(&mut lab, &ipv4(source, FAR).udp(1, 2)).dropped(DropReason::Leak);
        }
        let places = lab.places;
        let mut tagged = ipv4(RED, FAR).udp(1, 2).frame([2; 6], [2; 6], places.uplink.index);
        tagged.tagged = true;
        lab.send(Hook::ToUplink, tagged).dropped(DropReason::Leak);
        assert_eq!(lab.flow_count(), 0);
    }
}

#[test]
fn without_the_source_check_an_unknown_inside_source_passes_the_stack_in_both_directions() {
    let mut lab = via_stack();
    lab.router.tables.settings.source_check = 0;
    let second = Ip4::new(192, 168, 15, 77);
    forwarded(&mut lab, &ipv4(second, FAR).udp(40_000, 53)).went_on_as((HOST, 40_000), (FAR, 53));
    for via_stack in [1, 0] {
        lab.router.tables.settings.via_stack = via_stack;
        lab.outside(&ipv4(FAR, HOST).udp(53, 40_000)).went_on_as((FAR, 53), (second, 40_000));
    }
    // In the fast mode its next packet tells the cable.
    lab.red(&ipv4(second, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    lab.outside(&ipv4(FAR, HOST).udp(53, 40_000)).reached(RED, (FAR, 53), (second, 40_000));
}

#[test]
fn rfc5508_req4_an_error_from_outside_reaches_the_sender_with_via_stack() {
    for length in [8, 20, 500] {
        let mut lab = via_stack();
        let sent = forwarded(&mut lab, &ipv4(RED, FAR).tcp(40_000, 443, SYN));
        let error = lab.outside(&ipv4(LAN, HOST).error(11, 0, &sent.after, length));
        error_went_on(&error, (LAN, RED), ((RED, 40_000), (FAR, 443)));
    }
}

#[test]
fn rfc5508_req5_an_error_forwarded_by_the_stack_has_the_hosts_address() {
    for length in [8, 20, 500] {
        let mut lab = via_stack();
        let sent = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353).payload(4));
        let error = ipv4(BLUE, FAR).error(3, 3, &sent.after, length);
        lab.blue(&error).passed();
        error_went_on(&lab.stack(&error), (HOST, FAR), ((FAR, 50_000), (HOST, 5353)));
        // About a connection of another namespace.
        let error = ipv4(RED, FAR).error(3, 3, &sent.after, length);
        lab.stack(&error).dropped(DropReason::UnrelatedIcmp);
    }
}

/// Time exceeded, frag-needed, host unreachable: the stack saw the packet as it was after the
/// translation, and quotes that.
#[test]
fn rfc5508_req5_an_error_of_the_router_quotes_no_inside_address() {
    for length in [8, 20, 28, 500] {
        for (kind, code) in [(11, 0), (3, 4), (3, 1)] {
            let mut lab = via_stack();
            let sent = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 8080, SYN).payload(8));
            let error = own(&mut lab, &ipv4(HOST, FAR).error(kind, code, &sent.after, length));
            error_went_on(&error, (HOST, FAR), ((FAR, 50_000), (HOST, 8080)));
            // A translated port, too.
            forwarded(&mut lab, &ipv4(RED, FAR).udp(40_000, 53));
            let moved = lab.stack(&ipv4(BLUE, FAR).udp(40_000, 53));
            let port = moved.head().source_port.number();
            let answer = Datagram::answer_to(&moved.after).expect("an answer");
            let answer = lab.outside(&answer);
            let error = own(&mut lab, &ipv4(HOST, FAR).error(kind, code, &answer.after, length));
            error_went_on(&error, (HOST, FAR), ((FAR, 53), (HOST, port)));
        }
    }
}

#[test]
fn an_error_of_the_router_that_quotes_an_inside_address_of_no_flow_is_dropped() {
    let mut lab = via_stack();
    let unknown = lab.stack(&ipv4(FAR, BLUE).udp(50_000, 5353));
    for length in [8, 20, 4] {
        let error = ipv4(HOST, FAR).error(11, 0, &unknown.after, length);
        own(&mut lab, &error).dropped(DropReason::UnrelatedIcmp);
    }
    let later = lab.stack(&ipv4(FAR, BLUE).udp(1, 2).fragment(9, false));
    own(&mut lab, &ipv4(HOST, FAR).error(11, 1, &later.after, 8))
        .dropped(DropReason::UnrelatedIcmp);
    // An expired flow's is as unknown.
    let sent = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353));
    lab.router.wait(301);
    own(&mut lab, &ipv4(HOST, FAR).error(11, 0, &sent.after, 8)).dropped(DropReason::UnrelatedIcmp);
    // About the host's own packets, there is nothing to hide.
    let hosts = own(&mut lab, &ipv4(HOST, FAR).udp(33_333, 53));
    let answer = Datagram::answer_to(&hosts.after).expect("an answer");
    let answer = lab.outside(&answer);
    own(&mut lab, &ipv4(HOST, FAR).error(3, 3, &answer.after, 8)).passed();
}

#[test]
fn packets_are_translated_for_the_uplink_that_the_stack_chose() {
    const OTHER: u32 = 77;
    const OTHER_ADDRESS: Ip4 = Ip4::new(10, 9, 9, 2);
    let gateway = Ip4::new(10, 9, 9, 1);
    let mut lab = via_stack();
    let tables = &mut lab.router.tables;
    let way = Way::Via { egress: OTHER, gateway, source: OTHER_ADDRESS };
    let routes = std::mem::take(&mut tables.routes).also_from(OTHER);
    tables.routes = routes.with(Ip4::UNSPECIFIED, 0, way);
    tables.settings.uplinks[1] = OTHER;
    tables.settings.uplink_count = 2;
    tables.masquerades[0].1 = 0;
    let packet = ipv4(RED, FAR).udp(40_000, 53);
    lab.stack(&packet).went_on_as((HOST, 40_000), (FAR, 53));
    // Its route leads to the other uplink now, so it begins again with the address of that uplink.
    let frame = packet.frame([2; 6], [2; 6], OTHER);
    lab.send(Hook::ToUplink, frame.clone()).went_on_as((OTHER_ADDRESS, 40_000), (FAR, 53));
    let (_, flow) = lab.only_flow();
    assert_eq!((flow.egress, flow.next_hop, flow.external), (OTHER, gateway, OTHER_ADDRESS));
    // A forwarded connection keeps the address that was called.
    let called = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    let answer = Datagram::answer_to(&called.after).expect("an answer").tcp_flags(SYN | ACK | FIN);
    let frame = answer.frame([2; 6], [2; 6], OTHER);
    lab.send(Hook::ToUplink, frame).went_on_as((HOST, 80), (FAR, 50_000));
}
