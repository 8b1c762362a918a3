//! Protocols other than TCP, UDP and ICMP.

use netns_common::model::{
    address::{BLUE, HOST, LAN, RED},
    ipv4,
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::Ip,
    protocols::crc32c_of,
};

const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// An SCTP packet with one chunk (RFC 9260).
fn sctp(packet: Ip, ports: [u16; 2], tag: u32, chunk: &[u8]) -> Ip {
    let [source, destination] = ports.map(u16::to_be_bytes);
    let header = [&source[..], &destination, &tag.to_be_bytes(), &[0; 4], chunk].concat();
    let sum = crc32c_of(&header).to_le_bytes();
    packet.then(&header).damaged(28, &sum)
}

const INIT: [u8; 20] = [1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];
const INIT_ACK: [u8; 20] = [2, 0, 0, 20, 0, 0, 0, 8, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];
const COOKIE_ECHO: [u8; 8] = [10, 0, 0, 8, 1, 2, 3, 4];
const COOKIE_ACK: [u8; 4] = [11, 0, 0, 4];

fn sctp_out(source: netns_common::abi::Ip4) -> Ip {
    ipv4(source, LAN).protocol(SCTP).into()
}

fn sctp_back() -> Ip {
    ipv4(LAN, HOST).protocol(SCTP).into()
}

pub(super) fn sctp_association(x: &mut Exchange) {
    let ports = [27_001, 7000];
    let back = [7000, 27_001];
    x.send("init", Red, sctp(sctp_out(RED), ports, 0, &INIT));
    x.send("init ack", Lan, sctp(sctp_back(), back, 9, &INIT_ACK));
    x.send("cookie echo", Red, sctp(sctp_out(RED), ports, 8, &COOKIE_ECHO));
    x.send("cookie ack", Lan, sctp(sctp_back(), back, 9, &COOKIE_ACK));
    x.send("blue's init by the same port", Blue, sctp(sctp_out(BLUE), ports, 0, &INIT));
}

fn udp_lite_of(packet: Ip, ports: [u16; 2]) -> Ip {
    let [source, destination] = ports.map(u16::to_be_bytes);
    let udp = [&source[..], &destination, &[0, 0, 0, 0], b"udp-lite"].concat();
    let packet = packet.then(&udp);
    let length = u16::try_from(udp.len()).expect("a length").to_be_bytes();
    let pseudo = [&packet.0[12..20], &[0, UDP_LITE], &length].concat();
    let sum = netns_common::model::checksum(&[&pseudo[..], &udp].concat());
    packet.damaged(26, &sum.to_be_bytes())
}

pub(super) fn udp_lite(x: &mut Exchange) {
    let out = ipv4(RED, LAN).protocol(UDP_LITE).into();
    x.send("question", Red, udp_lite_of(out, [27_002, 7000]));
    let back = ipv4(LAN, HOST).protocol(UDP_LITE).into();
    x.send("answer", Lan, udp_lite_of(back, [7000, 27_002]));
}

fn by_address(x: &mut Exchange, protocol: u8) {
    x.send("out", Red, ipv4(RED, LAN).protocol(protocol).payload(40));
    x.send("in", Lan, ipv4(LAN, HOST).protocol(protocol).payload(40));
}

/// GRE with a key (RFC 2890).
pub(super) fn gre(x: &mut Exchange) {
    let header = [0x20, 0, 0x08, 0, 0, 0, 0, 77];
    x.send("out", Red, Ip::from(ipv4(RED, LAN).protocol(47)).then(&header));
    x.send("in", Lan, Ip::from(ipv4(LAN, HOST).protocol(47)).then(&header));
}

pub(super) fn esp(x: &mut Exchange) {
    by_address(x, 50);
}

pub(super) fn experimental(x: &mut Exchange) {
    by_address(x, 253);
}

pub(super) fn ip_in_ip(x: &mut Exchange) {
    let inner: Ip = ipv4(RED, LAN).udp(1, 2).into();
    x.send("out", Red, Ip::from(ipv4(RED, LAN).protocol(4)).then(&inner.0));
}
