//! ICMP queries and their answers.

use netns_common::model::{
    address::{BLUE, HOST, LAN, RED},
    ipv4,
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::Ip,
};

pub(super) fn whole(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).echo_request(23_001).payload(56));
    x.send("reply", Lan, ipv4(LAN, HOST).echo_reply(23_001).payload(56));
    x.send("reply again", Lan, ipv4(LAN, HOST).echo_reply(23_001).payload(56));
    x.send("request with the same identifier from outside", Lan, {
        ipv4(LAN, HOST).echo_request(23_001).payload(56)
    });
}

pub(super) fn odd_sizes(x: &mut Exchange) {
    for size in [0, 1, 55, 57, 1471, 1472] {
        x.send("request", Red, ipv4(RED, LAN).echo_request(23_002).payload(size));
        x.send("reply", Lan, ipv4(LAN, HOST).echo_reply(23_002).payload(size));
    }
}

pub(super) fn same_identifier_twice(x: &mut Exchange) {
    x.send("red's request", Red, ipv4(RED, LAN).echo_request(23_003).payload(8));
    x.send("blue's request", Blue, ipv4(BLUE, LAN).echo_request(23_003).payload(8));
    x.answer("blue's reply", Lan, |request: &Ip| {
        ipv4(LAN, HOST).echo_reply(request.identifier()).payload(8).into()
    });
    x.send("red's reply", Lan, ipv4(LAN, HOST).echo_reply(23_003).payload(8));
}

pub(super) fn strange_code(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).icmp(8, 7, [0x59, 0xdc, 0, 1]).payload(8));
    x.send("reply", Lan, ipv4(LAN, HOST).icmp(0, 7, [0x59, 0xdc, 0, 1]).payload(8));
}

pub(super) fn answer_to_nothing(x: &mut Exchange) {
    x.send("from outside", Lan, ipv4(LAN, HOST).echo_reply(23_005));
}

pub(super) fn answer_from_inside(x: &mut Exchange) {
    x.send("reply", Red, ipv4(RED, LAN).echo_reply(23_006));
}

pub(super) fn wrong_checksum(x: &mut Exchange) {
    let request = || Ip::from(ipv4(RED, LAN).echo_request(23_007).payload(8));
    x.send("request", Red, request().wrong_checksum());
    x.send("good request", Red, request());
    x.send("reply", Lan, {
        Ip::from(ipv4(LAN, HOST).echo_reply(23_007).payload(8)).wrong_checksum()
    });
}

pub(super) fn timestamp(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).icmp(13, 0, [0x59, 0xe0, 0, 1]).payload(12));
    x.send("reply", Lan, ipv4(LAN, HOST).icmp(14, 0, [0x59, 0xe0, 0, 1]).payload(12));
}

pub(super) fn address_mask(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).icmp(17, 0, [0x59, 0xe1, 0, 1]).payload(4));
    x.send("reply", Lan, ipv4(LAN, HOST).icmp(18, 0, [0x59, 0xe1, 0, 1]).payload(4));
}

pub(super) fn information(x: &mut Exchange) {
    x.send("request", Red, ipv4(RED, LAN).icmp(15, 0, [0x59, 0xe2, 0, 1]));
    x.send("reply", Lan, ipv4(LAN, HOST).icmp(16, 0, [0x59, 0xe2, 0, 1]));
}

pub(super) fn solicitation(x: &mut Exchange) {
    x.send("from red", Red, ipv4(RED, LAN).icmp(10, 0, [0; 4]));
}
