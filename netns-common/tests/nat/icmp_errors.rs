//! ICMP errors about translated connections.

use netns_common::{
    abi::{DropReason, ICMP_BURST, Ip4},
    datapath::{Exit, Headers, Verdict},
    model::{Datagram, Field, Hook, Places, VecPacket, checksum, wrong_checksums},
};

use crate::lab::{BLUE, End, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

/// A router on the way.
const ON_THE_WAY: Ip4 = Ip4::new(203, 0, 113, 1);

/// Source and destination of the packet that an error quotes.
pub(crate) fn quoted(packet: &VecPacket) -> (End, End) {
    let bytes = packet.bytes();
    let outer = Headers::read(packet).expect("an IPv4 packet");
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

/// Every type and code that is translated, and some that nobody has defined yet.
fn translated() -> impl Iterator<Item = (u8, u8)> {
    let unreachable = (0..=16).map(|code| (3, code));
    unreachable.chain((0..=2).map(|code| (11, code))).chain((0..=3).map(|code| (12, code)))
}

#[test]
fn rfc5508_req4_an_error_from_outside_reaches_the_sender_as_if_there_were_no_nat() {
    for (request, length) in requests(RED, FAR) {
        for (kind, code) in translated() {
            let mut lab = Lab::new();
            let sent = lab.red(&request);
            let ends = Headers::read(&sent.before).expect("a packet");
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
fn rfc5508_req4_an_error_about_a_translated_port_restores_the_port() {
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
fn rfc5508_req5_an_error_from_inside_has_the_hosts_address_and_quotes_the_packet_as_received() {
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
fn an_error_from_inside_about_an_answer_is_translated() {
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
fn padding_after_the_packet_is_not_part_of_the_quote() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let places = lab.places;
    for (length, trailing) in [(8, 20), (16, 2), (17, 9)] {
        let error = ipv4(FAR, HOST).error(3, 3, &sent.after, length);
        let mut frame = error.frame(places.lan_mac, places.uplink.mac, places.uplink.index);
        let end = frame.bytes().len();
        frame.bytes_mut().resize(end + trailing, 0x5a);
        let error = lab.send(Hook::FromUplink, frame);
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
fn rfc4787_req12a_an_error_may_come_from_any_source() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    for by in [FAR, LAN, ON_THE_WAY] {
        let error = lab.outside(&ipv4(by, HOST).error(11, 0, &sent.after, 8));
        went_on(&error, RED, ((RED, 40_000), (FAR, 53)));
    }
}

#[test]
fn an_error_about_traffic_of_the_host_reaches_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let own = lab.stack(&ipv4(HOST, FAR).udp(33_333, 53));
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &own.after, 8)).passed();
    // Too little quoted to tell.
    lab.outside(&ipv4(FAR, HOST).error(3, 3, &own.after, 2)).passed();
}

#[test]
fn an_error_about_no_flow_never_leaves_with_an_inside_address() {
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

#[test]
fn pitfall_cilium_33844_every_type_of_error_passes_in_both_directions() {
    let mut lab = Lab::new();
    let out = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let into = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353));
    for (kind, code) in translated() {
        let error = lab.outside(&ipv4(ON_THE_WAY, HOST).error(kind, code, &out.after, 8));
        went_on(&error, RED, ((RED, 40_000), (FAR, 53)));
        let error = lab.blue(&ipv4(BLUE, FAR).error(kind, code, &into.after, 8));
        went_on(&error, FAR, ((FAR, 50_000), (HOST, 5353)));
    }
}

/// Where the ICMP message of a packet without IP options begins in its frame.
const MESSAGE: usize = 34;

/// Where the packet that an error quotes begins.
const QUOTED: usize = MESSAGE + 8;

/// One error from outside about a flow of red's, one from blue about a call, and one of a
/// hairpin, ready to be damaged.
fn errors(lab: &mut Lab, length: usize) -> Vec<(Hook, VecPacket)> {
    let Places { lan_mac, uplink, blue_mac, bridge, blue_port, .. } = lab.places;
    let out = lab.red(&ipv4(RED, FAR).options(2).tcp(40_000, 443, SYN).payload(60));
    let into = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353).payload(60));
    let across = lab.red(&ipv4(RED, HOST).udp(41_000, 5353).payload(60));
    vec![
        (
            Hook::FromUplink,
            ipv4(ON_THE_WAY, HOST).error(3, 1, &out.after, length).frame(
                lan_mac,
                uplink.mac,
                uplink.index,
            ),
        ),
        (
            Hook::FromNamespace,
            ipv4(BLUE, FAR).error(3, 3, &into.after, length).frame(blue_mac, bridge.mac, blue_port),
        ),
        (
            Hook::FromNamespace,
            ipv4(BLUE, HOST)
                .error(3, 3, &across.after, length)
                .frame(blue_mac, bridge.mac, blue_port),
        ),
    ]
}

/// Puts the message's checksum right again.
fn restore_checksum(frame: &mut VecPacket) {
    let bytes = frame.bytes_mut();
    bytes[MESSAGE + 2..MESSAGE + 4].fill(0);
    let sum = checksum(&bytes[MESSAGE..]).to_be_bytes();
    bytes[MESSAGE + 2..MESSAGE + 4].copy_from_slice(&sum);
}

#[test]
fn rfc5508_req3_an_error_with_a_wrong_checksum_is_dropped() {
    for length in [8, 9, 28, 80] {
        let mut lab = Lab::new();
        let mut dropped = 0;
        for (hook, frame) in errors(&mut lab, length) {
            let end = frame.bytes().len();
            for at in [MESSAGE + 2, MESSAGE + 5, end - 1] {
                let mut damaged = frame.clone();
                damaged.bytes_mut()[at] ^= 0x40;
                lab.send(hook, damaged).dropped(DropReason::BadIcmpChecksum);
                dropped += 1;
            }
            assert!(matches!(lab.send(hook, frame).verdict, Verdict::Redirect(_)));
        }
        assert_eq!(lab.drops(DropReason::BadIcmpChecksum), dropped);
    }
}

#[test]
fn rfc5508_req3_an_error_whose_quoted_header_is_damaged_is_dropped() {
    let mut lab = Lab::new();
    for (hook, frame) in errors(&mut lab, 8) {
        // Type of service, number, time to live, the checksum itself.
        for at in [1, 4, 8, 11] {
            let mut damaged = frame.clone();
            damaged.bytes_mut()[QUOTED + at] ^= 0x10;
            restore_checksum(&mut damaged);
            lab.send(hook, damaged).dropped(DropReason::BadIcmpChecksum);
        }
    }
    assert_eq!(lab.drops(DropReason::BadIcmpChecksum), 12);
}

#[test]
fn rfc5508_req3_the_quoted_transport_checksum_is_not_validated() {
    let mut lab = Lab::new();
    for (hook, mut frame) in errors(&mut lab, 80) {
        // The last byte of what is quoted, which only that checksum covers.
        let last = frame.bytes().len() - 1;
        frame.bytes_mut()[last] ^= 1;
        restore_checksum(&mut frame);
        let sent = lab.send(hook, frame);
        assert!(matches!(sent.verdict, Verdict::Redirect(_)), "{sent:#?}");
        assert_eq!(wrong_checksums(sent.after.network()), [Field::QuotedTransport]);
    }
}

#[test]
fn rfc5508_req3_extensions_are_kept() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53).payload(200));
    let error = ipv4(ON_THE_WAY, HOST).error(11, 0, &sent.after, 100).extension();
    let error = lab.outside(&error);
    went_on(&error, RED, ((RED, 40_000), (FAR, 53)));
    assert_eq!(error.after.bytes().len(), error.before.bytes().len());
    // The length of the quotation, and all that follows the quoted UDP header.
    assert_eq!(error.after.bytes()[MESSAGE + 4..QUOTED], [0, 32, 0, 0]);
    assert_eq!(error.after.bytes()[QUOTED + 28..], error.before.bytes()[QUOTED + 28..]);
}

