//! Forwarded ports, called from outside and by other namespaces.

use netns_common::{
    abi::Ip4,
    model::{
        address::{BLUE, FAR, HOST, LAN, RED},
        flags::{ACK, FIN, RST, SYN},
        ipv4,
    },
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::{Ip, segment},
};

const HOP: Ip4 = Ip4::new(10, 99, 0, 1);

fn call(x: &mut Exchange, caller: Ip4, port: u16) {
    x.send("syn", Lan, segment((caller, port), (HOST, 80), SYN, (100, 0), 0));
    x.send("syn+ack", Blue, segment((BLUE, 80), (caller, port), SYN | ACK, (500, 101), 0));
    x.send("ack", Lan, segment((caller, port), (HOST, 80), ACK, (101, 501), 0));
}

pub(super) fn tcp(x: &mut Exchange) {
    call(x, LAN, 25_001);
    x.send("data", Lan, segment((LAN, 25_001), (HOST, 80), ACK, (101, 501), 1460));
    x.send("data back", Blue, segment((BLUE, 80), (LAN, 25_001), ACK, (501, 1561), 1459));
    x.send("fin", Blue, segment((BLUE, 80), (LAN, 25_001), FIN | ACK, (1960, 1561), 0));
    x.send("fin back", Lan, segment((LAN, 25_001), (HOST, 80), FIN | ACK, (1561, 1961), 0));
    x.send("last ack", Blue, segment((BLUE, 80), (LAN, 25_001), ACK, (1961, 1562), 0));
}

pub(super) fn udp(x: &mut Exchange) {
    x.send("question", Lan, ipv4(LAN, HOST).udp(25_002, 5353).payload(31));
    x.send("answer", Blue, ipv4(BLUE, LAN).udp(53, 25_002).payload(31));
    x.send("without checksum", Lan, ipv4(LAN, HOST).udp_without_checksum(25_002, 5353));
    x.send("back without checksum", Blue, ipv4(BLUE, LAN).udp_without_checksum(53, 25_002));
    x.send("with options", Lan, ipv4(LAN, HOST).udp(25_002, 5353).options(2));
}

pub(super) fn from_afar(x: &mut Exchange) {
    call(x, FAR, 25_003);
}

pub(super) fn refused(x: &mut Exchange) {
    x.send("syn", Lan, segment((LAN, 25_004), (HOST, 80), SYN, (100, 0), 0));
    x.send("rst", Blue, segment((BLUE, 80), (LAN, 25_004), RST | ACK, (0, 101), 0));
    x.send("question", Lan, ipv4(LAN, HOST).udp(25_004, 5353).payload(31));
    let asked = Ip::from(ipv4(LAN, BLUE).udp(25_004, 53).payload(31)).with(8, &[63]);
    x.send("unreachable", Blue, asked.error((BLUE, LAN), (3, 3), [0; 4], 1000));
}

pub(super) fn error_in(x: &mut Exchange) {
    call(x, LAN, 25_005);
    let answer = segment((HOST, 80), (LAN, 25_005), SYN | ACK, (500, 101), 0).with(8, &[63]);
    for (kind, rest) in [((3, 1), [0; 4]), ((3, 4), [0, 0, 5, 0]), ((11, 0), [0; 4])] {
        for quoted in [8, 1000] {
            x.send("error", Lan, answer.error((HOP, HOST), kind, rest, quoted));
        }
    }
}

pub(super) fn time_to_live(x: &mut Exchange) {
    x.send("ttl 2", Lan, segment((LAN, 25_006), (HOST, 80), SYN, (1, 0), 0).with(8, &[2]));
    x.send("ttl 1", Lan, segment((LAN, 25_007), (HOST, 80), SYN, (1, 0), 0).with(8, &[1]));
    x.send("ttl 1, udp", Lan, ipv4(LAN, HOST).udp(25_007, 5353).payload(31).ttl(1));
    x.send("answer, ttl 1", Blue, {
        segment((BLUE, 80), (LAN, 25_006), SYN | ACK, (1, 2), 0).with(8, &[1])
    });
}

