//! Frames that no stack sends by itself: priority tags, stray fragments, misplaced checksums.

use std::net::IpAddr;

use netns_common::{
    abi::Ip4,
    model::{VecPacket, ipv4, split},
};
use netns_tests::{
    Inside, RouterKind, UdpEcho, Wire, bind_to_interface, dropped, inside, mac_of, nat,
    receive_bytes, with_each_router,
};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::{outside_knows_the_way_in, with_routed};

const RED: Ip4 = Ip4::new(10, 1, 0, 2);
const GUEST: Ip4 = Ip4::new(10, 1, 0, 50);
const FAR: Ip4 = Ip4::new(8, 8, 8, 8);
const NEXT: Ip4 = Ip4::new(192, 168, 1, 1);
const ROUTER: Ip4 = Ip4::new(192, 168, 1, 10);

const IPV4: [u8; 2] = [0x08, 0x00];
/// VLAN 0 with priority 0 and 5 (IEEE 802.1Q), and the same tag of a provider (802.1ad).
const TAG: [u8; 4] = [0x81, 0x00, 0x00, 0x00];
const URGENT: [u8; 4] = [0x81, 0x00, 0xa0, 0x00];
const PROVIDERS: [u8; 4] = [0x88, 0xa8, 0x00, 0x00];

/// A wire from outside to the router.
fn wire_outside(router: RouterKind) -> Wire {
    Wire::open(&inside("outside"), "eth0", mac_of(&router.place(), "wan"))
}

/// A wire from a namespace on the bridge to the router.
fn wire_inside(router: RouterKind, namespace: &str, interface: &str) -> Wire {
    Wire::open(&inside(namespace), interface, mac_of(&router.place(), "br0"))
}

#[test]
fn a_priority_tag_does_not_hide_a_packet_from_outside() {
    let stacks: [&[[u8; 4]]; 7] = [
        &[],
        &[TAG],
        &[TAG, TAG],
        &[URGENT, URGENT],
        &[PROVIDERS, TAG],
        &[TAG, PROVIDERS],
        &[TAG, TAG, TAG],
    ];
    with_each_router(|router, sandbox| {
        let lab = router.lab(sandbox).masquerade("10.1.0.0/24", "wan");
        lab.forward("udp", 5353, "10.1.0.2:53").up().success();
        inside("red").ping("8.8.8.8").success();
        let red = inside("red").udp("10.1.0.2:53");
        let capture = inside("red").capture("veth-red");
        let mut wire = wire_outside(router);
        for (number, tags) in (0..).zip(stacks) {
            let packet = ipv4(NEXT, RED).udp(4321, 700 + number).bytes();
            for _ in 0..3 {
                wire.send_frame(&[&tags.concat()[..], &IPV4, &packet].concat());
            }
        }
        wire.settle(NEXT.octets(), ROUTER.octets());
        // A packet to the forward gets in.
        wire.send(&ipv4(NEXT, ROUTER).udp(4321, 5353).payload(4).bytes());
        red.recv(&mut [0; 4]).expect("a datagram");
        let packets = capture.stop();
        assert!(!packets.iter().any(|packet| packet.contains("10.1.0.2.70")), "{packets:#?}");
    });
}

#[test]
fn a_packet_with_a_priority_tag_leaves_without_the_tag() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.plug_in_a_guest();
        let echo = UdpEcho::start("outside", "8.8.8.8:5353");
        let capture = inside("outside").capture_with("eth0", &["-e"]);
        for (name, interface, source, port) in
            [("red", "veth-red", RED, 4000), ("guest", "eth0", GUEST, 4001)]
        {
            inside(name).ping("8.8.8.8").success();
            let wire = wire_inside(router, name, interface);
            let packet = ipv4(source, FAR).udp(port, 5353).payload(8).bytes();
            // The first packet of a connection, and one of a known connection.
            for _ in 0..2 {
                wire.send_frame(&[&URGENT[..], &IPV4, &packet[..]].concat());
                assert_eq!(echo.next_peer().to_string(), format!("192.168.1.10:{port}"));
            }
            wire.send_frame(&[&URGENT[..], &URGENT, &IPV4, &packet[..]].concat());
            inside(name).ping("8.8.8.8").success();
        }
        let packets = capture.stop();
        assert!(!packets.iter().any(|packet| packet.contains("802.1")), "{packets:#?}");
        assert!(!packets.iter().any(|packet| packet.contains("10.1.0.")), "{packets:#?}");
    });
}

#[test]
fn a_fragment_from_outside_is_not_joined_with_fragments_of_a_namespace() {
    const WHOLE: usize = 8 + 400;
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        inside("red").ping("8.8.8.8").success();
        let server = inside("outside").udp("8.8.8.8:53");
        let mut red = wire_inside(router, "red", "veth-red");
        let mut outside = wire_outside(router);
        for id in [777, 778] {
            // Without a UDP checksum the server would accept the attacker's bytes.
            let datagram = ipv4(RED, FAR).udp_without_checksum(5001, 53).id(id);
            let datagram = datagram.payload(WHOLE - 8);
            let pieces = split(&datagram.frame([2; 6], [2; 6], 0), 208);
            let [first, last] = pieces.try_into().expect("two fragments");
            let mut evil = VecPacket::clone(&last);
            evil.bytes_mut()[14 + 20..].fill(0xee);

            red.send(first.network());
            red.settle(RED.octets(), [10, 1, 0, 1]);
            outside.send(evil.network());
            outside.settle(NEXT.octets(), ROUTER.octets());
            red.send(last.network());
            let (received, from) = receive_bytes(&server);
            assert_eq!(received, datagram.bytes()[28..]);
            assert_eq!(from.to_string(), "192.168.1.10:5001");
        }
        assert_eq!(dropped("inside-source"), 2, "{:#}", nat());
    });
}