#[test]
fn pitfall_cilium_43196_the_outer_checksum_covers_every_change_of_the_quote() {
    for (request, length) in requests(RED, FAR) {
        let mut lab = Lab::new();
        // The port is taken, so addresses and port change.
        lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
        lab.blue(&ipv4(BLUE, FAR).udp(40_000, 443));
        let sent = lab.red(&request);
        let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &sent.after, length));
        assert!(matches!(error.verdict, Verdict::Redirect(_)), "{error:#?}");
        assert_eq!(checksum(&error.after.bytes()[MESSAGE..]), 0, "a full recomputation agrees");
    }
}

#[test]
fn pitfall_cilium_48819_a_quoted_checksum_is_corrected_once() {
    for (request, length) in requests(RED, FAR) {
        let mut lab = Lab::new();
        let sent = lab.red(&request);
        let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &sent.after, length));
        // Translated back, the quotation is what was sent, but for the hop.
        let quoted = &error.after.bytes()[QUOTED..];
        let original = sent.before.network();
        let header = usize::from(original[0] & 15) * 4;
        assert_eq!(quoted[12..20], original[12..20]);
        assert_eq!(quoted[header..], original[header..quoted.len()]);
    }
}

#[test]
fn pitfall_cilium_40194_a_quote_of_eight_bytes_has_no_tcp_checksum_to_update() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    for length in 8..20 {
        let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &sent.after, length));
        went_on(&error, RED, ((RED, 40_000), (FAR, 443)));
        let quoted = &error.after.bytes()[QUOTED + 20..];
        assert_eq!(quoted.len(), length);
        assert_eq!(quoted[..length.min(16)], sent.before.network()[20..20 + length.min(16)]);
    }
}