pub(super) fn no_syn(x: &mut Exchange) {
    x.send("ack", Lan, segment((LAN, 25_008), (HOST, 80), ACK, (100, 7), 10));
    x.send("rst", Lan, segment((LAN, 25_009), (HOST, 80), RST, (100, 0), 0));
    x.send("syn+ack", Lan, segment((LAN, 25_010), (HOST, 80), SYN | ACK, (100, 7), 0));
    x.send("fin", Lan, segment((LAN, 25_011), (HOST, 80), FIN, (100, 7), 0));
}

pub(super) fn other_protocol(x: &mut Exchange) {
    x.send("udp to a port of tcp", Lan, ipv4(LAN, HOST).udp(25_012, 80).payload(5));
    x.send("tcp to a port of udp", Lan, segment((LAN, 25_012), (HOST, 5353), SYN, (1, 0), 0));
}

/// Transit traffic, not to the host: a router forwards it unchanged.
pub(super) fn transit(x: &mut Exchange) {
    x.send("out to the same port", Red, segment((RED, 25_013), (FAR, 80), SYN, (1, 0), 0));
    x.send("from outside to outside", Lan, segment((LAN, 25_013), (FAR, 80), SYN, (1, 0), 0));
}

pub(super) fn hairpin_tcp(x: &mut Exchange) {
    x.send("syn", Red, segment((RED, 25_101), (HOST, 80), SYN, (100, 0), 0));
    x.answer("syn+ack", Blue, |syn: &Ip| answer(syn, SYN | ACK, (500, 101)));
    x.send("ack", Red, segment((RED, 25_101), (HOST, 80), ACK, (101, 501), 20));
    x.answer("data back", Blue, |data: &Ip| answer(data, ACK, (501, 121)));
}

/// An answer to the source of a packet.
fn answer(to: &Ip, flags: u8, numbers: (u32, u32)) -> Ip {
    let octets: [u8; 4] = to.0[12..16].try_into().expect("an address");
    segment(
        (BLUE, 80),
        (Ip4::from(std::net::Ipv4Addr::from(octets)), to.source_port()),
        flags,
        numbers,
        0,
    )
}

pub(super) fn hairpin_udp(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, HOST).udp(25_102, 5353).payload(15));
    x.answer("answer", Blue, |question: &Ip| {
        let octets: [u8; 4] = question.0[12..16].try_into().expect("an address");
        let caller = Ip4::from(std::net::Ipv4Addr::from(octets));
        ipv4(BLUE, caller).udp(53, question.source_port()).payload(15).into()
    });
}

pub(super) fn hairpin_self(x: &mut Exchange) {
    x.send("syn", Blue, segment((BLUE, 25_103), (HOST, 80), SYN, (100, 0), 0));
    x.answer("syn+ack", Blue, |syn: &Ip| answer(syn, SYN | ACK, (500, 101)));
}

pub(super) fn hairpin_time_to_live(x: &mut Exchange) {
    x.send("ttl 1", Red, segment((RED, 25_104), (HOST, 80), SYN, (1, 0), 0).with(8, &[1]));
    x.send("syn", Red, segment((RED, 25_105), (HOST, 80), SYN, (1, 0), 0));
    x.send("ttl 1, later", Red, segment((RED, 25_105), (HOST, 80), SYN, (1, 0), 0).with(8, &[1]));
}

pub(super) fn hairpin_error(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, HOST).udp(25_106, 5353).payload(15));
    x.answer("unreachable", Blue, |question: &Ip| {
        let octets: [u8; 4] = question.0[12..16].try_into().expect("an address");
        let caller = Ip4::from(std::net::Ipv4Addr::from(octets));
        question.error((BLUE, caller), (3, 3), [0; 4], 1000)
    });
}
