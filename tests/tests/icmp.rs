//! ICMP errors with real kernels at both ends: traceroute, path MTU discovery, and checksums as a
//! receiver sees them.

use std::{
    io::{ErrorKind, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Instant,
};

use netns_common::model::checksum;
use netns_tests::{
    DEADLINE, Sandbox, Stream, UdpEcho, accept, connect_from, forward_add, inside, lab_is_up, nat,
    own, receive_bytes, receive_stream, send_stream, set,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Blocks of 1 MiB.
const TWO_MEGABYTES: usize = 2;

/// The MTU of the smaller link.
const SMALL: &str = "1280";

/// Adds a network behind `lan`, which becomes a router: `far` has 10.9.0.2.
fn far_is_there() {
    let ip = |line: &str| {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    };
    ip("netns add far");
    ip("-n lan link add behind type veth peer name eth0 netns far");
    ip("-n lan address add 10.9.0.1/24 dev behind");
    ip("-n lan link set behind up");
    ip("-n far address add 10.9.0.2/24 dev eth0");
    ip("-n far link set lo up");
    ip("-n far link set eth0 up");
    ip("-n far route add default via 10.9.0.1");
    inside("lan").command("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]).success();
}

fn set_mtu(namespace: &str, link: &str, mtu: &str) {
    inside(namespace).command("ip", &["link", "set", link, "mtu", mtu]).success();
}

/// The address of each hop, from traceroute.
#[track_caller]
fn traced(from: &str, probe: &[&str], to: &str) -> Vec<String> {
    let arguments = ["-n", "-q", "1", "-w", "3", "-m", "6", to];
    let route = inside(from).command("traceroute", &[probe, &arguments].concat()).success();
    let lines = route.stdout.lines().skip(1);
    lines.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

/// The same from mtr, which ends at the first hop with the target's address.
#[track_caller]
fn traced_by_mtr(from: &str, probe: &[&str], to: &str) -> Vec<String> {
    let arguments = ["-n", "-r", "-c", "1", "-G", "3", "-m", "6", to];
    let route = inside(from).command("mtr", &[probe, &arguments].concat()).success();
    let hops = route.stdout.lines().filter_map(|line| line.split_once(".|-- "));
    hops.filter_map(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn traceroute_and_mtr_show_every_hop_from_a_namespace_outward() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    far_is_there();
    let hops = ["192.168.15.5", "192.168.1.1", "10.9.0.2"];
    for probe in [&[][..], &["-I"], &["-T", "-p", "9"]] {
        assert_eq!(traced("red", probe, "10.9.0.2"), hops, "traceroute {probe:?}");
    }
    for probe in [&[][..], &["--udp"], &["--tcp", "-P", "9"]] {
        assert_eq!(traced_by_mtr("red", probe, "10.9.0.2"), hops, "mtr {probe:?}");
    }
}

#[test]
fn traceroute_and_mtr_show_every_hop_from_outside_to_a_forwarded_port() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    far_is_there();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let _web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let _echo = UdpEcho::start("blue", "192.168.15.2:53");
    // The router and the target behind it have the same address.
    let hops = ["10.9.0.1", "192.168.1.10", "192.168.1.10"];
    for probe in [&["-T", "-p", "80"][..], &["-U", "-p", "5353"]] {
        assert_eq!(traced("far", probe, "192.168.1.10"), hops, "traceroute {probe:?}");
    }
    // An echo request reaches the router itself.
    assert_eq!(traced("far", &["-I"], "192.168.1.10"), hops[..2]);
    for probe in [&[][..], &["--tcp", "-P", "80"], &["--udp", "-P", "5353"]] {
        assert_eq!(traced_by_mtr("far", probe, "192.168.1.10"), hops[..2], "mtr {probe:?}");
    }
}

#[test]
fn traceroute_of_a_hairpin_shows_the_bridge() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let hops = traced("red", &["-T", "-p", "80"], "192.168.1.10");
    assert_eq!(hops, ["192.168.15.5", "192.168.1.10"]);
}

/// Sends 2 MB from one namespace to another and compares every byte.
fn transfer(sender: &str, receiver: &str, listen: &str, connect: &str, upload: bool) {
    let (server, client) = if upload { (receiver, sender) } else { (sender, receiver) };
    let listener = inside(server).run(|| TcpListener::bind(listen)).expect("a listener");
    let content = Stream::new();
    let send = |stream: &mut TcpStream| {
        send_stream(stream, &content, |blocks| blocks < TWO_MEGABYTES).expect("a stream")
    };
    let receive = |stream: &mut TcpStream| receive_stream(stream, &content).expect("equal bytes");
    let (here, there) = thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            if upload { receive(&mut stream) } else { send(&mut stream) }
        });
        let mut stream = inside(client).run(|| connect_from(0, connect)).expect("a connection");
        let here = if upload { send(&mut stream) } else { receive(&mut stream) };
        (here, server.join().expect("a transfer"))
    });
    assert_eq!((here, there), (2 << 20, 2 << 20));
}

/// The path MTU that the kernel has learned for an address.
#[track_caller]
fn learnt_mtu(namespace: &str, to: &str) -> String {
    let route = inside(namespace).command("ip", &["route", "get", to]).success().stdout;
    let words: Vec<_> = route.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "mtu");
    place.map_or_else(String::new, |place| words[place + 1].to_owned())
}

#[test]
fn rfc4787_req13_a_namespace_learns_the_path_mtu_outside() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    far_is_there();
    set_mtu("lan", "behind", SMALL);
    transfer("red", "far", "10.9.0.2:7000", "10.9.0.2:7000", true);
    assert_eq!(learnt_mtu("red", "10.9.0.2"), SMALL);
}

