//! ICMP errors about translated connections.

use netns_common::{
    abi::{DropReason, Ip4},
    datapath::{Exit, Head, Verdict},
    model::{Datagram, VecPacket, wrong_checksums},
};

use crate::lab::{BLUE, End, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

/// A router on the way.
const ON_THE_WAY: Ip4 = Ip4::new(203, 0, 113, 1);

/// Source and destination of the packet that an error quotes.
fn quoted(packet: &VecPacket) -> (End, End) {
    let bytes = packet.bytes();
    let outer = Head::read(packet).expect("an IPv4 packet");
    let ip = &bytes[usize::from(outer.l4) + 8..];
    let l4 = &ip[usize::from(ip[0] & 15) * 4..];
    let address = |at: usize| Ip4::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let port = |at: usize| u16::from_be_bytes([l4[at], l4[at + 1]]);
    let ports = match (ip[9], l4[0]) {
        (1, 8) => (port(4), 0),
        (1, _) => (0, port(4)),
        _ => (port(0), port(2)),
    };
    ((address(12), ports.0), (address(16), ports.1))
}

/// The error went on to a namespace or outside, quotation translated and checksums right.
#[track_caller]
fn went_on(error: &Sent, to: Ip4, quotation: (End, End)) {
    assert!(matches!(error.verdict, Verdict::Redirect(_)), "{error:#?}");
    assert_eq!(error.head().destination, to);
    assert_eq!(quoted(&error.after), quotation);
    assert_eq!(wrong_checksums(error.after.network()), []);
}

/// One packet of each kind, and how much of it is quoted.
fn requests(source: Ip4, destination: Ip4) -> Vec<(Datagram, usize)> {
    let ip = || ipv4(source, destination);
    let mut requests = Vec::new();
    for quoted in [8, 18, 20, 28, 500] {
        requests.push((ip().tcp(40_000, 443, SYN).payload(8), quoted));
        requests.push((ip().udp(40_000, 443).payload(20), quoted));
        requests.push((ip().udp_without_checksum(40_000, 443).payload(20), quoted));
        requests.push((ip().echo_request(40_000).payload(20), quoted));
        requests.push((ip().options(3).tcp(40_000, 443, SYN), quoted));
    }
    requests
}

#[test]
fn rfc5508_req4_an_error_from_outside_reaches_the_sender_as_if_there_were_no_nat() {
    for (request, length) in requests(RED, FAR) {
        for (kind, code) in [(3, 0), (3, 1), (3, 4), (3, 13), (11, 0), (12, 0)] {
            let mut lab = Lab::new();
            let sent = lab.red(&request);
            let ends = Head::read(&sent.before).expect("a packet");
            let error = ipv4(ON_THE_WAY, HOST).error(kind, code, &sent.after, length);
            let error = lab.outside(&error);
            let service = ends.destination_port.number();
            went_on(&error, RED, ((RED, 40_000), (FAR, service)));
            assert_eq!(error.head().source, ON_THE_WAY);
            assert_eq!(error.verdict, Verdict::Redirect(Exit::Peer { cable: lab.places.red_port }));
            assert_eq!(error.after.bytes()[34..36], [kind, code]);
        }
    }
}

#[test]
fn rfc5508_req4_an_error_about_a_moved_port_restores_the_port() {
    for (request, length) in requests(BLUE, FAR) {
        let mut lab = Lab::new();
        for (other, _) in requests(RED, FAR) {
            lab.red(&other);
        }
        let sent = lab.blue(&request);
        let service = sent.head().destination_port.number();
        assert_ne!(sent.head().source_port.number(), 40_000);
        let error = lab.outside(&ipv4(FAR, HOST).error(3, 3, &sent.after, length));
        went_on(&error, BLUE, ((BLUE, 40_000), (FAR, service)));
    }
}

#[test]
fn rfc5508_req5_an_error_from_inside_bears_the_hosts_address_and_quotes_what_was_sent() {
    for length in [8, 20, 500] {
        let mut lab = Lab::new();
        for (request, called, service) in [
            (ipv4(FAR, HOST).tcp(50_000, 8080, SYN).payload(4), 8080, 80),
            (ipv4(FAR, HOST).udp(50_000, 5353).payload(4), 5353, 53),
            (ipv4(FAR, HOST).udp_without_checksum(50_001, 5353).payload(4), 5353, 53),
        ] {
            let sent = lab.outside(&request);
            let port = sent.head().source_port.number();
            assert_eq!(sent.ends(), ((FAR, port), (BLUE, service)));
            let error = lab.blue(&ipv4(BLUE, FAR).error(3, 3, &sent.after, length));
            went_on(&error, FAR, ((FAR, port), (HOST, called)));
            assert_eq!(error.head().source, HOST);
        }
    }
}

#[test]
fn an_error_from_inside_about_an_answer_goes_out_too() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let answer = lab.answer(&request);
    let error = lab.red(&ipv4(RED, FAR).error(3, 3, &answer.after, 8));
    went_on(&error, FAR, ((FAR, 53), (HOST, 40_000)));
    assert_eq!(error.head().source, HOST);
}

