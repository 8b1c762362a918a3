//! The fields and options of the IPv4 header.

use netns_common::{
    abi::Ip4,
    model::{
        Datagram,
        address::{BRIDGE, FAR, HOST, LAN, RED},
        flags::{ACK, SYN},
        ipv4,
    },
};

use crate::{
    exchange::Exchange,
    labs::At::{Lan, Red},
    packet::{Ip, segment},
};

fn out(port: u16) -> Datagram {
    ipv4(RED, LAN).udp(port, 7000).payload(20)
}

fn back(port: u16) -> Datagram {
    ipv4(LAN, HOST).udp(7000, port).payload(20)
}

pub(super) fn marks(x: &mut Exchange) {
    // Expedited forwarding, not-ECT to CE, all ones.
    for tos in [0x00, 0xb8, 0x01, 0x02, 0x03, 0xff] {
        x.send("out", Red, Ip::from(out(22_001)).tos(tos));
        x.send("in", Lan, Ip::from(back(22_001)).tos(tos));
        x.send("out, tcp", Red, segment((RED, 22_001), (LAN, 80), SYN, (1, 0), 0).tos(tos));
    }
}

pub(super) fn time_to_live(x: &mut Exchange) {
    for ttl in [255, 2, 1, 0] {
        x.send(&format!("ttl {ttl}"), Red, out(22_002).ttl(ttl));
    }
    x.send("ttl 1, in no connection", Red, out(22_003).ttl(1));
    x.send("ttl 1, to the router", Red, ipv4(RED, BRIDGE).udp(22_003, 9).ttl(1));
}

pub(super) fn time_to_live_in(x: &mut Exchange) {
    x.send("question", Red, out(22_004));
    for ttl in [255, 2, 1, 0] {
        x.send(&format!("ttl {ttl}"), Lan, back(22_004).ttl(ttl));
    }
    x.send("tcp question", Red, segment((RED, 22_004), (LAN, 80), SYN, (1, 0), 0));
    let answer = segment((LAN, 80), (HOST, 22_004), SYN | ACK, (7, 2), 0);
    x.send("tcp, ttl 1", Lan, answer.with(8, &[1]));
    x.send("ping", Red, ipv4(RED, LAN).echo_request(22_004));
    x.send("pong, ttl 1", Lan, ipv4(LAN, HOST).echo_reply(22_004).ttl(1));
}

pub(super) fn traceroute(x: &mut Exchange) {
    for ttl in [1, 2, 3] {
        let hop = u16::from(ttl);
        x.send("udp", Red, ipv4(RED, FAR).udp(22_005, 33_434 + hop).payload(32).ttl(ttl));
        x.send("icmp", Red, ipv4(RED, FAR).echo_request(22_006).payload(32).ttl(ttl));
        let syn = segment((RED, 22_007 + hop), (FAR, 80), SYN, (1, 0), 0);
        x.send("tcp", Red, syn.with(8, &[ttl]));
    }
    // Errors of the next hop.
    let probes: [Ip; 3] = [
        ipv4(HOST, FAR).udp(22_005, 33_436).payload(32).ttl(1).into(),
        ipv4(HOST, FAR).echo_request(22_006).payload(32).ttl(1).into(),
        segment((HOST, 22_009), (FAR, 80), SYN, (1, 0), 0).with(8, &[1]),
    ];
    for probe in probes {
        x.send("next hop", Lan, probe.error((LAN, HOST), (11, 0), [0; 4], 1000));
    }
    let at_the_end: Ip = ipv4(HOST, FAR).udp(22_005, 33_436).payload(32).ttl(1).into();
    x.send("the end", Lan, at_the_end.error((FAR, HOST), (3, 3), [0; 4], 1000));
}

pub(super) fn identification(x: &mut Exchange) {
    for id in [0, 1, 0x8000, 0xffff] {
        x.send("out", Red, Ip::from(out(22_020)).id(id));
        x.send("out, don't fragment", Red, Ip::from(out(22_020).dont_fragment()).id(id));
        x.send("in", Lan, Ip::from(back(22_020)).id(id));
    }
}

