//! The segment size that a SYN and its answer announce.

use netns_common::{
    abi::Masquerade,
    model::{Datagram, Mtus},
};

use crate::lab::{ACK, BLUE, FAR, HOST, Lab, RED, RST, SYN, Sent, ipv4};

/// What is announced by the option at `at` bytes into the options.
fn announced(sent: &Sent, at: usize) -> u16 {
    let bytes = &sent.after.bytes()[14 + 20 + 20 + at + 2..];
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn lab(mss: u16) -> Lab {
    let mut lab = Lab::new();
    lab.masquerade().mss = mss;
    lab.router.tables.settings.mss_clamp = 1;
    lab
}

fn with_size(packet: &Datagram, size: u16) -> Datagram {
    let [high, low] = size.to_be_bytes();
    packet.clone().tcp_options(&[2, 4, high, low, 1, 3, 3, 7])
}

#[test]
fn the_mss_of_syn_and_syn_ack_is_clamped_with_correct_checksums() {
    let mut lab = lab(1200);
    let syn = with_size(&ipv4(RED, FAR).tcp(40_000, 443, SYN), 1460);
    // The first packet, and what comes again when the record is there.
    for _ in 0..2 {
        let sent = lab.red(&syn);
        sent.left_as((HOST, 40_000), (FAR, 443));
        assert_eq!(announced(&sent, 0), 1200);
    }
    let answer = with_size(&ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK), 1460);
    let answered = lab.outside(&answer);
    answered.reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(announced(&answered, 0), 1200);
}

#[test]
fn the_mss_is_clamped_for_forwards_and_translated_ports() {
    let mut lab = lab(1200);
    let syn = with_size(&ipv4(FAR, HOST).tcp(50_000, 80, SYN), 1460);
    let sent = lab.outside(&syn);
    sent.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    assert_eq!(announced(&sent, 0), 1200);
    let answer = with_size(&ipv4(BLUE, FAR).tcp(80, 50_000, SYN | ACK), 1460);
    let answered = lab.blue(&answer);
    answered.left_as((HOST, 80), (FAR, 50_000));
    assert_eq!(announced(&answered, 0), 1200);
    lab.red(&with_size(&ipv4(RED, FAR).tcp(40_000, 443, SYN), 1460));
    for _ in 0..2 {
        let moved = lab.blue(&with_size(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN), 1460));
        assert_ne!(moved.head().source_port.number(), 40_000);
        assert_eq!(announced(&moved, 0), 1200);
        moved.is_one_hop_further();
    }
}

#[test]
fn the_mss_is_never_raised_and_other_packets_are_left_alone() {
    let mut lab = lab(1200);
    for (flags, size) in [(SYN, 1200), (SYN, 536), (ACK, 1460), (SYN | RST, 1460)] {
        let packet = with_size(&ipv4(RED, FAR).tcp(40_000, 443, flags), size);
        let sent = lab.red(&packet);
        if flags & RST == 0 {
            assert_eq!(announced(&sent, 0), size);
        }
    }
    // Between namespaces there is no uplink.
    let inner = lab.red(&with_size(&ipv4(RED, HOST).tcp(40_001, 80, SYN), 1460));
    inner.reached(BLUE, (HOST, 40_001), (BLUE, 80));
    assert_eq!(announced(&inner, 0), 1460);
    // Without a rule that wants it.
    lab.masquerade().mss = 0;
    let plain = lab.red(&with_size(&ipv4(RED, FAR).tcp(40_002, 443, SYN), 1460));
    assert_eq!(announced(&plain, 0), 1460);
}

#[test]
fn an_mss_at_an_odd_offset_is_clamped_with_a_correct_checksum() {
    let mut lab = lab(1200);
    for (at, options) in [(1, &[1, 2, 4, 0x05, 0xb4][..]), (3, &[3, 3, 7, 2, 4, 0x05, 0xb4])] {
        let sent = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN).tcp_options(options));
        sent.left_as((HOST, 40_000), (FAR, 443));
        assert_eq!(announced(&sent, at), 1200);
    }
}

#[test]
fn malformed_tcp_options_are_left_alone() {
    let mut lab = lab(1200);
    for options in [
        &[2, 3, 0x05, 0xb4][..],
        &[5, 0, 2, 4, 0x05, 0xb4],
        &[5, 1, 2, 4, 0x05, 0xb4],
        &[0, 2, 4, 0x05, 0xb4],
        &[1, 1, 2, 4],
        &[5, 40, 2, 4, 0x05, 0xb4],
        &[1; 40],
    ] {
        let packet = ipv4(RED, FAR).tcp(40_000, 443, SYN).tcp_options(options);
        let sent = lab.red(&packet);
        sent.left_as((HOST, 40_000), (FAR, 443));
        let before = &sent.before.bytes()[14 + 20 + 20..];
        assert_eq!(&sent.after.bytes()[14 + 20 + 20..], before, "{options:?}");
    }
    // A header that claims to be longer than its packet: what follows is padding of the frame.
    let mut frame = ipv4(RED, FAR).tcp(40_001, 443, SYN).frame(
        lab.places.red_mac,
        lab.places.bridge.mac,
        lab.places.red_port,
    );
    frame.bytes_mut()[14 + 20 + 12] = 0x60;
    frame.bytes_mut().extend([2, 4, 0x05, 0xb4]);
    let sent = lab.send(netns_common::model::Hook::FromNamespace, frame);
    assert_eq!(&sent.after.bytes()[54..], [2, 4, 0x05, 0xb4]);
}

#[test]
fn the_mss_follows_the_smaller_mtu_of_both_links() {
    for (uplink, cable, most) in [(1500, 1500, 1460), (1280, 1500, 1240), (1500, 1400, 1360)] {
        let mut lab = lab(Masquerade::PATH_MTU);
        let links = [(lab.places.uplink.index, uplink), (lab.places.red_port, cable)];
        lab.router.tables.mtus = Mtus::new(&links);
        let sent = lab.red(&with_size(&ipv4(RED, FAR).tcp(40_000, 443, SYN), 8960));
        assert_eq!(announced(&sent, 0), most);
        let answer = with_size(&ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK), 8960);
        assert_eq!(announced(&lab.outside(&answer), 0), most);
    }
}
