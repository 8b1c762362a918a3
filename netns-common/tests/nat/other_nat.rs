//! Other NATs on the machine, as Docker, libvirt and podman have them.

use netns_common::{
    abi::{DropReason, FlowKind, Forward, Ip4, Limits, OTHER_NATS, Protocol},
    model::{Datagram, Hook},
};

use crate::{
    icmp_errors::quoted,
    lab::{ACK, BLUE, FAR, FIN, HOST, LAN, Lab, RED, SYN, Sent, ipv4, tcp},
};

/// A bridge that is not the lab's.
const DOCKER0: u32 = 77;

/// Another NAT of the machine lets a packet leave by the uplink.
fn other(lab: &mut Lab, packet: &Datagram) -> Sent {
    let places = lab.places;
    let mut frame = packet.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    frame.ingress = DOCKER0;
    lab.send(Hook::ToUplink, frame)
}

fn other_nats(lab: &Lab) -> usize {
    let flows = lab.router.tables.flows();
    flows.values().filter(|flow| flow.kind == FlowKind::OtherNat as u8).count()
}

/// A lab on the machine itself.
fn machine() -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.settings.own_namespace = 0;
    lab
}

type Make = fn(Ip4, Ip4) -> Datagram;

/// A first packet of each kind that has a port or an identifier, from 5000, and its answer.
const KINDS: [(&str, Make, Make); 4] = [
    ("udp", |a, b| ipv4(a, b).udp(5000, 123), |a, b| ipv4(a, b).udp(123, 5000)),
    ("tcp", |a, b| ipv4(a, b).tcp(5000, 123, SYN), |a, b| ipv4(a, b).tcp(123, 5000, SYN | ACK)),
    ("sctp", |a, b| ipv4(a, b).sctp(5000, 123, 1), |a, b| ipv4(a, b).sctp(123, 5000, 2)),
    ("echo", |a, b| ipv4(a, b).echo_request(5000), |a, b| ipv4(a, b).echo_reply(5000)),
];

#[test]
fn a_connection_of_another_nat_keeps_its_port_and_one_of_the_lab_gets_another() {
    for (kind, request, answer) in KINDS {
        let mut lab = machine();
        for _ in 0..2 {
            other(&mut lab, &request(HOST, FAR)).passed();
            lab.outside(&answer(FAR, HOST)).passed();
            let sent = lab.red(&request(RED, FAR));
            assert_ne!(sent.ends().0, (HOST, 5000), "{kind}");
            lab.answer(&sent);
        }
        assert_eq!((lab.flow_count(), other_nats(&lab)), (2, 1), "{kind}");
    }
}

#[test]
fn a_later_connection_of_another_nat_gets_another_port() {
    for (kind, request, answer) in KINDS {
        let mut lab = machine();
        let first = lab.red(&request(RED, FAR));
        assert_eq!(first.ends().0, (HOST, 5000), "{kind}");
        let second = other(&mut lab, &request(HOST, FAR));
        let (from, to) = second.ends();
        assert_ne!(from.1, 5000, "{kind}");
        second.went_on_as((HOST, from.1), to);
        for _ in 0..2 {
            // Its answers come to that port, and the other NAT is given them at its own.
            let back = lab.outside(&Datagram::answer_to(&second.after).expect("an answer"));
            back.went_on_as((FAR, to.1), (HOST, 5000));
            assert_eq!(other(&mut lab, &request(HOST, FAR)).ends().0, from, "{kind}");
            // The lab's come to the port that it had before.
            let back = lab.outside(&answer(FAR, HOST));
            assert_eq!(back.ends().1, (RED, 5000), "{kind}");
        }
        assert_eq!((lab.flow_count(), other_nats(&lab)), (2, 1), "{kind}");
    }
}

#[test]
fn an_answer_to_another_nat_does_not_reach_a_forward() {
    let mut lab = machine();
    let udp = Forward { protocol: Protocol::Udp.number(), ..tcp(40_000..=50_000, 40_000) };
    lab.forward(20, udp);
    let answer = ipv4(FAR, HOST).udp(53, 45_000);
    other(&mut lab, &ipv4(HOST, FAR).udp(45_000, 53)).passed();
    lab.outside(&answer).passed();
    // Somebody else's datagram is a call.
    lab.outside(&ipv4(LAN, HOST).udp(53, 45_000)).reached(BLUE, (LAN, 53), (BLUE, 45_000));
    // Netfilter forgets a question that was answered once after two minutes.
    lab.router.wait(121);
    lab.outside(&answer).reached(BLUE, (FAR, 53), (BLUE, 45_000));
}

