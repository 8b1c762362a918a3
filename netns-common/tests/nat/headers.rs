//! The fields of the IPv4 header that a translation keeps, and headers that are refused.

use netns_common::{
    abi::DropReason,
    datapath::{Verdict, is_tcp_opening},
    model::{Datagram, Hook, VecPacket},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

fn from_red(lab: &Lab, packet: &Datagram) -> VecPacket {
    packet.frame(lab.places.red_mac, lab.places.bridge.mac, lab.places.red_port)
}

fn from_outside(lab: &Lab, packet: &Datagram) -> VecPacket {
    packet.frame(lab.places.lan_mac, lab.places.uplink.mac, lab.places.uplink.index)
}

/// A packet each way of a known flow, of a new one, to the host and to a neighbour.
fn each_way(lab: &mut Lab, change: impl Fn(Datagram) -> Datagram) -> Vec<Sent> {
    let open = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    lab.answer(&open);
    let out = [
        ipv4(RED, FAR).tcp(40_000, 443, ACK),
        ipv4(RED, FAR).udp(40_000, 53),
        ipv4(RED, HOST).udp(40_000, 53),
        ipv4(RED, BLUE).udp(40_000, 53),
    ];
    let inward = [
        ipv4(FAR, HOST).tcp(443, 40_000, ACK),
        ipv4(LAN, HOST).tcp(50_000, 80, SYN),
        ipv4(LAN, HOST).tcp(50_000, 22, SYN),
    ];
    let out = out.map(|packet| (Hook::FromNamespace, from_red(lab, &change(packet))));
    let inward = inward.map(|packet| (Hook::FromUplink, from_outside(lab, &change(packet))));
    out.into_iter().chain(inward).map(|(hook, frame)| lab.send(hook, frame)).collect()
}

#[test]
fn the_first_packet_of_a_tcp_connection_has_a_syn() {
    const FIN: u8 = 1;
    let lab = Lab::new();
    let opens = |packet: Datagram| is_tcp_opening(&from_red(&lab, &packet));
    for flags in [SYN, SYN | ACK, SYN | FIN] {
        assert!(opens(ipv4(RED, FAR).tcp(40_000, 443, flags)), "{flags:#x}");
    }
    for flags in [ACK, FIN, FIN | ACK] {
        assert!(!opens(ipv4(RED, FAR).tcp(40_000, 443, flags)), "{flags:#x}");
    }
    // Another protocol with the same bit at the same place, and what is not asked.
    assert!(!opens(ipv4(RED, FAR).udp(40_000, 443).payload(32)));
    assert!(!opens(ipv4(RED, FAR).tcp(40_000, 443, SYN).protocol(132)));
    assert!(!opens(ipv4(RED, FAR).options(1).tcp(40_000, 443, SYN)));
    let short = from_red(&lab, &ipv4(RED, FAR).tcp(40_000, 443, SYN)).bytes()[..40].to_vec();
    assert!(!is_tcp_opening(&VecPacket::new(short, lab.places.red_port)));
}

#[test]
fn rfc1812_a_wrong_header_checksum_is_dropped_at_every_hook() {
    let mut lab = Lab::new();
    let open = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    lab.answer(&open);
    let before = lab.only_flow();
    for words in [0, 1, 10] {
        let out = ipv4(RED, FAR).options(words).tcp(40_000, 443, ACK);
        let inward = ipv4(FAR, HOST).options(words).tcp(443, 40_000, ACK);
        let to_host = ipv4(LAN, HOST).options(words).tcp(50_000, 22, SYN);
        let frames = [
            (Hook::FromNamespace, from_red(&lab, &out)),
            (Hook::FromUplink, from_outside(&lab, &inward)),
            (Hook::FromUplink, from_outside(&lab, &to_host)),
        ];
        for (hook, frame) in frames {
            // Each byte that no other check is first to look at; options last.
            for at in [15, 18, 19, 22, 24, 25, 26, 29, 30, 33 + 4 * usize::from(words)] {
                let mut damaged = frame.clone();
                damaged.bytes_mut()[at] ^= 0x21;
                lab.send(hook, damaged).dropped(DropReason::BadChecksum);
            }
        }
    }
    assert_eq!(lab.only_flow(), before, "what is damaged is of no flow");
    assert_eq!(lab.drops(DropReason::BadChecksum), 90);
}

#[test]
fn rfc7126_source_routes_are_dropped_at_every_hook() {
    for kind in [131, 137] {
        for padding in 0..4 {
            let mut lab = Lab::new();
            let mut options = vec![1; padding];
            options.extend([kind, 7, 4, 8, 8, 4, 4]);
            for sent in each_way(&mut lab, |packet| packet.raw_options(&options)) {
                sent.dropped(DropReason::SourceRoute);
            }
            assert_eq!(lab.drops(DropReason::SourceRoute), 7);
        }
    }
}

#[test]
fn ip_options_other_than_source_routes_pass() {
    // Record route, time stamp, router alert, an unknown one, and one behind the end.
    let options: [&[u8]; 5] = [
        &[7, 7, 4, 0, 0, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[148, 4, 0, 0],
        &[1, 1, 200, 6, 131, 131, 131, 131],
        &[0, 131, 137, 131],
    ];
    for options in options {
        let mut lab = Lab::new();
        for sent in each_way(&mut lab, |packet| packet.raw_options(options)) {
            assert!(!matches!(sent.verdict, Verdict::Drop(_)), "{options:?}: {sent:#?}");
        }
    }
}

#[test]
fn malformed_ip_options_are_dropped() {
    for options in [[7, 0, 0, 0], [7, 1, 0, 0], [1, 7, 4, 0], [1, 1, 1, 7], [200, 255, 0, 0]] {
        let mut lab = Lab::new();
        for sent in each_way(&mut lab, |packet| packet.raw_options(&options)) {
            sent.dropped(DropReason::Malformed);
        }
    }
}

#[test]
fn rfc1122_a_packet_with_a_ttl_of_0_is_dropped_at_every_hook() {
    let mut lab = Lab::new();
    let sent = each_way(&mut lab, |packet| packet.ttl(0));
    for sent in &sent {
        // In silence: no router on the way can have let it pass.
        assert_eq!(sent.verdict, Verdict::Drop(DropReason::NoTimeToLive));
    }
    assert_eq!(lab.drops(DropReason::NoTimeToLive), sent.len() as u64);
}

#[test]
fn rfc2474_and_rfc3168_dscp_and_ecn_are_kept() {
    for service in 0..=u8::MAX {
        let mut lab = Lab::new();
        for sent in each_way(&mut lab, |packet| packet.service(service)) {
            assert!(!matches!(sent.verdict, Verdict::Drop(_)));
            assert_eq!(sent.after.bytes()[15], service);
        }
    }
}

#[test]
fn the_df_flag_is_kept() {
    for dont_fragment in [false, true] {
        let mut lab = Lab::new();
        let change = |packet: Datagram| if dont_fragment { packet.dont_fragment() } else { packet };
        for sent in each_way(&mut lab, change) {
            assert!(!matches!(sent.verdict, Verdict::Drop(_)));
            let expected = if dont_fragment { [0x40, 0] } else { [0, 0] };
            assert_eq!(sent.after.bytes()[20..22], expected);
        }
    }
}
