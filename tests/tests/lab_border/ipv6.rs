//! Labs do not use IPv6: no IPv6 packet passes a cable, even if the machine has IPv6 on.

use std::{io::ErrorKind, net::UdpSocket};

use netns_common::{abi::Mac, model::checksum};
use netns_tests::{
    DEADLINE, Inside, RouterKind, Wire, dropped, eventually, inside, ip, mac_of, nat, own, set,
    with_each_router,
};

type Ip6 = [u16; 8];

const IPV6: [u8; 2] = [0x86, 0xdd];
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const ALL_NODES: Ip6 = [0xff02, 0, 0, 0, 0, 0, 0, 1];
const RED_LINK: Ip6 = [0xfe80, 0, 0, 0, 0, 0, 0, 0xbad];
const RED: Ip6 = [0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 2];
const OUTSIDE: Ip6 = [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1];
const PORT: u16 = 5353;

fn octets(address: Ip6) -> Vec<u8> {
    address.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An IPv6 packet with its checksum `place` bytes behind the IPv6 header.
fn packet(source: Ip6, destination: Ip6, protocol: u8, body: &[u8], place: usize) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short packet").to_be_bytes();
    let addresses = [octets(source), octets(destination)].concat();
    let covered = [&addresses[..], &[0, 0], &length, &[0, 0, 0, protocol], body].concat();
    let sum = checksum(&covered).to_be_bytes();
    let hop_limit = 255;
    let header = [&[0x60, 0, 0, 0][..], &length, &[protocol, hop_limit], &addresses].concat();
    let mut packet = [&header, body].concat();
    packet[40 + place..42 + place].copy_from_slice(&sum);
    packet
}

fn datagram(source: Ip6, destination: Ip6) -> Vec<u8> {
    let udp = [&4000_u16.to_be_bytes()[..], &PORT.to_be_bytes(), &[0, 12, 0, 0], b"evil"].concat();
    packet(source, destination, UDP, &udp, 6)
}

/// A router advertisement with a prefix (RFC 4861 section 4.2).
fn router_advertisement(sender: Mac) -> Vec<u8> {
    let lifetime = 1800_u16.to_be_bytes();
    let mut body = [&[134, 0, 0, 0, 64, 8][..], &lifetime, &[0; 8], &[1, 1], &sender].concat();
    let (valid, preferred) = (86_400_u32.to_be_bytes(), 14_400_u32.to_be_bytes());
    let prefix = octets([0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0]);
    body.extend([&[3, 4, 64, 0xc0][..], &valid, &preferred, &[0; 4], &prefix].concat());
    packet(RED_LINK, ALL_NODES, ICMPV6, &body, 2)
}

/// Switches IPv6 on, as on most machines, also for later links.
fn switch_ipv6_on(place: &Inside) {
    place.run(|| {
        for scope in ["all", "default"] {
            set(&format!("ipv6/conf/{scope}/disable_ipv6"), "0");
            set(&format!("ipv6/conf/{scope}/accept_ra"), "2");
        }
    });
}

/// Sends a packet without and with a priority tag, and waits until both are counted as dropped.
#[track_caller]
fn send_and_wait_for_the_drops(wire: &Wire, packet: &[u8]) {
    let before = dropped("ipv6");
    wire.send_frame(&[&IPV6, packet].concat());
    wire.send_frame(&[&[0x81, 0, 0, 0], &IPV6[..], packet].concat());
    eventually("both are dropped", DEADLINE, || dropped("ipv6") >= before + 2);
    assert_eq!(dropped("ipv6"), before + 2, "{:#}", nat());
}

/// The IPv6 routes and addresses, without lifetimes.
fn ipv6_state(place: &Inside) -> Vec<String> {
    let mut state = Vec::new();
    for arguments in [["-6", "-o", "route", "show"], ["-6", "-o", "addr", "show"]] {
        let lines = place.command("ip", &arguments).success().stdout;
        let without_lifetime = |line: &str| {
            let line = line.split(" expires ").next().unwrap_or_default();
            line.split(" valid_lft ").next().unwrap_or_default().trim().to_owned()
        };
        state.extend(lines.lines().map(without_lifetime));
    }
    state
}

/// Waits until duplicate address detection ends (RFC 4862 section 5.4).
fn addresses_settle(place: &Inside) {
    eventually("addresses settle", DEADLINE, || {
        let addresses = place.command("ip", &["-6", "addr", "show"]).success().stdout;
        !addresses.contains("tentative")
    });
}

/// Runs a test with a lab on a machine with IPv6 on, and with a wire from red to the machine.
fn on_the_machine(test: impl Fn(&Wire)) {
    let sandbox = netns_tests::Sandbox::new();
    let lab = RouterKind::Machine.lab(&sandbox).masquerade("10.1.0.0/24", "wan");
    switch_ipv6_on(&own());
    lab.up().success();
    addresses_settle(&own());
    inside("red").ping("8.8.8.8").success();
    test(&Wire::open(&inside("red"), "veth-red", mac_of(&own(), "br0")));
}

