//! Protocols other than TCP, UDP and ICMP, and spoofed addresses.

use std::{
    io::{ErrorKind, Read as _},
    mem::MaybeUninit,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
};

use netns_common::model::crc32c;
use netns_tests::{
    DEADLINE, SILENCE, Sandbox, count, eventually, flows, forward_add, inside, lab_is_up, lecture,
    nat, netns,
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

const UDP_LITE: i32 = 136;
const SCTP: i32 = 132;
const GRE: i32 = 47;

const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const BLUE: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 2);

fn end(address: Ipv4Addr, port: u16) -> SockAddr {
    SocketAddr::V4(SocketAddrV4::new(address, port)).into()
}

/// A socket in a namespace, bound to an address and port.
fn socket(namespace: &str, kind: Type, protocol: i32, bound: &SockAddr) -> Socket {
    inside(namespace).run(|| {
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::from(protocol)));
        let socket = socket.expect("a socket");
        socket.bind(bound).expect("a free port");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    })
}

/// The next packet and its source.
fn receive(socket: &Socket) -> (Vec<u8>, SocketAddrV4) {
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let (_, from) = socket.peek_from(&mut buffer).expect("a packet");
    let mut packet = vec![0; 2048];
    let length = (&mut &*socket).read(&mut packet).expect("the packet");
    packet.truncate(length);
    (packet, from.as_socket_ipv4().expect("an IPv4 address"))
}

#[track_caller]
fn nothing_comes(socket: &Socket) {
    socket.set_read_timeout(Some(2 * SILENCE)).expect("a timeout");
    let error = (&mut &*socket).read(&mut [0; 2048]).expect_err("a packet");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

fn drops(reason: &str) -> u64 {
    let nat = nat();
    let mut drops = nat["drops"].as_array().expect("a list").iter();
    drops.find(|drop| drop["reason"] == reason).map_or(0, |drop| count(drop, "packets"))
}

/// Waits until the datapath has counted a drop.
#[track_caller]
fn is_dropped(reason: &str) {
    eventually(&format!("a drop for {reason}"), DEADLINE, || drops(reason) > 0);
    netns(&["nat"]).success().shows(&[reason]);
}

/// An SCTP packet with one chunk and a correct checksum.
fn sctp(source: u16, destination: u16, value: &[u8]) -> Vec<u8> {
    let mut packet = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    packet.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, 3]);
    packet.extend(u16::try_from(4 + value.len()).expect("a short value").to_be_bytes());
    packet.extend(value);
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    packet
}

/// The ports of an SCTP packet that a raw socket has received with its IPv4 header.
#[track_caller]
fn whole_sctp(ip: &[u8]) -> (u16, u16) {
    let mut packet = ip[usize::from(ip[0] & 15) * 4..].to_vec();
    let sum = [packet[8], packet[9], packet[10], packet[11]];
    packet[8..12].fill(0);
    assert_eq!(crc32c(&packet).to_le_bytes(), sum, "the checksum of {packet:02x?}");
    let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    (port(0), port(2))
}

#[test]
fn rfc3828_udp_lite_is_translated_in_both_directions() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let server = socket("lan", Type::DGRAM, UDP_LITE, &end(LAN, 5004));
    // Both namespaces use the same port: the second port is translated.
    for namespace in ["red", "blue"] {
        let bound = end(Ipv4Addr::UNSPECIFIED, 40_000);
        let client = socket(namespace, Type::DGRAM, UDP_LITE, &bound);
        client.send_to(namespace.as_bytes(), &end(LAN, 5004)).expect("sent");
        let (word, from) = receive(&server);
        assert_eq!(word, namespace.as_bytes());
        assert_eq!(*from.ip(), HOST);
        assert_eq!(from.port() == 40_000, namespace == "red", "{from}");
        server.send_to(b"back", &from.into()).expect("answered");
        assert_eq!(receive(&client), (b"back".to_vec(), SocketAddrV4::new(LAN, 5004)));
    }
    assert!(flows().iter().all(|flow| flow["protocol"] == "udplite"), "{:#?}", flows());
    // From outside.
    forward_add("udplite", 5005, "192.168.15.2:5006").success();
    let target = socket("blue", Type::DGRAM, UDP_LITE, &end(BLUE, 5006));
    server.send_to(b"call", &end(HOST, 5005)).expect("sent");
    let (word, from) = receive(&target);
    assert_eq!((word, from), (b"call".to_vec(), SocketAddrV4::new(LAN, 5004)));
    target.send_to(b"here", &from.into()).expect("answered");
    assert_eq!(receive(&server), (b"here".to_vec(), SocketAddrV4::new(HOST, 5005)));
}

