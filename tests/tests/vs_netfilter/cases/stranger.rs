//! Packets that belong to no connection, and addresses that are wrong where they come from.

use netns_common::{
    abi::Ip4,
    model::{
        address::{BLUE, BRIDGE, HOST, LAN, RED},
        flags::{ACK, SYN},
        ipv4,
    },
};

use crate::{
    exchange::Exchange,
    labs::At::{Lan, Red},
    packet::{Ip, segment},
};

const NOBODY: Ip4 = Ip4::new(192, 168, 15, 77);
const ELSEWHERE: Ip4 = Ip4::new(203, 0, 113, 5);

pub(super) fn closed_ports(x: &mut Exchange) {
    for (from, at, to) in [(RED, Red, BRIDGE), (RED, Red, HOST), (LAN, Lan, HOST)] {
        x.send("syn", at, segment((from, 28_001), (to, 22), SYN, (100, 0), 0));
        x.send("ack", at, segment((from, 28_002), (to, 22), ACK, (100, 9), 5));
        x.send("udp", at, ipv4(from, to).udp(28_001, 22).payload(9));
        x.send("ping", at, ipv4(from, to).echo_request(28_001).payload(9));
        x.send("protocol 253", at, ipv4(from, to).protocol(253).payload(9));
    }
}

pub(super) fn inside_destination(x: &mut Exchange) {
    x.send("udp", Lan, ipv4(LAN, RED).udp(28_003, 9).payload(9));
    x.send("tcp", Lan, segment((LAN, 28_003), (RED, 9), SYN, (1, 0), 0));
    x.send("ping", Lan, ipv4(LAN, RED).echo_request(28_003));
    x.send("to the bridge", Lan, ipv4(LAN, BRIDGE).udp(28_003, 9).payload(9));
}

pub(super) fn inside_source(x: &mut Exchange) {
    x.send("to the host", Lan, ipv4(RED, HOST).udp(28_004, 9).payload(9));
    x.send("to a forward", Lan, ipv4(RED, HOST).udp(28_004, 5353).payload(9));
    x.send("to an inside address", Lan, ipv4(BLUE, RED).udp(28_004, 9).payload(9));
}

pub(super) fn source_of_nobody(x: &mut Exchange) {
    x.send("inside", Red, ipv4(NOBODY, LAN).udp(28_005, 9).payload(9));
    x.send("elsewhere", Red, ipv4(ELSEWHERE, LAN).udp(28_005, 9).payload(9));
    x.send("the host's", Red, ipv4(HOST, LAN).udp(28_005, 9).payload(9));
}

pub(super) fn source_of_another(x: &mut Exchange) {
    x.send("udp", Red, ipv4(BLUE, LAN).udp(28_006, 9).payload(9));
    x.send("to the router", Red, ipv4(BLUE, BRIDGE).echo_request(28_006));
}

pub(super) fn martians(x: &mut Exchange) {
    x.send("ping, that all may see it", Red, ipv4(RED, LAN).echo_request(28_007));
    for source in [Ip4::new(127, 0, 0, 1), Ip4::UNSPECIFIED, Ip4::BROADCAST, Ip4::new(240, 0, 0, 1)]
    {
        x.send(&format!("from {source:?}, outside"), Lan, ipv4(source, HOST).udp(28_007, 5353));
        x.send(&format!("from {source:?}, inside"), Red, ipv4(source, LAN).udp(28_007, 9));
    }
    x.send("to 127.0.0.1", Red, ipv4(RED, Ip4::new(127, 0, 0, 1)).udp(28_007, 9));
    x.send("to 240.0.0.1", Red, ipv4(RED, Ip4::new(240, 0, 0, 1)).udp(28_007, 9));
    x.send("to 0.0.0.0", Red, ipv4(RED, Ip4::UNSPECIFIED).udp(28_007, 9));
}

/// A network with an unreachable route on the router.
pub(super) fn no_route(x: &mut Exchange) {
    for router in crate::labs::routers() {
        let route = ["route", "add", "unreachable", "203.0.113.0/24"];
        router.command("ip", &route).success();
    }
    x.send("udp", Red, Ip::from(ipv4(RED, ELSEWHERE).udp(28_008, 9).payload(9)));
    x.send("tcp", Red, segment((RED, 28_008), (ELSEWHERE, 9), SYN, (1, 0), 0));
}
