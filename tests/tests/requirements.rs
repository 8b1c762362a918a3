//! Requirements of RFCs, and bugs of other systems, tested with real sockets.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    thread,
};

use netns_common::{
    abi::Ip4,
    model::{
        address::{FAR, HOST, LAN, RED},
        flags::{ACK, RST, SYN},
        ipv4,
    },
};
use netns_tests::{
    Sandbox, UdpEcho, Wire, accept, ask_echo, connect_from, forward_add, inside, lab_is_up, mac_of,
    netns, set,
};

const LOOPBACK: Ip4 = Ip4::new(127, 0, 0, 1);

fn udp(namespace: &str, port: u16) -> UdpSocket {
    inside(namespace).udp(("0.0.0.0", port))
}

/// Sends a datagram to an echo server, and returns the source that the server sees.
#[track_caller]
fn ask(socket: &UdpSocket, server: &UdpEcho, address: &str) -> SocketAddr {
    ask_echo(socket, address);
    server.next_peer()
}

/// A wire from the LAN to the router.
fn wire_of_the_lan() -> Wire {
    Wire::open(&inside("lan"), "eth0", mac_of(&inside("host"), "ens3"))
}

#[test]
fn rfc4787_req2_all_flows_of_a_namespace_have_one_outside_address() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let near = UdpEcho::start("lan", "192.168.1.1:5353");
    let far = UdpEcho::start("lan", "8.8.8.8:5353");
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let socket = udp("red", 0);
        seen.push(ask(&socket, &near, "192.168.1.1:5353").ip().to_string());
        seen.push(ask(&socket, &far, "8.8.8.8:5353").ip().to_string());
        let _stream =
            inside("red").run(|| connect_from(0, "192.168.1.1:7000")).expect("a connection");
        seen.push(accept(&listener).expect("a connection").1.ip().to_string());
    }
    assert_eq!(seen, ["192.168.1.10"; 9]);
}

#[test]
fn rfc4787_req11_a_port_conflict_does_not_change_other_flows() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let near = UdpEcho::start("lan", "192.168.1.1:5353");
    let far = UdpEcho::start("lan", "8.8.8.8:5353");
    let (red, blue) = (udp("red", 4000), udp("blue", 4000));
    let reds = ask(&red, &near, "192.168.1.1:5353");
    assert_eq!(reds.port(), 4000);
    let blues = ask(&blue, &near, "192.168.1.1:5353");
    assert_ne!(blues.port(), 4000);
    // Existing flows keep their ports, and new flows to other remotes keep theirs as well.
    assert_eq!(ask(&red, &near, "192.168.1.1:5353"), reds);
    assert_eq!(ask(&blue, &near, "192.168.1.1:5353"), blues);
    assert_eq!(ask(&red, &far, "8.8.8.8:5353").port(), 4000);
    assert_eq!(ask(&red, &near, "192.168.1.1:5353"), reds);
}

#[test]
fn pitfall_cilium_19908_the_first_packet_is_not_lost() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let outside = UdpEcho::start("lan", "192.168.1.1:5353");
    let blue = UdpEcho::start("blue", "192.168.15.2:53");
    let (red, lan) = (udp("red", 0), udp("lan", 0));
    let nobody_is_known = || {
        for namespace in ["red", "blue", "host", "lan"] {
            inside(namespace).command("ip", &["neigh", "flush", "all"]).success();
        }
    };
    // One datagram in each direction, without a retransmission.
    for _ in 0..5 {
        nobody_is_known();
        ask(&red, &outside, "192.168.1.1:5353");
        nobody_is_known();
        ask(&lan, &blue, "192.168.1.10:5353");
        nobody_is_known();
        ask(&red, &blue, "192.168.1.10:5353");
    }
}

#[test]
fn pitfall_cilium_10645_a_strict_reverse_path_filter_drops_nothing() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("host").run(|| {
        for link in ["all", "default", "ens3", "v-net-0", "veth-red-br", "veth-blue-br"] {
            set(&format!("ipv4/conf/{link}/rp_filter"), "1");
        }
    });
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("red").ping("8.8.8.8").success();
    inside("red").ping("192.168.15.5").success();
    for namespace in ["lan", "red", "blue", "host"] {
        inside(namespace).curl("http://192.168.1.10/").success().shows(&["from blue"]);
    }
}

#[test]
fn pitfall_cilium_47425_a_stray_packet_does_not_affect_the_next_connection() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let echo = UdpEcho::start("lan", "192.168.1.1:5353");
    // Late packets of earlier connections.
    let wire = wire_of_the_lan();
    for flags in [ACK, SYN | ACK, RST, SYN] {
        wire.send(&ipv4(LAN, HOST).tcp(7000, 40_000, flags).bytes());
    }
    wire.send(&ipv4(LAN, HOST).udp(5353, 4000).payload(4).bytes());
    let unreachable = ipv4(HOST, LAN).tcp(40_000, 7000, ACK).frame([0; 6], [0; 6], 1);
    wire.send(&ipv4(FAR, HOST).error(3, 1, &unreachable, 20).bytes());

    let peer = thread::scope(|scope| {
        let server = scope.spawn(|| {
            let (mut stream, peer) = accept(&listener).expect("a connection");
            let mut word = [0; 4];
            stream.read_exact(&mut word).expect("a question");
            stream.write_all(&word).expect("an answer");
            peer
        });
        let mut stream =
            inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
        stream.write_all(b"word").expect("a question");
        stream.read_exact(&mut [0; 4]).expect("an answer");
        server.join().expect("a connection")
    });
    assert_eq!(peer.to_string(), "192.168.1.10:40000");
    assert_eq!(ask(&udp("red", 4000), &echo, "192.168.1.1:5353").to_string(), "192.168.1.10:4000");
}

#[test]
fn pitfall_moby_41872_a_forward_of_loopback_is_reachable_only_from_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let server = UdpEcho::start("blue", "192.168.15.2:53");
    let add = ["forward", "add", "udp", "8053", "192.168.15.2:53", "--address", "127.0.0.1"];
    netns(&add).success();
    let host = udp("host", 0);
    // A neighbour that sends to the loopback address must not get in, and neither one that uses the
    // host's own address.
    wire_of_the_lan().send(&ipv4(LAN, LOOPBACK).udp(4000, 8053).bytes());
    let to_host = mac_of(&inside("host"), "v-net-0");
    let red = Wire::open(&inside("red"), "veth-red", to_host);
    red.send(&ipv4(RED, LOOPBACK).udp(4000, 8053).bytes());
    udp("lan", 0).send_to(b"unasked", "192.168.1.10:8053").expect("a datagram");
    udp("red", 0).send_to(b"unasked", "192.168.1.10:8053").expect("a datagram");
    // The server reports its clients in the order of their datagrams.
    let first = ask(&host, &server, "127.0.0.1:8053");
    let own = host.local_addr().expect("an address").port();
    assert_eq!(first.to_string(), format!("192.168.15.5:{own}"));
}
