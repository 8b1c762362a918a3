//! ICMP errors from outside and from inside, and the packets that they quote.

use netns_common::{
    abi::Ip4,
    model::{
        address::{BLUE, HOST, LAN, RED},
        flags::{ACK, SYN},
        ipv4,
    },
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::{Ip, segment},
};

/// A router on the path that has no flow itself.
const HOP: Ip4 = Ip4::new(10, 99, 0, 1);

/// Every error of RFC 792, RFC 1122 and RFC 1812 that quotes a packet.
const KINDS: [(u8, u8); 20] = [
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 6),
    (3, 7),
    (3, 8),
    (3, 9),
    (3, 10),
    (3, 11),
    (3, 12),
    (3, 13),
    (3, 14),
    (3, 15),
    (11, 0),
    (11, 1),
    (12, 0),
    (12, 1),
];

/// The number of quoted bytes after the IP header: the eight of RFC 792, odd and even numbers, all.
const QUOTED: [usize; 5] = [8, 9, 20, 29, 1000];

/// The four bytes after the checksum: for 3/4 the MTU, for 12/0 the pointer.
fn rest(kind: (u8, u8)) -> [u8; 4] {
    match kind {
        (3, 4) => [0, 0, 5, 0],
        (12, 0) => [9, 0, 0, 0],
        _ => [0; 4],
    }
}

/// Sends every error about a packet as it left, from a hop on the path and from its destination.
fn all_kinds(x: &mut Exchange, packet: &Ip) {
    for kind in KINDS {
        for quoted in QUOTED {
            for from in [HOP, LAN] {
                let error = packet.error((from, HOST), kind, rest(kind), quoted);
                x.send(&format!("{}/{}", kind.0, kind.1), Lan, error);
            }
        }
    }
}

/// The packet as it left the router: with the TTL decremented.
fn left(packet: Ip) -> Ip {
    packet.with(8, &[63])
}

pub(super) fn about_tcp(x: &mut Exchange) {
    x.send("syn", Red, segment((RED, 24_001), (LAN, 7000), SYN, (100, 0), 0));
    x.send("syn+ack", Lan, segment((LAN, 7000), (HOST, 24_001), SYN | ACK, (500, 101), 0));
    x.send("data", Red, segment((RED, 24_001), (LAN, 7000), ACK, (101, 501), 100));
    all_kinds(x, &left(segment((HOST, 24_001), (LAN, 7000), ACK, (101, 501), 100)));
}

pub(super) fn about_udp(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_002, 7000).payload(33));
    all_kinds(x, &left(ipv4(HOST, LAN).udp(24_002, 7000).payload(33).into()));
}

pub(super) fn about_udp_without_checksum(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp_without_checksum(24_003, 7000).payload(33));
    all_kinds(x, &left(ipv4(HOST, LAN).udp_without_checksum(24_003, 7000).payload(33).into()));
}

pub(super) fn about_echo(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).echo_request(24_004).payload(33));
    all_kinds(x, &left(ipv4(HOST, LAN).echo_request(24_004).payload(33).into()));
}

pub(super) fn about_a_moved_port(x: &mut Exchange) {
    x.send("red's question", Red, ipv4(RED, LAN).udp(24_005, 7000).payload(33));
    for quoted in QUOTED {
        x.send("blue's question", Blue, ipv4(BLUE, LAN).udp(24_005, 7000).payload(33));
        x.answer("error", Lan, |question: &Ip| question.error((HOP, HOST), (3, 1), [0; 4], quoted));
        x.send("blue's request", Blue, ipv4(BLUE, LAN).echo_request(24_004).payload(33));
        x.answer("error", Lan, |request: &Ip| request.error((HOP, HOST), (3, 1), [0; 4], quoted));
    }
}

pub(super) fn with_extensions(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_006, 7000).payload(200));
    // RFC 4884: 128 quoted bytes, 32 words, then an extension header and an MPLS object.
    let asked = left(ipv4(HOST, LAN).udp(24_006, 7000).payload(200).into());
    let extension = [0x20, 0, 0x9a, 0x87, 0, 8, 1, 1, 0, 0, 0x11, 1];
    let error = asked.error((HOP, HOST), (11, 0), [0, 32, 0, 0], 108).then(&extension);
    x.send("error", Lan, error);
}

pub(super) fn quoted_options(x: &mut Exchange) {
    for words in [1, 3, 10] {
        x.send("question", Red, ipv4(RED, LAN).udp(24_007, 7000).payload(33).options(words));
        let asked = left(ipv4(HOST, LAN).udp(24_007, 7000).payload(33).options(words).into());
        for quoted in QUOTED {
            x.send("error", Lan, asked.error((HOP, HOST), (3, 1), [0; 4], quoted));
        }
    }
}