#[test]
fn an_error_about_a_packet_of_another_nat_has_the_port_of_that_nat() {
    let mut lab = machine();
    lab.red(&ipv4(RED, FAR).udp(5000, 123));
    let sent = other(&mut lab, &ipv4(HOST, FAR).udp(5000, 123));
    let port = sent.ends().0.1;
    let error = lab.outside(&ipv4(LAN, HOST).error(3, 3, &sent.after, 8));
    assert_eq!(quoted(&error.after), ((HOST, 5000), (FAR, 123)));
    assert_eq!(error.ends().1.0, HOST);
    // It tells about an answer that came by the other port.
    let answer = lab.outside(&ipv4(FAR, HOST).udp(123, port));
    let error = other(&mut lab, &ipv4(HOST, FAR).error(3, 3, &answer.after, 8));
    assert_eq!(quoted(&error.after), ((FAR, 123), (HOST, port)));
    // One about a connection that kept its port is left alone.
    let kept = other(&mut lab, &ipv4(HOST, LAN).udp(6000, 123));
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &kept.after, 8)).passed();
}

#[test]
fn fragments_of_another_nat_pass_and_the_first_gets_the_translated_port() {
    let mut lab = machine();
    lab.red(&ipv4(RED, FAR).udp(5000, 123));
    let first = ipv4(HOST, FAR).udp(5000, 123).payload(64).id(7).fragment(0, true);
    let first = other(&mut lab, &first);
    assert_ne!(first.ends().0, (HOST, 5000));
    other(&mut lab, &ipv4(HOST, FAR).udp(1, 2).id(7).fragment(72, false)).passed();
}

#[test]
fn connections_of_other_nats_have_a_separate_limit() {
    let mut lab = machine();
    lab.router.tables.settings.limits =
        Limits { quota: 2, unreplied: 2, unreplied_share: 2, other_nats: 3, ..Limits::default() };
    for port in 1000..1010 {
        other(&mut lab, &ipv4(HOST, FAR).udp(port, 53)).passed();
    }
    assert_eq!(other_nats(&lab), 3);
    assert_eq!(lab.drops(DropReason::OtherNatUnrecorded), 7);
    // They take nothing from the lab, nor does the lab from them.
    for port in 2000..2002 {
        lab.red(&ipv4(RED, FAR).udp(port, 53)).left_as((HOST, port), (FAR, 53));
    }
    let load = lab.router.tables.usage()[&OTHER_NATS].load();
    assert_eq!((load.flows, load.unreplied), (3, 0));
    // A packet that would need another port passes untranslated.
    other(&mut lab, &ipv4(HOST, FAR).udp(2000, 53)).passed();
    // When one is over there is room again.
    lab.router.wait(31);
    lab.router.tables.sweep(lab.router.now);
    other(&mut lab, &ipv4(HOST, FAR).udp(1009, 53)).passed();
    assert_eq!(other_nats(&lab), 1);
}

#[test]
fn a_connection_of_another_nat_lives_as_long_as_netfilter_remembers_it() {
    let mut lab = machine();
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, SYN)).passed();
    lab.outside(&ipv4(FAR, HOST).tcp(443, 5000, SYN | ACK)).passed();
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK)).passed();
    // Longer than any connection of the lab.
    lab.router.wait(4 * 86_400);
    let sent = lab.red(&ipv4(RED, FAR).tcp(5000, 443, SYN));
    assert_ne!(sent.ends().0, (HOST, 5000));
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK)).passed();
}

#[test]
fn only_packets_with_a_router_address_and_ports_are_taken_for_another_nats() {
    let mut lab = machine();
    other(&mut lab, &ipv4(Ip4::new(172, 17, 0, 2), FAR).udp(5000, 123)).passed();
    other(&mut lab, &ipv4(HOST, FAR).protocol(47)).passed();
    other(&mut lab, &ipv4(HOST, FAR).echo_reply(9)).passed();
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn packets_of_the_lab_are_never_taken_for_another_nats() {
    let mut lab = machine();
    let sent = lab.red(&ipv4(RED, FAR).udp(5000, 123));
    for link in [lab.places.red_port, lab.places.bridge.index, lab.places.reassembler] {
        for _ in 0..2 {
            let mut frame = sent.after.clone();
            (frame.ingress, frame.from_host) = (link, false);
            lab.send(Hook::ToUplink, frame).passed();
        }
    }
    assert_eq!((lab.flow_count(), other_nats(&lab)), (1, 0));
}

#[test]
fn a_packet_of_the_host_ends_another_nats_flow_on_its_port() {
    let mut lab = machine();
    other(&mut lab, &ipv4(HOST, FAR).udp(5000, 123)).passed();
    let places = lab.places;
    let own = ipv4(HOST, FAR).udp(5000, 123);
    let mut frame = own.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    frame.from_host = true;
    lab.send(Hook::ToUplink, frame).passed();
    assert_eq!(lab.flow_count(), 0);
}

/// Red's connection from port 5000 is over, and its record stays for a while.
fn with_closed_connection() -> Lab {
    let mut lab = machine();
    let opening = lab.red(&ipv4(RED, FAR).tcp(5000, 443, SYN));
    lab.answer(&opening);
    lab.red(&ipv4(RED, FAR).tcp(5000, 443, ACK));
    lab.red(&ipv4(RED, FAR).tcp(5000, 443, FIN | ACK));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 5000, FIN | ACK));
    lab
}