pub(super) fn bits(x: &mut Exchange) {
    x.send("don't fragment", Red, out(22_021).dont_fragment());
    x.send("don't fragment, in", Lan, back(22_021).dont_fragment());
    x.send("reserved", Red, Ip::from(out(22_021)).with(6, &[0x80, 0]));
    x.send("reserved, in", Lan, Ip::from(back(22_021)).with(6, &[0x80, 0]));
}

pub(super) fn no_operation(x: &mut Exchange) {
    for words in [1, 10] {
        x.send("out", Red, out(22_022).options(words));
        x.send("in", Lan, back(22_022).options(words));
    }
}

pub(super) fn record_route(x: &mut Exchange) {
    // RFC 791: type 7, 11 bytes, the next slot at 4, two slots; end of the list.
    let option = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    x.send("out", Red, Ip::from(out(22_023)).ip_options(&option));
    x.send("in", Lan, Ip::from(back(22_023)).ip_options(&option));
}

pub(super) fn timestamp(x: &mut Exchange) {
    // RFC 791: type 68, 12 bytes, the next slot at 5, addresses too (flag 1).
    let option = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let address_only = Ip::from(out(22_024)).ip_options(&option);
    x.send("ping, that all may see it", Red, ipv4(RED, LAN).echo_request(22_024));
    // A prespecified address that no router has (flag 3): no router fills it in.
    let nobody = [68, 12, 5, 3, 203, 0, 113, 9, 0, 0, 0, 0];
    x.send("of nobody", Red, address_only.with(20, &nobody));
}

pub(super) fn source_route(x: &mut Exchange) {
    x.send("ping, that all may see it", Red, ipv4(RED, LAN).echo_request(22_025));
    // RFC 791: loose (131) and strict (137), 7 bytes, the next hop at 4: FAR.
    for kind in [131, 137] {
        let option = [kind, 7, 4, 8, 8, 8, 8, 0];
        x.send("out", Red, Ip::from(out(22_025)).ip_options(&option));
        x.send("in", Lan, Ip::from(back(22_025)).ip_options(&option));
    }
}

pub(super) fn router_alert(x: &mut Exchange) {
    // RFC 2113.
    x.send("out", Red, Ip::from(out(22_026)).ip_options(&[148, 4, 0, 0]));
    x.send("in", Lan, Ip::from(back(22_026)).ip_options(&[148, 4, 0, 0]));
}

pub(super) fn wrong_checksum(x: &mut Exchange) {
    x.send("good", Red, out(22_027));
    x.send("out", Red, Ip::from(out(22_027)).damaged(10, &[0xba, 0xad]));
    x.send("in", Lan, Ip::from(back(22_027)).damaged(10, &[0xba, 0xad]));
}

/// Padding behind the packet, as in a frame of the minimum length.
pub(super) fn filled_frame(x: &mut Exchange) {
    let filled = |mut packet: Ip| {
        packet.0.extend([0xaa; 18]);
        packet
    };
    x.send("out", Red, filled(out(22_028).into()));
    x.send("in", Lan, filled(back(22_028).into()));
}

pub(super) fn broken(x: &mut Exchange) {
    let good = || Ip::from(out(22_029));
    x.send("version 5", Red, good().damaged(0, &[0x55]));
    x.send("header of 4 words", Red, good().damaged(0, &[0x44]));
    x.send("longer than its frame", Red, good().with(2, &[0x10, 0]));
    let mut half_udp = good();
    half_udp.0.truncate(24);
    x.send("half a udp header", Red, half_udp.with(2, &[0, 24]));
    let mut header_only = good();
    header_only.0.truncate(20);
    x.send("header only", Red, header_only.with(2, &[0, 20]));
    x.send("source is a group", Red, Ip::from(ipv4(Ip4::new(239, 1, 1, 1), LAN).udp(1, 2)));
}
