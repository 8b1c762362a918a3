//! UDP datagrams: ports, lengths and checksums.

use netns_common::{
    abi::Ip4,
    model::{
        Datagram,
        address::{BLUE, BRIDGE, FAR, HOST, LAN, RED},
        ipv4,
    },
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::Ip,
};

const SUBNET: Ip4 = Ip4::new(192, 168, 15, 255);
const LAN_SUBNET: Ip4 = Ip4::new(192, 168, 1, 255);
const GROUP: Ip4 = Ip4::new(239, 1, 2, 3);

fn out(port: u16) -> Datagram {
    ipv4(RED, LAN).udp(port, 7000)
}

fn back(port: u16) -> Datagram {
    ipv4(LAN, HOST).udp(7000, port)
}

pub(super) fn whole(x: &mut Exchange) {
    x.send("question", Red, out(21_001).payload(20));
    x.send("answer", Lan, back(21_001).payload(40));
    x.send("next question", Red, out(21_001).payload(21));
}

pub(super) fn without_checksum(x: &mut Exchange) {
    x.send("question", Red, ipv4(RED, LAN).udp_without_checksum(21_002, 7000).payload(20));
    x.send("answer", Lan, ipv4(LAN, HOST).udp_without_checksum(7000, 21_002).payload(20));
    x.send("answer with a checksum", Lan, back(21_002).payload(20));
}

pub(super) fn odd_sizes(x: &mut Exchange) {
    for size in [0, 1, 2, 3, 7, 17, 18, 19, 555, 556, 557, 1471, 1472] {
        x.send("question", Red, out(21_003).payload(size));
        x.send("answer", Lan, back(21_003).payload(size));
    }
}

pub(super) fn low_ports(x: &mut Exchange) {
    for port in [1, 53, 123, 1023, 1024, 65_535] {
        x.send("question", Red, out(port));
        x.send("answer", Lan, back(port));
    }
}

pub(super) fn same_port_twice(x: &mut Exchange) {
    x.send("red's question", Red, out(21_004).payload(9));
    x.send("blue's question", Blue, ipv4(BLUE, LAN).udp(21_004, 7000).payload(9));
    x.answer("blue's answer", Lan, |question: &Ip| {
        ipv4(LAN, HOST).udp(7000, question.source_port()).payload(9).into()
    });
    x.send("red's answer", Lan, back(21_004).payload(9));
}

pub(super) fn answer_from_elsewhere(x: &mut Exchange) {
    x.send("question", Red, out(21_005));
    x.send("other port", Lan, ipv4(LAN, HOST).udp(7001, 21_005).payload(9));
    x.send("other address", Lan, ipv4(FAR, HOST).udp(7000, 21_005).payload(9));
}

pub(super) fn wrong_checksum(x: &mut Exchange) {
    x.send("question", Red, Ip::from(out(21_006).payload(9)).wrong_checksum());
    x.send("good question", Red, out(21_006).payload(9));
    x.send("answer", Lan, Ip::from(back(21_006).payload(9)).wrong_checksum());
}

pub(super) fn wrong_lengths(x: &mut Exchange) {
    x.send("shorter", Red, Ip::from(out(21_007).payload(20)).damaged(24, &[0, 18]));
    x.send("longer", Red, Ip::from(out(21_008).payload(20)).damaged(24, &[0, 200]));
    x.send("shorter than its header", Red, Ip::from(out(21_009).payload(20)).damaged(24, &[0, 7]));
}

pub(super) fn port_0(x: &mut Exchange) {
    x.send("from port 0", Red, out(0));
    x.send("to port 0", Red, ipv4(RED, LAN).udp(21_010, 0));
}

pub(super) fn broadcast(x: &mut Exchange) {
    // A packet that arrives, so that the silence of the others proves something.
    x.send("to the router", Red, ipv4(RED, BRIDGE).udp(21_011, 7));
    x.send("to all", Red, ipv4(RED, Ip4::BROADCAST).udp(21_011, 7000));
    x.send("to the subnet", Red, ipv4(RED, SUBNET).udp(21_011, 7000));
    x.send("to the lan's subnet", Red, ipv4(RED, LAN_SUBNET).udp(21_011, 7000));
    x.send("to a group", Red, ipv4(RED, GROUP).udp(21_011, 7000));
    x.send("to all, from outside", Lan, ipv4(LAN, Ip4::BROADCAST).udp(7000, 5353));
    x.send("to the subnet, from outside", Lan, ipv4(LAN, LAN_SUBNET).udp(7000, 5353));
}
