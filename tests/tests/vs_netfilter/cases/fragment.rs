//! Fragments in either order, and packets that are too large for a link.

use netns_common::model::{
    Datagram,
    address::{BLUE, HOST, LAN, RED},
    flags::{ACK, SYN},
    ipv4,
};

use netns_tests::Inside;

use crate::{
    exchange::Exchange,
    labs::{
        At::{Blue, Lan, Red},
        routers,
    },
    packet::{Ip, segment},
};

fn out(port: u16) -> Datagram {
    ipv4(RED, LAN).udp(port, 7000)
}

fn back(port: u16) -> Datagram {
    ipv4(LAN, HOST).udp(7000, port)
}

/// The fragments of a packet, 1,000 bytes each, with this IP ID.
fn torn(packet: impl Into<Ip>, id: u16) -> Vec<Ip> {
    packet.into().id(id).fragments(1000)
}

fn reversed(mut fragments: Vec<Ip>) -> Vec<Ip> {
    fragments.reverse();
    fragments
}

pub(super) fn udp_out(x: &mut Exchange) {
    x.send_all("three", Red, &torn(out(26_001).payload(2500), 1));
    x.send("a whole one", Red, out(26_001).payload(9));
    x.send_all("three more", Red, &torn(out(26_001).payload(2501), 2));
}

pub(super) fn udp_out_reversed(x: &mut Exchange) {
    x.send_all("three", Red, &reversed(torn(out(26_002).payload(2500), 3)));
}

pub(super) fn udp_in(x: &mut Exchange) {
    x.send("question", Red, out(26_003));
    x.send_all("answer", Lan, &torn(back(26_003).payload(2500), 4));
    let none = ipv4(LAN, HOST).udp_without_checksum(7000, 26_003).payload(2500);
    x.send_all("answer without checksum", Lan, &torn(none, 5));
}

pub(super) fn udp_in_reversed(x: &mut Exchange) {
    x.send("question", Red, out(26_004));
    x.send_all("answer", Lan, &reversed(torn(back(26_004).payload(2500), 6)));
}

pub(super) fn tcp(x: &mut Exchange) {
    x.send("syn", Red, segment((RED, 26_005), (LAN, 7000), SYN, (100, 0), 0));
    x.send("syn+ack", Lan, segment((LAN, 7000), (HOST, 26_005), SYN | ACK, (500, 101), 0));
    let data = segment((RED, 26_005), (LAN, 7000), ACK, (101, 501), 1400);
    x.send_all("data", Red, &torn(data, 7));
    let data = segment((LAN, 7000), (HOST, 26_005), ACK, (501, 1501), 1400);
    x.send_all("data back", Lan, &torn(data, 8));
}

pub(super) fn echo(x: &mut Exchange) {
    x.send_all("request", Red, &torn(ipv4(RED, LAN).echo_request(26_006).payload(2000), 9));
    x.send_all("reply", Lan, &torn(ipv4(LAN, HOST).echo_reply(26_006).payload(2000), 10));
}

pub(super) fn forward(x: &mut Exchange) {
    x.send_all("question", Lan, &torn(ipv4(LAN, HOST).udp(26_007, 5353).payload(2000), 11));
    x.send_all("answer", Blue, &torn(ipv4(BLUE, LAN).udp(53, 26_007).payload(2000), 12));
}

pub(super) fn missing(x: &mut Exchange) {
    let fragments = torn(out(26_008).payload(2500), 13);
    x.send_all("without the first", Red, &fragments[1..]);
    let fragments = torn(out(26_008).payload(2500), 14);
    x.send_all("without the last", Red, &fragments[..2]);
}

/// Sets the MTU of the uplink and of all inside links in both labs.
fn narrow(uplink: &str, inside: &str) {
    for (prefix, router) in ["", "t-"].into_iter().zip(routers()) {
        let set = |place: &Inside, link: &str, mtu: &str| {
            place.command("ip", &["link", "set", link, "mtu", mtu]).success();
        };
        set(&router, "ens3", uplink);
        for name in ["red", "blue"] {
            set(&router, &format!("veth-{name}-br"), inside);
            set(&netns_tests::inside(&format!("{prefix}{name}")), &format!("veth-{name}"), inside);
        }
        set(&router, "v-net-0", inside);
    }
}

pub(super) fn too_large_out(x: &mut Exchange) {
    narrow("1280", "1500");
    x.send("udp", Red, out(26_101).payload(1300).dont_fragment());
    x.send("small", Red, out(26_101).payload(30).dont_fragment());
    x.send("udp of a known flow", Red, out(26_101).payload(1300).dont_fragment());
    let syn = segment((RED, 26_101), (LAN, 7000), SYN, (1, 0), 0);
    x.send("syn", Red, syn.with(6, &[0x40, 0]));
    let data = segment((RED, 26_101), (LAN, 7000), ACK, (2, 2), 1300);
    x.send("tcp", Red, data.with(6, &[0x40, 0]));
    x.send("echo", Red, ipv4(RED, LAN).echo_request(26_101).payload(1300).dont_fragment());
}

pub(super) fn may_be_fragmented(x: &mut Exchange) {
    narrow("1280", "1500");
    x.send("udp", Red, out(26_102).payload(1300));
    x.send("udp again", Red, out(26_102).payload(1300));
}

pub(super) fn too_large_in(x: &mut Exchange) {
    narrow("1500", "1280");
    x.send("question", Red, out(26_103));
    x.send("fits", Lan, back(26_103).payload(1200).dont_fragment());
    x.send("too large", Lan, back(26_103).payload(1440).dont_fragment());
    x.send("may be fragmented", Lan, back(26_103).payload(1440));
}
