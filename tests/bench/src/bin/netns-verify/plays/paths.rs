//! Plays of the lecture's lab: the ways of packets through the router.

use std::{fs, time::Duration};

use netns_common::model::{
    Datagram,
    address::{HOST, LAN, RED},
    ipv4, split,
};
use netns_tests::{
    DEADLINE, Inside, LabFile, Wire, ask, ask_at, connections_survive_floods, dropped, eventually,
    inside, lecture, mac_of, netns, receive_bytes, stream_whole,
};

/// Datagrams, or MiB of a stream, of one play.
const REPEATS: u16 = 20;
const BLOCKS: usize = 4;

/// The payload of a datagram that needs several fragments, and of a fragment.
const LARGE: usize = 8_000;
const PIECE: usize = 1_000;

/// The least number of packets that counts as a flood where the processor is emulated.
const FLOOD: u64 = 2_000;
const SECOND: Duration = Duration::from_secs(1);
/// The time limit for sending that many.
const LONGEST: Duration = Duration::from_secs(60);

/// The lecture's lab with a forward of UDP.
fn with_udp_forward() -> LabFile {
    lecture().forward("udp", 5353, "192.168.15.2:53")
}

/// The fragments of a datagram, last first.
fn last_first(datagram: &Datagram) -> Vec<Vec<u8>> {
    let pieces = split(&datagram.frame([2; 6], [2; 6], 0), PIECE);
    pieces.iter().rev().map(|piece| piece.network().to_vec()).collect()
}

/// Datagrams in fragments pass both ways: from the kernels' stacks in order, and last first.
pub(super) fn fragments() {
    with_udp_forward().up().success();
    let [red, blue, lan] = [("red", 40_000), ("blue", 53), ("lan", 5353)]
        .map(|(name, port)| inside(name).udp(("0.0.0.0", port)));
    let noise: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    red.send_to(&noise, "192.168.1.1:5353").expect("a datagram");
    let (asked, from) = receive_bytes(&lan);
    assert!(asked == noise, "a large datagram leaves the lab unchanged");
    assert_eq!(from.to_string(), "192.168.1.10:40000");
    lan.send_to(&noise[1..], from).expect("a datagram");
    assert!(receive_bytes(&red).0 == noise[1..], "a large answer arrives unchanged");

    let router = inside("host");
    let from_red = Wire::open(&inside("red"), "veth-red", mac_of(&router, "v-net-0"));
    let from_lan = Wire::open(&inside("lan"), "eth0", mac_of(&router, "ens3"));
    for id in 0..REPEATS {
        let leaves = ipv4(RED, LAN).udp(41_000, 5353).id(id).payload(LARGE);
        let arrives = ipv4(LAN, HOST).udp(7001, 5353).id(id).payload(LARGE);
        for (wire, datagram, end) in [(&from_red, leaves, &lan), (&from_lan, arrives, &blue)] {
            last_first(&datagram).iter().for_each(|packet| wire.send(packet));
            assert!(receive_bytes(end).0 == datagram.bytes()[28..], "datagram {id} is changed");
        }
    }
    assert_eq!((dropped("fragment"), dropped("fragment-flood")), (0, 0), "dropped fragments");
}

/// Floods from both sides cut no connection.
pub(super) fn floods() {
    with_udp_forward().up().success();
    let packets = connections_survive_floods(|elapsed, packets| {
        elapsed < SECOND || (packets <= FLOOD && elapsed < LONGEST)
    });
    assert!(packets > FLOOD, "{packets} packets are no flood");
    netns(&["status"]).success();
}

/// A datagram and a stream out, and one each in by a forward.
fn all_ways() {
    let [red, blue, lan] = ["red", "blue", "lan"].map(inside);
    let (client, server) = (red.udp("192.168.15.1:40000"), lan.udp("192.168.1.1:53"));
    for _ in 0..REPEATS {
        let seen = ask(&client, &server, "from red");
        assert_eq!(seen.to_string(), "192.168.1.10:40000");
    }
    let called = (blue.udp("192.168.15.2:53"), lan.udp("192.168.1.1:0"));
    for _ in 0..REPEATS {
        ask_at(&called.1, "192.168.1.10:5353", &called.0, "from the LAN");
    }
    let address = "192.168.1.1:7000";
    stream_whole((&red, address), (&lan, address), BLOCKS);
    let caller = stream_whole((&lan, "192.168.1.10:80"), (&blue, "192.168.15.2:80"), BLOCKS).ip();
    assert_eq!(caller.to_string(), "192.168.1.1");
}

/// How many packets the kernel's stack has forwarded in a namespace.
fn forwarded(place: &Inside) -> u64 {
    let text = place.run(|| fs::read_to_string("/proc/thread-self/net/snmp")).expect("counters");
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let at = names.split(' ').position(|name| name == "ForwDatagrams").expect("the counter");
    values.split(' ').nth(at).and_then(|value| value.parse().ok()).expect("a number")
}

/// With `via_stack` the kernel's stack forwards what is translated; without it, it does not.
pub(super) fn via_stack() {
    let by_stack = || {
        let before = forwarded(&inside("host"));
        all_ways();
        forwarded(&inside("host")) - before
    };
    // The datagrams alone, there and back.
    let least = 4 * u64::from(REPEATS);
    with_udp_forward().text("[nat]\nvia_stack = true").up().success();
    let packets = by_stack();
    assert!(packets >= least, "the stack forwarded only {packets} packets");
    // The lab is changed while it is up.
    with_udp_forward().up().success();
    eventually("the stack forwards no more", DEADLINE, || by_stack() < least);
}

/// How many packets have left by an interface.
fn sent(place: &Inside, interface: &str) -> u64 {
    let text = place.run(|| fs::read_to_string("/proc/thread-self/net/dev")).expect("counters");
    let interface = format!("{interface}:");
    let counters = text.lines().find_map(|line| line.trim_start().strip_prefix(&interface));
    // Eight counters of what came in: bytes, packets, …; then bytes and packets that left.
    let packets = counters.and_then(|counters| counters.split_whitespace().nth(9));
    packets.and_then(|packets| packets.parse().ok()).expect("a counter")
}

/// With `redirect_peer` translated packets do not leave by the cable of the uplink.
pub(super) fn redirect_peer() {
    let by_cable = || {
        let before = sent(&inside("host"), "ens3");
        all_ways();
        sent(&inside("host"), "ens3") - before
    };
    // The datagrams alone, in one direction each.
    let least = 2 * u64::from(REPEATS);
    let name = "name = \"ens3\"";
    let entering = with_udp_forward().replace(name, &format!("{name}\nredirect_peer = true"));
    entering.up().success();
    // The first packets make the router resolve the next hop, and take the cable.
    eventually("no packets leave by the cable", DEADLINE, || by_cable() < least);
    with_udp_forward().up().success();
    eventually("packets leave by the cable again", DEADLINE, || by_cable() >= least);
}
