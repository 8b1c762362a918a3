//! Fragmented datagrams through a lab, from real stacks and in arbitrary order.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
};

use netns_common::{
    abi::Ip4,
    model::{
        Datagram, Random, VecPacket,
        address::{BLUE, HOST, LAN, RED},
        flags::{ACK, SYN},
        ipv4, join, split,
    },
};
use netns_tests::{
    DEADLINE, Machine, Sandbox, Wire, accept, count, eventually, forward_add, inside, lab,
    lab_is_up, lecture, mac_of, nat, netns, own, receive_bytes, set,
};

/// A payload that needs several fragments and fits the default socket buffer.
const LARGE: usize = 8_000;

/// The payload of a fragment in bytes.
const PIECE: usize = 1_000;

fn udp(namespace: &str, port: u16) -> UdpSocket {
    inside(namespace).udp(("0.0.0.0", port))
}

/// A wire from a namespace to the router.
fn wire_of(namespace: &str) -> Wire {
    match namespace {
        "lan" => Wire::open(&inside("lan"), "eth0", mac_of(&inside("host"), "ens3")),
        inner => {
            let interface = format!("veth-{inner}");
            Wire::open(&inside(inner), &interface, mac_of(&inside("host"), "v-net-0"))
        }
    }
}

/// The fragments of a datagram in order; each begins with its IPv4 header.
fn fragments(datagram: &Datagram) -> Vec<Vec<u8>> {
    let frame = datagram.frame([2; 6], [2; 6], 0);
    split(&frame, PIECE).iter().map(|piece| piece.network().to_vec()).collect()
}

fn last_first(datagram: &Datagram) -> Vec<Vec<u8>> {
    let mut all = fragments(datagram);
    all.reverse();
    all
}

fn send(wire: &Wire, packets: &[Vec<u8>]) {
    packets.iter().for_each(|packet| wire.send(packet));
}

/// The UDP payload of a datagram.
fn data(datagram: &Datagram) -> Vec<u8> {
    datagram.bytes()[28..].to_vec()
}

fn drops(reason: &str) -> u64 {
    let nat = nat();
    let mut drops = nat["drops"].as_array().expect("a list").iter();
    drops.find(|drop| drop["reason"] == reason).map_or(0, |drop| count(drop, "packets"))
}

#[track_caller]
fn large_ping(namespace: &str, address: &str, bytes: usize) {
    let bytes = bytes.to_string();
    // One ping at a time: after an answer, `ping` waits for the others only for the time of that
    // round trip.
    for _ in 0..2 {
        let arguments = ["-c", "1", "-W", "60", "-s", &bytes, address];
        inside(namespace).command("ping", &arguments).success().shows(&[" 0% packet loss"]);
    }
}

#[test]
fn rfc4787_req14_large_pings_pass() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    large_ping("red", "192.168.1.1", 20_000);
    large_ping("blue", "8.8.8.8", 60_000);
    // To the host itself, from both sides.
    large_ping("red", "192.168.15.5", 20_000);
    large_ping("lan", "192.168.1.10", 20_000);
    large_ping("host", "192.168.1.1", 20_000);
    assert_eq!((drops("fragment"), drops("fragment-flood")), (0, 0));
}

#[test]
fn rfc4787_req14_large_datagrams_pass_both_ways() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let (red, blue, lan) = (udp("red", 40_000), udp("blue", 53), udp("lan", 5353));
    let noise: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    red.send_to(&noise, "192.168.1.1:5353").expect("a datagram");
    let (asked, from) = receive_bytes(&lan);
    assert_eq!((asked, from.to_string().as_str()), (noise.clone(), "192.168.1.10:40000"));
    lan.send_to(&noise[1..], from).expect("a datagram");
    assert_eq!(receive_bytes(&red).0, &noise[1..]);

    lan.send_to(&noise[2..], "192.168.1.10:5353").expect("a datagram");
    let (asked, from) = receive_bytes(&blue);
    assert_eq!(asked, &noise[2..]);
    blue.send_to(&noise[3..], from).expect("a datagram");
    let (answer, from) = receive_bytes(&lan);
    assert_eq!((&answer[..], from.to_string().as_str()), (&noise[3..], "192.168.1.10:5353"));

    // From one namespace to another by the host's address.
    red.send_to(&noise[4..], "192.168.1.10:5353").expect("a datagram");
    let (asked, from) = receive_bytes(&blue);
    assert_eq!(asked, &noise[4..]);
    blue.send_to(&noise[5..], from).expect("a datagram");
    assert_eq!(receive_bytes(&red).0, &noise[5..]);
}