#[test]
fn rfc4787_req13_the_outside_learns_the_mtu_of_a_cable() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    far_is_there();
    // On the host's side only, so that blue still offers the MSS of its own side.
    set_mtu("host", "veth-blue-br", SMALL);
    transfer("far", "blue", "192.168.15.2:80", "192.168.1.10:80", true);
    assert_eq!(learnt_mtu("far", "192.168.1.10"), SMALL);
    // The same for connections from inside.
    set_mtu("host", "veth-red-br", SMALL);
    transfer("lan", "red", "192.168.1.1:7000", "192.168.1.1:7000", false);
    assert_eq!(learnt_mtu("lan", "192.168.1.10"), SMALL);
}

#[test]
fn rfc4787_req13_another_namespace_learns_the_mtu_of_a_cable() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    set_mtu("host", "veth-blue-br", SMALL);
    transfer("red", "blue", "192.168.15.2:80", "192.168.1.10:80", true);
    assert_eq!(learnt_mtu("red", "192.168.1.10"), SMALL);
}

#[test]
fn rfc4787_req13a_a_datagram_without_df_is_fragmented_and_arrives() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    set_mtu("host", "veth-blue-br", SMALL);
    let server = inside("blue").udp("192.168.15.2:53");
    inside("lan").command("sysctl", &["-q", "-w", "net.ipv4.ip_no_pmtu_disc=1"]).success();
    let client = inside("lan").udp("192.168.1.1:0");
    let sent: Vec<u8> = (0..1_450_u32).map(|at| (at * 7 + at / 256) as u8).collect();
    // The first datagram begins the flow, the second belongs to a known flow.
    for _ in 0..2 {
        client.send_to(&sent, "192.168.1.10:5353").expect("a datagram");
        let (received, from) = receive_bytes(&server);
        assert_eq!(from, client.local_addr().expect("an address"));
        assert!(received == sent, "{} bytes arrived", received.len());
    }
}

/// A raw socket that receives every ICMP message of a namespace.
fn raw_socket(namespace: &str) -> UdpSocket {
    let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4));
    let socket = inside(namespace).run(open).expect("a raw socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket.into()
}

/// Waits for an error about a packet to `port`, and verifies both checksums.
#[track_caller]
fn time_exceeded(raw: &UdpSocket, from: &str, about: &TcpOrUdp) {
    let deadline = Instant::now() + DEADLINE;
    let mut bytes = [0; 2_048];
    while Instant::now() < deadline {
        let length = raw.recv(&mut bytes).expect("an ICMP message");
        let packet = &bytes[..length];
        let (header, message) = packet.split_at(20);
        let quoted = &message[8..];
        let is_about_it = message[..2] == [11, 0]
            && quoted[9] == about.protocol
            && quoted[22..24] == about.port.to_be_bytes();
        if !is_about_it {
            continue;
        }
        let source = std::net::Ipv4Addr::new(header[12], header[13], header[14], header[15]);
        assert_eq!(source.to_string(), from);
        assert_eq!(checksum(message), 0, "of the message: {packet:02x?}");
        assert_eq!(checksum(&quoted[..20]), 0, "of the quoted header: {packet:02x?}");
        assert_eq!(quoted[8], 1, "the time to live as it came");
        assert_eq!(quoted[16..20], [192, 168, 1, 10], "the address that was called");
        assert!(length <= 576, "{length} bytes");
        return;
    }
    panic!("no error came");
}

struct TcpOrUdp {
    protocol: u8,
    port: u16,
}

#[test]
fn icmp_errors_of_the_router_have_correct_checksums_with_and_without_offloads() {
    const UDP: TcpOrUdp = TcpOrUdp { protocol: 17, port: 5353 };
    const TCP: TcpOrUdp = TcpOrUdp { protocol: 6, port: 80 };
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let _echo = UdpEcho::start("blue", "192.168.15.2:53");
    let web = inside("blue").run(|| TcpListener::bind("192.168.15.2:80")).expect("a listener");
    // With `via_stack` the stack sends the errors, and limits them to six and then one per second.
    inside("host").run(|| set("ipv4/icmp_ratelimit", "0"));
    // A checksum that the sender left to its link must not be completed inside the quote. Offloads
    // of the router would hide that.
    for (sender, sends) in [("on", "on"), ("on", "off"), ("off", "off")] {
        inside("host").command("ethtool", &["-K", "ens3", "tx", sends]).success();
        for (namespace, link, router) in
            [("lan", "eth0", "192.168.1.10"), ("red", "veth-red", "192.168.15.5")]
        {
            inside(namespace).command("ethtool", &["-K", link, "tx", sender]).success();
            let raw = raw_socket(namespace);

            let socket = inside(namespace).run(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
            socket.set_ttl(1).expect("a time to live");
            for length in [0, 1, 37, 1_400] {
                socket.send_to(&vec![0x5a; length], "192.168.1.10:5353").expect("a datagram");
                time_exceeded(&raw, router, &UDP);
            }

            let mut stream =
                inside(namespace).run(|| connect_from(0, "192.168.1.10:80")).expect("a connection");
            let _accepted = accept(&web).expect("a connection");
            stream.set_ttl(1).expect("a time to live");
            stream.set_nonblocking(true).expect("a mode");
            // A short segment, and a GSO packet of many segments.
            for length in [5, 100_000] {
                match stream.write(&vec![0xa5; length]) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                time_exceeded(&raw, router, &TCP);
            }
        }
    }
    let drops = nat()["drops"].clone();
    assert!(drops.to_string().contains("ttl-exceeded"), "{drops:#}");
}