#[test]
fn pitfall_calico_5358_an_error_about_an_echo_is_matched_by_its_identifier() {
    let mut lab = Lab::new();
    let red = lab.red(&ipv4(RED, FAR).echo_request(7));
    let blue = lab.blue(&ipv4(BLUE, FAR).echo_request(7));
    let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &red.after, 8));
    went_on(&error, RED, ((RED, 7), (FAR, 0)));
    let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &blue.after, 8));
    went_on(&error, BLUE, ((BLUE, 7), (FAR, 0)));
}

#[test]
fn pitfall_cilium_15890_source_quench_and_redirect_are_not_forwarded() {
    for kind in [4, 5] {
        let mut lab = Lab::new();
        let out = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
        let into = lab.outside(&ipv4(FAR, HOST).udp(50_000, 5353));
        // To the host: its stack knows what to make of them, if anything (RFC 6633 for the one).
        lab.outside(&ipv4(FAR, HOST).error(kind, 0, &out.after, 8)).passed();
        // From a namespace they would leave with its address.
        let sent = lab.blue(&ipv4(BLUE, FAR).error(kind, 0, &into.after, 8));
        sent.dropped(DropReason::UnrelatedIcmp);
    }
}

#[test]
fn a_fragmentation_needed_error_needs_a_flow_and_a_valid_mtu() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    let other = lab.stack(&ipv4(HOST, FAR).tcp(40_001, 443, SYN));
    for mtu in [1, 67] {
        let error = ipv4(FAR, HOST).error(3, 4, &sent.after, 8).next_hop_mtu(mtu);
        lab.outside(&error).dropped(DropReason::ForgedTooBig);
    }
    for mtu in [0, 68, 576, 1400] {
        let error = ipv4(FAR, HOST).error(3, 4, &sent.after, 8).next_hop_mtu(mtu);
        let error = lab.outside(&error);
        went_on(&error, RED, ((RED, 40_000), (FAR, 443)));
        assert_eq!(error.after.bytes()[MESSAGE + 6..QUOTED], mtu.to_be_bytes());
    }
    // Without a flow, it is for the host and never for red.
    lab.outside(&ipv4(FAR, HOST).error(3, 4, &other.after, 8).next_hop_mtu(1280)).passed();
}

#[test]
fn fragmentation_needed_errors_are_rate_limited_and_other_errors_are_not() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let error = ipv4(FAR, HOST).error(3, 4, &sent.after, 8).next_hop_mtu(1280);
    let passed =
        (0..200).filter(|_| matches!(lab.outside(&error).verdict, Verdict::Redirect(_))).count();
    assert_eq!(passed, ICMP_BURST as usize);
    assert_eq!(lab.drops(DropReason::IcmpRateLimit), 200 - u64::from(ICMP_BURST));
    for _ in 0..200 {
        let error = lab.outside(&ipv4(FAR, HOST).error(3, 1, &sent.after, 8));
        went_on(&error, RED, ((RED, 40_000), (FAR, 53)));
    }
}

#[test]
fn rfc4787_req12_and_rfc5382_req10_no_error_ends_a_mapping() {
    for kind in [ipv4(RED, FAR).udp(40_000, 53), ipv4(RED, FAR).tcp(40_000, 443, SYN)] {
        let mut lab = Lab::new();
        let sent = lab.red(&kind);
        let before = lab.only_flow();
        for (kind, code) in translated() {
            lab.outside(&ipv4(FAR, HOST).error(kind, code, &sent.after, 8));
        }
        assert_eq!(lab.only_flow(), before);
        assert!(matches!(lab.answer(&sent).verdict, Verdict::Redirect(_)));
    }
}