#[test]
fn rfc4787_req14_fragments_leave_in_any_order() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let lan = udp("lan", 5353);
    let wire = wire_of("red");
    let mut random = Random::new(14);
    for id in 0..20 {
        let datagram = ipv4(RED, LAN).udp(40_000 + id, 5353).id(id).payload(LARGE);
        let mut all = last_first(&datagram);
        if id > 0 {
            shuffle(&mut random, &mut all);
        }
        send(&wire, &all);
        let (received, from) = receive_bytes(&lan);
        assert_eq!(received, data(&datagram), "datagram {id}");
        assert_eq!(from, SocketAddr::from(([192, 168, 1, 10], 40_000 + id)));
    }
    assert_eq!((drops("fragment"), drops("fragment-flood")), (0, 0));
}

fn shuffle(random: &mut Random, packets: &mut [Vec<u8>]) {
    for at in (1..packets.len()).rev() {
        packets.swap(at, random.below(at + 1));
    }
}

#[test]
fn rfc4787_req14_fragments_arrive_in_any_order() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let (red, blue, host) = (udp("red", 40_000), udp("blue", 53), udp("host", 6000));
    let (lan, wire) = (udp("lan", 7000), wire_of("lan"));
    red.send_to(b"hole", "192.168.1.1:7000").expect("a datagram");
    let _ = receive_bytes(&lan);
    let mut random = Random::new(15);
    for id in 0..20 {
        // An answer, a datagram for a forward, and one for the host, interleaved.
        let answer = ipv4(LAN, HOST).udp(7000, 40_000).id(3 * id).payload(LARGE);
        let call = ipv4(LAN, HOST).udp(7001, 5353).id(3 * id + 1).payload(LARGE + 1);
        let own = ipv4(LAN, HOST).udp(7002, 6000).id(3 * id + 2).payload(LARGE + 2);
        let mut all = [&answer, &call, &own].map(last_first).concat();
        if id > 0 {
            shuffle(&mut random, &mut all);
        }
        send(&wire, &all);
        assert_eq!(receive_bytes(&red).0, data(&answer), "answer {id}");
        assert_eq!(receive_bytes(&blue).0, data(&call), "call {id}");
        assert_eq!(receive_bytes(&host).0, data(&own), "the host's own {id}");
    }
    assert_eq!((drops("fragment"), drops("fragment-flood")), (0, 0));
}

#[test]
fn rfc4787_req14_fragments_of_a_hairpin_pass_in_any_order() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let (blue, wire) = (udp("blue", 53), wire_of("red"));
    let datagram = ipv4(RED, HOST).udp(40_000, 5353).payload(LARGE);
    send(&wire, &last_first(&datagram));
    assert_eq!(receive_bytes(&blue).0, data(&datagram));
}

#[test]
fn rfc4787_req14_fragments_of_the_largest_datagram_leave_last_first() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (lan, wire) = (udp("lan", 5353), wire_of("red"));
    let datagram = ipv4(RED, LAN).udp(40_000, 5353).payload(65_507);
    let frame = datagram.frame([2; 6], [2; 6], 0);
    let all: Vec<_> = split(&frame, 1480).iter().map(|piece| piece.network().to_vec()).collect();
    assert_eq!(all.len(), 45);
    all.iter().rev().for_each(|packet| wire.send(packet));
    assert_eq!(receive_bytes(&lan).0, data(&datagram));
}

/// The header fields that the path does not change: without TTL, ID, checksum and source.
fn header(packet: &[u8]) -> (u8, u8, Vec<u8>) {
    (packet[1], packet[8], packet[16..20].to_vec())
}