#[test]
fn a_syn_of_another_nat_does_not_use_a_port_that_the_lab_is_closing() {
    let mut lab = with_closed_connection();
    let opening = other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, SYN));
    let (from, to) = opening.ends();
    assert_ne!(from, (HOST, 5000));
    let answer = ipv4(FAR, HOST).tcp(443, from.1, SYN | ACK);
    lab.outside(&answer).went_on_as(to, (HOST, 5000));
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK)).went_on_as(from, to);
}

#[test]
fn an_open_connection_of_another_nat_keeps_its_port_against_the_lab() {
    let mut lab = machine();
    lab.red(&ipv4(RED, FAR).tcp(5000, 443, SYN));
    // It is older than the lab, which has not seen it begin.
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK)).passed();
    assert_eq!(lab.drops(DropReason::OtherNatUnrecorded), 1);
}

#[test]
fn a_restarted_connection_of_another_nat_uses_one_port() {
    let mut lab = with_closed_connection();
    let first = other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, SYN));
    let port = first.ends().0.1;
    lab.outside(&ipv4(FAR, HOST).tcp(443, port, SYN | ACK));
    for flags in [ACK, FIN | ACK] {
        other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, flags));
    }
    lab.outside(&ipv4(FAR, HOST).tcp(443, port, FIN | ACK));
    // The record of the lab's flow is gone by now, and that of this one is still there.
    lab.router.wait(110);
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK));
    lab.router.wait(110);
    lab.router.wait(30);
    other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, SYN)).passed();
    for _ in 0..2 {
        lab.outside(&ipv4(FAR, HOST).tcp(443, 5000, SYN | ACK)).passed();
        other(&mut lab, &ipv4(HOST, FAR).tcp(5000, 443, ACK)).passed();
    }
}

#[test]
fn two_connections_of_other_nats_never_share_a_port() {
    let mut lab = machine();
    lab.red(&ipv4(RED, FAR).udp(5000, 123));
    let moved = other(&mut lab, &ipv4(HOST, FAR).udp(5000, 123)).ends().0.1;
    // Another one has that port as its own: the other NAT does not know that it is in use.
    let second = other(&mut lab, &ipv4(HOST, FAR).udp(moved, 123)).ends().0.1;
    assert!(second != moved && second != 5000, "{second}");
    for (port, own) in [(moved, 5000), (second, moved)] {
        let answer = lab.outside(&ipv4(FAR, HOST).udp(123, port));
        answer.went_on_as((FAR, 123), (HOST, own));
    }
}

#[test]
fn a_packet_from_uplink_to_uplink_is_taken_for_another_nats() {
    let mut lab = machine();
    let places = lab.places;
    let frame = ipv4(HOST, FAR).udp(5000, 123);
    let frame = frame.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    lab.send(Hook::ToUplink, frame).passed();
    assert_eq!(other_nats(&lab), 1);
    assert_ne!(lab.red(&ipv4(RED, FAR).udp(5000, 123)).ends().0, (HOST, 5000));
}

#[test]
fn another_nat_does_not_get_the_port_of_a_mapping() {
    let mut lab = machine();
    lab.router.tables.settings.mappings = 1;
    lab.router.tables.settings.port_min = 7000;
    lab.router.tables.settings.port_max = 7001;
    lab.masquerade().endpoint_independent = 1;
    for port in [5000, 7000] {
        lab.red(&ipv4(RED, LAN).udp(port, 53)).left_as((HOST, port), (LAN, 53));
    }
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    let sent = other(&mut lab, &ipv4(HOST, FAR).udp(5000, 53));
    assert_eq!(sent.ends().0, (HOST, 7001));
    lab.red(&ipv4(RED, FAR).udp(7000, 53)).left_as((HOST, 7000), (FAR, 53));
}