pub(super) fn wrong_inner_checksums(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_008, 7000).payload(33));
    let asked = || left(ipv4(HOST, LAN).udp(24_008, 7000).payload(33).into());
    let error = |asked: &Ip| asked.error((HOP, HOST), (3, 1), [0; 4], 1000);
    x.send("of udp", Lan, error(&asked().wrong_checksum()));
    x.send("of ip", Lan, error(&asked().damaged(10, &[0xba, 0xad])));
    // A router may have changed the packet before it quotes it.
    x.send("changed time to live", Lan, error(&asked().damaged(8, &[1])));
    x.send("good", Lan, error(&asked()));
}

pub(super) fn wrong_outer_checksum(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_009, 7000).payload(33));
    let asked = left(ipv4(HOST, LAN).udp(24_009, 7000).payload(33).into());
    x.send("error", Lan, asked.error((HOP, HOST), (3, 1), [0; 4], 1000).wrong_checksum());
}

pub(super) fn source_quench(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_010, 7000).payload(33));
    let asked = left(ipv4(HOST, LAN).udp(24_010, 7000).payload(33).into());
    x.send("error", Lan, asked.error((HOP, HOST), (4, 0), [0; 4], 8));
}

pub(super) fn redirect(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_011, 7000).payload(33));
    let asked = left(ipv4(HOST, LAN).udp(24_011, 7000).payload(33).into());
    x.send("error", Lan, asked.error((LAN, HOST), (5, 1), [192, 168, 1, 77], 8));
}

pub(super) fn about_nothing(x: &mut Exchange) {
    let never: Ip = ipv4(HOST, LAN).udp(24_012, 7000).payload(33).into();
    x.send("udp", Lan, never.error((HOP, HOST), (3, 1), [0; 4], 1000));
    let never = segment((HOST, 24_012), (LAN, 7000), SYN, (1, 0), 0);
    x.send("tcp", Lan, never.error((HOP, HOST), (3, 1), [0; 4], 1000));
    let never: Ip = ipv4(RED, LAN).udp(24_012, 7000).payload(33).into();
    x.send("of an inside address", Lan, never.error((HOP, HOST), (3, 1), [0; 4], 1000));
}

pub(super) fn short_quotation(x: &mut Exchange) {
    let asked = left(ipv4(HOST, LAN).udp(24_013, 7000).payload(33).into());
    for quoted in [0, 4, 7] {
        x.send(&format!("{quoted} bytes"), Lan, {
            asked.error((HOP, HOST), (3, 1), [0; 4], quoted)
        });
    }
}

pub(super) fn about_an_answer(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_101, 7000).payload(33));
    x.send("answer", Lan, ipv4(LAN, HOST).udp(7000, 24_101).payload(33));
    let answer = left(ipv4(LAN, RED).udp(7000, 24_101).payload(33).into());
    for kind in KINDS {
        for quoted in QUOTED {
            let error = answer.error((RED, LAN), kind, rest(kind), quoted);
            x.send(&format!("{}/{}", kind.0, kind.1), Red, error);
        }
    }
}

pub(super) fn about_a_forwarded(x: &mut Exchange) {
    x.send("question", Lan, ipv4(LAN, HOST).udp(24_102, 5353).payload(33));
    let udp = left(ipv4(LAN, BLUE).udp(24_102, 53).payload(33).into());
    x.send("syn", Lan, segment((LAN, 24_102), (HOST, 80), SYN, (1, 0), 0));
    let tcp = left(segment((LAN, 24_102), (BLUE, 80), SYN, (1, 0), 0));
    for kind in KINDS {
        for quoted in QUOTED {
            for (about, asked) in [("udp", &udp), ("tcp", &tcp)] {
                let error = asked.error((BLUE, LAN), kind, rest(kind), quoted);
                x.send(&format!("{about} {}/{}", kind.0, kind.1), Blue, error);
            }
        }
    }
}

pub(super) fn out_about_nothing(x: &mut Exchange) {
    let never = left(ipv4(LAN, RED).udp(7000, 24_103).payload(33).into());
    x.send("error", Red, never.error((RED, LAN), (3, 3), [0; 4], 1000));
}

pub(super) fn out_source_quench(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_104, 7000).payload(33));
    let answer = left(ipv4(LAN, RED).udp(7000, 24_104).payload(33).into());
    x.send("error", Red, answer.error((RED, LAN), (4, 0), [0; 4], 8));
}

pub(super) fn out_wrong_checksum(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp(24_105, 7000).payload(33));
    let answer = left(ipv4(LAN, RED).udp(7000, 24_105).payload(33).into());
    x.send("error", Red, answer.error((RED, LAN), (3, 3), [0; 4], 1000).wrong_checksum());
}