#[test]
fn a_reassembled_packet_is_translated_like_an_unfragmented_one() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (_lan, wire, mut seen) = (udp("lan", 5353), wire_of("red"), wire_of("lan"));
    let datagram =
        |id| ipv4(RED, LAN).ttl(33).service(0x2e << 2).udp(40_000, 5353).id(id).payload(LARGE);
    let mut both = Vec::new();
    for order in [fragments(&datagram(1)), last_first(&datagram(2))] {
        send(&wire, &order);
        let mut frames: Vec<VecPacket> = Vec::new();
        eventually("all of the datagram", DEADLINE, || {
            let arrived = seen.settle([192, 168, 1, 1], [192, 168, 1, 10]);
            frames.extend(
                arrived
                    .iter()
                    .map(|packet| VecPacket::new([&[0; 12][..], &[8, 0], packet].concat(), 0)),
            );
            join(&frames).is_some()
        });
        assert_eq!(frames.len(), fragments(&datagram(0)).len(), "the same cut");
        let whole = join(&frames).expect("it has all parts");
        assert!(frames.iter().all(|frame| header(frame.network()) == header(whole.network())));
        both.push((header(whole.network()), whole.network()[20..].to_vec()));
    }
    assert_eq!(both[0].0.1, 32);
    assert_eq!(both[0], both[1]);
}

#[test]
fn rfc4787_req14_a_tcp_segment_in_fragments_passes_in_any_order() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let wire = wire_of("red");
    // Red's own stack does not know the connection and would reset it, so its address is removed.
    // Then it does not answer ARP either, so the router gets a static neighbour entry.
    let mac = mac_of(&inside("red"), "veth-red").map(|octet| format!("{octet:02x}")).join(":");
    let neighbour = ["neighbour", "replace", "192.168.15.1", "lladdr", &mac, "dev", "v-net-0"];
    inside("host").command("ip", &neighbour).success();
    inside("red").command("ip", &["address", "flush", "dev", "veth-red"]).success();
    inside("red").run(|| set("ipv4/conf/veth-red/arp_ignore", "8"));
    let segment = |flags| ipv4(RED, LAN).tcp(40_000, 7000, flags);
    wire.send(&segment(SYN).bytes());
    let mut answer = None;
    eventually("an answer to the SYN", DEADLINE, || {
        answer = wire.next().filter(|packet| packet[9] == 6);
        answer.is_some()
    });
    let answer = answer.expect("it has come");
    let theirs = u32::from_be_bytes(answer[24..28].try_into().expect("four bytes")) + 1;
    let acknowledge = |datagram: &Datagram, sequence: u32| {
        let mut frame = datagram.frame([2; 6], [2; 6], 0);
        let tcp = &mut frame.bytes_mut()[14 + 20..];
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        tcp[8..12].copy_from_slice(&theirs.to_be_bytes());
        tcp[16..18].fill(0);
        let sum = tcp_checksum(RED, LAN, &frame.bytes()[14 + 20..]);
        frame.bytes_mut()[14 + 20 + 16..14 + 20 + 18].copy_from_slice(&sum.to_be_bytes());
        frame
    };
    wire.send(acknowledge(&segment(ACK), 2).network());
    let (mut stream, _) = accept(&listener).expect("a connection");
    let datagram = segment(ACK).payload(3 * PIECE);
    let mut all: Vec<_> = split(&acknowledge(&datagram, 2), PIECE);
    all.reverse();
    all.iter().for_each(|frame| wire.send(frame.network()));
    let mut received = vec![0; 3 * PIECE];
    stream.read_exact(&mut received).expect("the segment");
    assert_eq!(received, datagram.bytes()[40..]);
    stream.write_all(b"and back").expect("an answer");
}

