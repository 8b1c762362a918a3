//! The identification of packets behind a shared address.

use std::collections::HashSet;

use netns_common::model::{Datagram, Hook};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

fn id(sent: &Sent) -> u16 {
    u16::from_be_bytes([sent.after.bytes()[18], sent.after.bytes()[19]])
}

#[test]
fn rfc6864_req_atomic_packets_keep_their_ip_id() {
    let mut lab = Lab::new();
    for number in [0, 1, 0x1234, 0xffff] {
        let packet = ipv4(RED, FAR).dont_fragment().id(number).udp(40_000, 53);
        let sent = lab.red(&packet);
        assert_eq!(id(&sent), number);
        sent.is_one_hop_further();
    }
}

#[test]
fn rfc6864_req_two_namespaces_never_share_an_ip_id() {
    let mut lab = Lab::new();
    let mut seen = HashSet::new();
    // The same one again and again, as a sender that wraps around or restarts does.
    for _ in 0..32_768 {
        for sent in [
            lab.red(&ipv4(RED, FAR).id(7).udp(40_000, 53)),
            lab.blue(&ipv4(BLUE, FAR).id(7).udp(50_000, 53)),
        ] {
            assert!(seen.insert(id(&sent)), "{} comes twice", id(&sent));
        }
    }
    assert_eq!(seen.len(), 65_536, "all of them, before one comes again");
}

#[test]
fn rfc7857_req_every_kind_of_packet_gets_a_new_ip_id() {
    let mut lab = Lab::new();
    let call = lab.outside(&ipv4(LAN, HOST).tcp(50_000, 80, SYN));
    let answer: fn() -> Datagram = || ipv4(BLUE, LAN).id(9).tcp(80, 50_000, SYN | ACK);
    let error = ipv4(BLUE, LAN).id(9).error(3, 3, &call.after, 8);
    let hairpin = || ipv4(RED, HOST).id(9).tcp(40_000, 80, SYN);
    let mut by = [
        lab.red(&ipv4(RED, FAR).id(9).echo_request(5)),
        lab.red(&ipv4(RED, FAR).id(9).tcp(40_000, 443, SYN)),
        lab.red(&ipv4(RED, FAR).id(9).sctp(40_000, 443, 1)),
        lab.red(&ipv4(RED, FAR).id(9).udp_lite(40_000, 443, 8)),
        lab.red(&ipv4(RED, FAR).id(9).protocol(47)),
        lab.blue(&answer()),
        lab.blue(&error),
        // To another namespace, the host's address is shared just so.
        lab.red(&hairpin()),
        lab.red(&hairpin()),
    ]
    .map(|sent| {
        sent.is_one_hop_further();
        id(&sent)
    });
    by.sort_unstable();
    // By chance one may be what it was, hardly two.
    assert!(by.iter().filter(|id| **id == 9).count() < 2, "{by:?}");
}

#[test]
fn rfc6864_req_incoming_packets_keep_their_ip_id() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let answer = lab.answer_with(&sent, &ipv4(FAR, HOST).id(77).udp(53, 40_000));
    assert_eq!(id(&answer), 77);
}

#[test]
fn rfc6864_req_a_gso_packet_takes_an_ip_id_for_each_segment() {
    let mut lab = Lab::new();
    let places = lab.places;
    let packet = ipv4(RED, FAR).tcp(40_000, 443, ACK).payload(1000);
    let mut ids = || {
        let mut frame = packet.frame(places.red_mac, places.bridge.mac, places.red_port);
        frame.segments = 10;
        id(&lab.send(Hook::FromNamespace, frame))
    };
    let first = ids();
    assert_eq!(ids(), first.wrapping_add(10));
}

#[test]
fn rfc6864_req_ip_ids_cannot_be_predicted_without_the_seed() {
    let first = |seed| {
        let mut lab = Lab::new();
        lab.router.tables.settings.seed = seed;
        [FAR, LAN].map(|to| id(&lab.red(&ipv4(RED, to).udp(40_000, 53))))
    };
    assert_eq!(first([1, 2]), first([1, 2]));
    assert_ne!(first([1, 2]), first([1, 3]));
}