/// Sends a frame with checksum offload: the kernel computes the checksum from byte `start` on and
/// writes it `offset` bytes behind `start`.
#[track_caller]
fn send_with_pending_checksum(
    (place, interface): (&Inside, &str),
    frame: &[u8],
    start: u16,
    offset: u16,
) {
    // struct virtio_net_hdr: flags, segmentation type and its two lengths, then start and offset.
    let mut header = vec![1, 0, 0, 0, 0, 0];
    header.extend(start.to_ne_bytes());
    header.extend(offset.to_ne_bytes());
    place.run(|| {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>).expect("a socket");
        let on: libc::c_int = 1;
        // SAFETY: the value is an int, as the option asks for, and lives during the call.
        let set = unsafe {
            libc::setsockopt(
                std::os::fd::AsRawFd::as_raw_fd(&socket),
                libc::SOL_PACKET,
                libc::PACKET_VNET_HDR,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        bind_to_interface(&socket, interface, 0).expect("an interface");
        let sent = socket.send(&[&header[..], frame].concat());
        sent.unwrap_or_else(|error| panic!("{start} {offset}: {error}"));
    });
}

/// Sends datagrams with checksum offload from red and a foreign port, with correct and with wrong
/// offsets. Only those with the correct offset arrive, with these sources.
#[track_caller]
fn only_checksums_in_their_place_leave(router: RouterKind, red: Ip4, guest: Ip4) {
    const ETHERNET: u16 = 14;
    const UDP: u16 = ETHERNET + 20;
    // The kernel counts the start from behind the Ethernet header.
    const BEGIN: u16 = 20;
    const SOURCE: u16 = ETHERNET + 12 - BEGIN;
    router.plug_in_a_guest();
    outside_knows_the_way_in();
    let place = router.place();
    // Without this offload the kernel writes checksums before the packet leaves.
    place.command("ethtool", &["-K", "wan", "tx", "off"]).success();
    let echo = UdpEcho::start("outside", "8.8.8.8:5353");
    let capture = inside("outside").capture("eth0");
    let bridge = mac_of(&place, "br0");
    let mut misplaced = 0;
    for (name, interface, source, outside) in
        [("red", "veth-red", RED, red), ("guest", "eth0", GUEST, guest)]
    {
        let namespace = inside(name);
        namespace.ping("8.8.8.8").success();
        let own = mac_of(&namespace, interface);
        let send = |port, start, offset| {
            let packet = ipv4(source, FAR).udp(port, 5353).payload(64).bytes();
            let mut frame = [&bridge[..], &own, &IPV4, &packet].concat();
            if start == UDP {
                // With offload the field holds the sum of the pseudo-header.
                let sum = pseudo_header(source, FAR, 72);
                frame[40..42].copy_from_slice(&sum.to_be_bytes());
            }
            send_with_pending_checksum((&namespace, interface), &frame, start, offset);
        };
        send(4000, UDP, 6);
        assert_eq!(echo.next_peer().ip(), IpAddr::from(outside.octets()), "{name}");
        // For a known connection and for a new one.
        for port in [4000, 4001] {
            for (start, offset) in [(BEGIN, SOURCE), (BEGIN, SOURCE + 2), (UDP, 0)] {
                send(port, start, offset);
                misplaced += 1;
            }
        }
        namespace.ping("8.8.8.8").success();
    }
    let packets = capture.stop();
    let is_datagram = |packet: &&String| packet.contains("8.8.8.8.5353: ");
    let datagrams: Vec<_> = packets.iter().filter(is_datagram).collect();
    assert_eq!(datagrams.len(), 2, "{packets:#?}");
    for (datagram, source) in datagrams.iter().zip([red, guest]) {
        let source = IpAddr::from(source.octets());
        assert!(datagram.contains(&format!("IP {source}.")), "{packets:#?}");
    }
    assert_eq!(dropped("checksum-offset"), misplaced, "{:#}", nat());
}

#[test]
fn a_misplaced_checksum_offload_does_not_change_a_translated_source() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        only_checksums_in_their_place_leave(router, ROUTER, ROUTER);
    });
}

#[test]
fn a_misplaced_checksum_offload_does_not_change_a_routed_source() {
    with_each_router(|router, sandbox| {
        with_routed(router.lab(sandbox), &["10.1.0.0/24"]).up().success();
        only_checksums_in_their_place_leave(router, RED, GUEST);
    });
}

/// The sum of the UDP pseudo-header, not complemented.
fn pseudo_header(source: Ip4, destination: Ip4, length: u16) -> u16 {
    let mut bytes = [source.octets(), destination.octets()].concat();
    bytes.extend([0, 17]);
    bytes.extend(length.to_be_bytes());
    !netns_common::model::checksum(&bytes)
}
