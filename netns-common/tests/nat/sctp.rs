//! SCTP: ports and a checksum without addresses (RFC 9260).

use netns_common::{
    abi::DropReason,
    abi::FlowState,
    model::{Hook, Mtus, rules},
};

use crate::lab::{BLUE, FAR, HOST, LAN, Lab, RED, ipv4};

/// Types of chunks (RFC 9260 section 3.2).
const DATA: u8 = 0;
const INIT: u8 = 1;

#[test]
fn rfc9260_an_association_keeps_its_port_and_its_answers_come_back() {
    let mut lab = Lab::new();
    let init = lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT).payload(16));
    init.left_as((HOST, 40_000), (FAR, 5060));
    // No port and so nothing that the checksum covers has changed.
    assert_eq!(init.before.bytes()[34..], init.after.bytes()[34..]);
    assert_eq!(lab.only_state(), FlowState::Unreplied);
    lab.answer(&init).reached(RED, (FAR, 5060), (RED, 40_000));
    assert_eq!(lab.only_state(), FlowState::Replied);
    let data = ipv4(RED, FAR).sctp(40_000, 5060, DATA).payload(1000);
    lab.red(&data).left_as((HOST, 40_000), (FAR, 5060));
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn rfc9260_a_translated_port_updates_the_checksum() {
    let mut lab = Lab::new();
    lab.router.tables.mtus = Mtus::new(&[(lab.places.uplink.index, 65_535)]);
    lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    for length in [0, 1, 2, 3, 4, 100, 1440, 9000, 65_000] {
        let sent = lab.blue(&ipv4(BLUE, FAR).sctp(40_000, 5060, DATA).payload(length));
        let moved = sent.head().source_port.number();
        assert_ne!(moved, 40_000);
        // Among the rest, that the checksum is right.
        sent.left_as((HOST, moved), (FAR, 5060));
        lab.answer(&sent).reached(BLUE, (FAR, 5060), (BLUE, 40_000));
    }
    assert_eq!(lab.router.tables.translated_flows().len(), 1);
}

#[test]
fn rfc9260_the_checksum_is_updated_behind_ip_options() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    for words in 1..=10 {
        let packet = ipv4(BLUE, FAR).options(words).sctp(40_000, 5060, DATA).payload(33);
        lab.blue(&packet).is_one_hop_further();
    }
}

#[test]
fn rfc9260_a_wrong_checksum_stays_wrong() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    let places = lab.places;
    let packet = ipv4(BLUE, FAR).sctp(40_000, 5060, DATA).payload(50);
    let mut damaged = packet.frame(places.blue_mac, places.bridge.mac, places.blue_port);
    damaged.bytes_mut()[60] ^= 4;
    let sent = lab.send(Hook::FromNamespace, damaged);
    assert_ne!(sent.head().source_port.number(), 40_000);
    assert_eq!(
        netns_common::model::wrong_checksums(sent.after.network()),
        [netns_common::model::Field::Sctp]
    );
}

#[test]
fn xdp_tutorial_160_an_offloaded_checksum_stays_0() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    let places = lab.places;
    let packet = ipv4(BLUE, FAR).sctp(40_000, 5060, DATA).payload(50);
    let mut offloaded = packet.frame(places.blue_mac, places.bridge.mac, places.blue_port);
    offloaded.partial_checksum = true;
    offloaded.bytes_mut()[42..46].fill(0);
    let sent = lab.send(Hook::FromNamespace, offloaded);
    assert_ne!(sent.head().source_port.number(), 40_000);
    assert_eq!(sent.after.bytes()[42..46], [0; 4]);
}

#[test]
fn sctp_reaches_the_target_of_a_forward() {
    let mut lab = Lab::new();
    let init = lab.outside(&ipv4(LAN, HOST).sctp(50_000, 5060, INIT).payload(20));
    init.reached(BLUE, (LAN, 50_000), (BLUE, 5061));
    lab.answer(&init).left_as((HOST, 5060), (LAN, 50_000));
    assert_eq!(lab.rule(rules::SCTP_5060).packets, 2);
    // Also from one namespace to another by way of the host.
    let init = lab.red(&ipv4(RED, HOST).sctp(40_000, 5060, INIT));
    init.reached(BLUE, (HOST, 40_000), (BLUE, 5061));
    lab.answer(&init).reached(RED, (HOST, 5060), (RED, 40_000));
    // A port that nobody forwards is the host's.
    lab.outside(&ipv4(LAN, HOST).sctp(50_000, 5061, INIT)).passed();
}

#[test]
fn an_sctp_fragment_keeps_its_port() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    let first = ipv4(BLUE, FAR).sctp(40_000, 5060, DATA).payload(64).fragment(0, true);
    lab.blue(&first).dropped(DropReason::Fragment);
}

#[test]
fn sctp_has_its_own_timeouts() {
    let mut lab = Lab::new();
    let init = lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    lab.router.wait(239);
    lab.answer(&init).reached(RED, (FAR, 5060), (RED, 40_000));
    lab.router.wait(899);
    lab.answer(&init).reached(RED, (FAR, 5060), (RED, 40_000));
    lab.router.wait(901);
    lab.answer(&init).passed();
    let init = lab.red(&ipv4(RED, FAR).sctp(40_000, 5060, INIT));
    lab.router.wait(241);
    lab.answer(&init).passed();
}

#[test]
fn a_truncated_sctp_header_is_malformed() {
    let mut lab = Lab::new();
    let places = lab.places;
    for length in 0..12 {
        let packet = ipv4(RED, FAR).protocol(132).payload(length);
        let frame = packet.frame(places.red_mac, places.bridge.mac, places.red_port);
        lab.send(Hook::FromNamespace, frame).dropped(DropReason::Malformed);
    }
}