#[test]
fn a_router_advertisement_from_a_namespace_does_not_configure_the_machine() {
    on_the_machine(|wire| {
        let before = ipv6_state(&own());
        let advertisement = router_advertisement(mac_of(&inside("red"), "veth-red"));
        send_and_wait_for_the_drops(wire, &advertisement);
        // To the multicast MAC address of all nodes, as stacks send it.
        let group = Wire::open(&inside("red"), "veth-red", [0x33, 0x33, 0, 0, 0, 1]);
        send_and_wait_for_the_drops(&group, &advertisement);
        addresses_settle(&own());
        assert_eq!(ipv6_state(&own()), before);
    });
}

#[test]
fn ipv6_is_off_on_the_labs_links_in_the_machines_namespace() {
    on_the_machine(|_| {
        for link in ["br0", "veth-red-br", "veth-blue-br"] {
            let setting = format!("net.ipv6.conf.{link}.disable_ipv6");
            let value = own().command("sysctl", &["-n", &setting]).success().stdout;
            assert_eq!(value.trim(), "1", "{setting}");
        }
        let addresses = own().command("ip", &["-6", "-o", "addr", "show"]).success().stdout;
        assert!(!addresses.contains("br0") && !addresses.contains("veth-"), "{addresses}");
        // The machine's own links keep IPv6.
        assert!(addresses.contains("wan"), "{addresses}");
    });
}

/// The link-local address for a MAC address (RFC 4291 appendix A).
fn link_local(mac: Mac) -> Ip6 {
    let [a, b, c, d, e, f] = mac.map(u16::from);
    [0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f]
}

#[test]
fn a_namespace_does_not_reach_an_ipv6_socket_of_the_machine() {
    on_the_machine(|wire| {
        let socket = UdpSocket::bind(("::", PORT)).expect("a socket");
        socket.set_nonblocking(true).expect("a mode");
        let links = ["br0", "veth-red-br", "wan"].map(|link| link_local(mac_of(&own(), link)));
        for destination in links.into_iter().chain([ALL_NODES]) {
            send_and_wait_for_the_drops(wire, &datagram(RED_LINK, destination));
        }
        let nothing = socket.recv_from(&mut [0; 16]).expect_err("nothing");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_foreign_port_can_neither_configure_nor_reach_the_machine_by_ipv6() {
    on_the_machine(|_| {
        RouterKind::Machine.plug_in_a_guest();
        let guest = inside("guest");
        addresses_settle(&guest);
        addresses_settle(&own());
        let before = ipv6_state(&own());
        let group = Wire::open(&guest, "eth0", [0x33, 0x33, 0, 0, 0, 1]);
        let advertisement = router_advertisement(mac_of(&guest, "eth0"));
        group.send_frame(&[&IPV6, &advertisement[..]].concat());
        let ping = ["-6", "-n", "-c2", "-i0.2", "-W1", "ff02::1%eth0"];
        let answers = guest.command("ping", &ping).stdout;
        for link in ["br0", "p-guest", "wan"] {
            let address = std::net::Ipv6Addr::from(link_local(mac_of(&own(), link)));
            assert!(!answers.contains(&format!("from {address}")), "{link}: {answers}");
        }
        guest.ping("10.1.0.1").success();
        assert_eq!(ipv6_state(&own()), before);
    });
}

#[test]
fn a_namespace_cannot_leave_by_ipv6_if_the_machine_forwards_it() {
    with_each_router(|router, sandbox| {
        let lab = router.lab(sandbox).masquerade("10.1.0.0/24", "wan");
        lab.up().success();
        let (place, outside) = (router.place(), inside("outside"));
        for place in [&place, &outside] {
            switch_ipv6_on(place);
        }
        place.run(|| set("ipv6/conf/all/forwarding", "1"));
        ip(&place, "-6 addr add 2001:db8:1::10/64 dev wan nodad");
        ip(&outside, "-6 addr add 2001:db8:1::1/64 dev eth0 nodad");
        place.command("ping", &["-n", "-c1", "-W60", "2001:db8:1::1"]).success();
        // `Capture` ignores IPv6 by default.
        let mut capture = outside.capture_with("eth0", &["ip6 or"]);
        let wire = Wire::open(&inside("red"), "veth-red", mac_of(&place, "br0"));
        send_and_wait_for_the_drops(&wire, &datagram(RED, OUTSIDE));
        place.command("ping", &["-n", "-c1", "-W60", "2001:db8:1::1"]).success();
        capture.wait_for("2001:db8:1::10 > 2001:db8:1::1");
        let packets = capture.stop();
        assert!(!packets.iter().any(|packet| packet.contains("2001:db8:bad")), "{packets:#?}");
    });
}