#[test]
fn rfc9260_sctp_is_translated_in_both_directions_with_a_correct_checksum() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let server = socket("lan", Type::RAW, SCTP, &end(LAN, 0));
    for namespace in ["red", "blue"] {
        let any = end(Ipv4Addr::UNSPECIFIED, 0);
        let client = socket(namespace, Type::RAW, SCTP, &any);
        client.send_to(&sctp(40_000, 5060, b"call"), &end(LAN, 0)).expect("sent");
        let (packet, from) = receive(&server);
        assert_eq!(*from.ip(), HOST);
        let (source, destination) = whole_sctp(&packet);
        assert_eq!((source == 40_000, destination), (namespace == "red", 5060));
        server.send_to(&sctp(5060, source, b"back"), &end(HOST, 0)).expect("answered");
        let (packet, from) = receive(&client);
        assert_eq!((*from.ip(), whole_sctp(&packet)), (LAN, (5060, 40_000)));
    }
    forward_add("sctp", 5070, "192.168.15.2:5071").success();
    let target = socket("blue", Type::RAW, SCTP, &end(BLUE, 0));
    server.send_to(&sctp(7000, 5070, b"in"), &end(HOST, 0)).expect("sent");
    let (packet, from) = receive(&target);
    assert_eq!((*from.ip(), whole_sctp(&packet)), (LAN, (7000, 5071)));
}

#[test]
fn pitfall_einat_and_cilium_15890_other_protocols_are_translated_by_address_or_dropped() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let capture = inside("lan").capture("eth0");
    let any = || end(Ipv4Addr::UNSPECIFIED, 0);
    let server = socket("lan", Type::RAW, GRE, &end(LAN, 0));
    let red = socket("red", Type::RAW, GRE, &any());
    red.send_to(&[0, 0, 0x08, 0, 1, 2, 3], &end(LAN, 0)).expect("sent");
    let (packet, from) = receive(&server);
    assert_eq!((*from.ip(), &packet[20..]), (HOST, &[0, 0, 0x08, 0, 1, 2, 3][..]));
    server.send_to(&[0, 0, 0x08, 0, 9], &end(HOST, 0)).expect("answered");
    assert_eq!(*receive(&red).1.ip(), LAN);
    // A second namespace towards the same remote.
    let blue = socket("blue", Type::RAW, GRE, &any());
    blue.send_to(&[0, 0, 0x08, 0, 4], &end(LAN, 0)).expect("sent");
    is_dropped("protocol-taken");
    nothing_comes(&server);
    // A protocol whose address cannot be translated.
    let dccp = socket("red", Type::RAW, 33, &any());
    dccp.send_to(&[7; 16], &end(LAN, 0)).expect("sent");
    is_dropped("unsupported-protocol");
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains("192.168.15.")), "{packets:#?}");
    assert!(flows().iter().any(|flow| flow["protocol"] == "gre"), "{:#?}", flows());
}

#[test]
fn a_namespace_with_a_changed_mac_address_is_dropped_until_the_file_allows_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    inside("red").ping("192.168.15.2").success();
    // The neighbour entries for red stay unchanged.
    let link = ["link", "set", "veth-red", "address", "02:00:00:00:00:99"];
    inside("red").command("ip", &link).success();
    inside("red").cannot_ping("8.8.8.8");
    inside("red").cannot_ping("192.168.15.2");
    is_dropped("spoofed-mac");
    let lab = lecture().replace("name = \"red\"", "name = \"red\"\nsource_check = false");
    let file = lab.write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["source_check of veth-red-br", "off"]);
    lab.up().success();
    // Red may still wait for the answers to earlier ARP requests.
    eventually("red is heard", DEADLINE, || inside("red").is_answered("8.8.8.8"));
}

#[test]
fn a_namespace_cannot_claim_the_address_of_another_by_arp() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red")
        .command("ip", &["address", "add", "192.168.15.2/32", "dev", "veth-red"])
        .success();
    // Resolves the gateway, so that no ARP comes first.
    inside("red").ping("8.8.8.8").success();
    let as_blue = |to| {
        let ping = ["-n", "-c", "1", "-W", "1", "-I", "192.168.15.2", to];
        assert!(!inside("red").command("ping", &ping).status.success(), "{to} answered red");
    };
    as_blue("8.8.8.8");
    is_dropped("spoofed-source");
    // An ARP request with blue's address as sender.
    as_blue("192.168.15.77");
    is_dropped("spoofed-arp");
    // Red's own address and blue still work.
    inside("red").ping("8.8.8.8").success();
    inside("blue").ping("8.8.8.8").success();
}