fn tcp_checksum(source: Ip4, destination: Ip4, tcp: &[u8]) -> u16 {
    let length = u16::try_from(tcp.len()).expect("a segment");
    let mut bytes = [source.octets(), destination.octets()].concat();
    bytes.extend([0, 6]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(tcp);
    netns_common::model::checksum(&bytes)
}

#[test]
fn rfc4787_req14a_a_fragment_flood_of_red_does_not_affect_datagrams_of_blue() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (lan, red, blue) = (udp("lan", 5353), wire_of("red"), wire_of("blue"));
    let flood = |from: u16| {
        for id in from..from + 2_000 {
            // Without the first fragment.
            let datagram = ipv4(RED, LAN).udp(1, 2).id(id).payload(2 * PIECE);
            red.try_send(&fragments(&datagram)[1]);
        }
    };
    for round in 0..5 {
        flood(2_000 * round);
        let datagram = ipv4(BLUE, LAN).udp(40_000, 5353).id(round).payload(LARGE);
        send(&blue, &last_first(&datagram));
        assert_eq!(receive_bytes(&lan).0, data(&datagram), "round {round}");
        large_ping("blue", "192.168.1.1", 20_000);
        // Fragments of red in order pass as well.
        let datagram = ipv4(RED, LAN).udp(40_001, 5353).id(60_000 + round).payload(LARGE);
        send(&red, &fragments(&datagram));
        assert_eq!(receive_bytes(&lan).0, data(&datagram), "round {round}");
    }
    assert!(drops("fragment-flood") > 1_000, "{:#}", nat());
    netns(&["nat"]).success().shows(&["fragment-flood"]);
}

#[test]
fn rfc4787_req14a_a_fragment_flood_from_outside_does_not_affect_the_inside() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (lan, outside, blue) = (udp("lan", 5353), wire_of("lan"), wire_of("blue"));
    for round in 0..5_u16 {
        for number in 0..2_000_u16 {
            let [a, b] = number.to_be_bytes();
            let source = Ip4::new(20, round as u8, a, b);
            let datagram = ipv4(source, HOST).udp(1, 2).id(number).payload(2 * PIECE);
            outside.try_send(&fragments(&datagram)[1]);
        }
        let datagram = ipv4(BLUE, LAN).udp(40_000, 5353).id(round).payload(LARGE);
        send(&blue, &last_first(&datagram));
        assert_eq!(receive_bytes(&lan).0, data(&datagram), "round {round}");
        large_ping("blue", "192.168.1.1", 20_000);
    }
}

/// The names of a namespace's links to reassemblers.
fn links_to_reassemblers(namespace: Option<&str>) -> Vec<String> {
    let links = namespace.map_or_else(own, inside).interfaces();
    links.into_iter().filter(|name| name.starts_with("frag-")).collect()
}

#[test]
fn a_reassembler_is_visible_only_as_a_link_and_is_removed_with_its_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan");
    let before = Machine::now();
    let file = lab("own")
        .own_uplink("wan")
        .bridge("br-own", "10.9.0.1/24")
        .namespace("red", "br-own", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", "wan");
    file.up().success();
    assert_eq!(links_to_reassemblers(None).len(), 1);
    let namespaces = own().command("ip", &["netns", "list"]).success().stdout;
    assert_eq!(namespaces.lines().count(), 2, "{namespaces}");
    large_ping("red", "192.168.1.1", 20_000);
    netns(&["down", "own"]).success();
    before.is_unchanged();
}

#[test]
fn status_reports_a_broken_reassembler_and_up_repairs_it() {
    let _sandbox = Sandbox::new();
    let file = lecture();
    file.up().success();
    let [link] = &links_to_reassemblers(Some("host"))[..] else { panic!("one link") };
    inside("host").command("ip", &["link", "del", link]).success();
    netns(&["status"]).fails_with_code(1, &[]).shows(&["no reassembler", "damaged"]);
    file.up().success();
    netns(&["status"]).success();
    assert_eq!(links_to_reassemblers(Some("host")), std::slice::from_ref(link));
    let (lan, wire) = (udp("lan", 5353), wire_of("red"));
    let datagram = ipv4(RED, LAN).udp(40_000, 5353).payload(LARGE);
    send(&wire, &last_first(&datagram));
    assert_eq!(receive_bytes(&lan).0, data(&datagram));
}