#[test]
fn rfc5508_req7_an_error_of_a_hairpin_reaches_the_caller() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, HOST).udp(40_000, 5353).payload(8));
    let error = lab.blue(&ipv4(BLUE, HOST).error(3, 3, &request.after, 8));
    went_on(&error, RED, ((RED, 40_000), (HOST, 5353)));
    assert_eq!(error.head().source, HOST);
    assert_eq!(error.verdict, Verdict::Redirect(Exit::Peer { cable: lab.places.red_port }));
    // And the other way round.
    let answer = lab.answer(&request);
    let error = lab.red(&ipv4(RED, HOST).error(3, 3, &answer.after, 28));
    went_on(&error, BLUE, ((BLUE, 53), (HOST, 40_000)));
}

#[test]
fn bytes_after_the_packet_are_not_part_of_its_quotation() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let places = lab.places;
    for (length, trailing) in [(8, 20), (16, 2), (17, 9)] {
        let error = ipv4(FAR, HOST).error(3, 3, &sent.after, length);
        let mut frame = error.frame(places.lan_mac, places.uplink.mac, places.uplink.index);
        let end = frame.bytes().len();
        frame.bytes_mut().resize(end + trailing, 0x5a);
        let error = lab.send(netns_common::model::Hook::FromUplink, frame);
        went_on(&error, RED, ((RED, 40_000), (FAR, 443)));
        assert_eq!(error.before.bytes()[end..], error.after.bytes()[end..]);
    }
}

#[test]
fn rfc5508_req6_an_error_neither_refreshes_nor_ends_a_flow() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let before = lab.only_flow();
    lab.router.wait(10);
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &sent.after, 8));
    assert_eq!(lab.only_flow(), before);
}

#[test]
fn rfc4787_req12a_an_error_may_come_from_anybody() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    for by in [FAR, LAN, ON_THE_WAY] {
        let error = lab.outside(&ipv4(by, HOST).error(11, 0, &sent.after, 8));
        went_on(&error, RED, ((RED, 40_000), (FAR, 53)));
    }
}

#[test]
fn an_error_about_the_hosts_own_traffic_is_the_hosts() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let own = lab.stack(&ipv4(HOST, FAR).udp(33_333, 53));
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &own.after, 8)).passed();
    // Too little quoted to tell.
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &own.after, 2)).passed();
}

#[test]
fn an_error_that_belongs_to_nothing_never_leaves_with_an_inside_address() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353));
    let stranger = lab.stack(&ipv4(FAR, RED).udp(1, 2));
    lab.red(&ipv4(RED, FAR).error(3, 3, &stranger.after, 8)).dropped(DropReason::UnrelatedIcmp);
    // About a connection of another namespace.
    lab.red(&ipv4(RED, FAR).error(3, 3, &request.after, 8)).dropped(DropReason::UnrelatedIcmp);
    // To somebody else than the sender of what it quotes.
    lab.blue(&ipv4(BLUE, LAN).error(3, 3, &request.after, 8)).dropped(DropReason::UnrelatedIcmp);
    // Too little quoted to tell.
    lab.blue(&ipv4(BLUE, FAR).error(3, 3, &request.after, 2)).dropped(DropReason::UnrelatedIcmp);
    assert_eq!(lab.drops(DropReason::UnrelatedIcmp), 4);
}

#[test]
fn rfc5508_req4_an_error_about_an_expired_flow_does_not_reach_inside() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.wait(121);
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &sent.after, 8)).passed();
}
