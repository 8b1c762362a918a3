//! Connections of the host itself beside those of namespaces, with real sockets.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
};

use netns_tests::{
    DEADLINE, Sandbox, UdpEcho, accept, ask, ask_echo, connect_from, count, eventually, exchange,
    forward_add, inside, lab_is_up, lecture, nat, netns, receive, receives_nothing,
};

#[test]
fn a_namespace_does_not_receive_answers_to_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let server = inside("lan").udp("192.168.1.1:7002");
    let red = inside("red").udp("192.168.15.1:45000");
    let host = inside("host").udp("192.168.1.10:45000");
    // Red is first and keeps its port. Then the host uses the same port.
    red.send_to(b"from red", "192.168.1.1:7002").expect("a datagram");
    assert_eq!(receive(&server).0, "from red");
    assert_eq!(ask(&host, &server, "from the host").to_string(), "192.168.1.10:45000");
    receives_nothing(&red);
    // Red gets another port.
    assert_ne!(ask(&red, &server, "again").port(), 45_000);
}

#[test]
fn a_connection_of_the_host_survives_a_new_forward_of_its_port() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let mut stream =
        inside("host").run(|| connect_from(40_080, "192.168.1.1:7000")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    forward_add("tcp", 40_080, "192.168.15.2:80").success();
    for _ in 0..3 {
        exchange(&mut stream, &mut served, b"ping");
    }
}

#[test]
fn the_host_gets_a_refusal_if_no_one_listens_behind_a_forward() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let host = inside("host").udp("0.0.0.0:0");
    host.connect("192.168.15.1:9999").expect("an address");
    host.send(b"anybody?").expect("a datagram");
    let error = host.recv(&mut [0; 8]).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn ipv4_mapped_ipv6_sockets_of_the_host_reach_a_forward() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let script = "
import socket
for name in ('::ffff:127.0.0.1', '::ffff:192.168.1.10'):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.settimeout(60)
    s.connect((name, 80))
    print(s.getpeername()[0])
    s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
    print(s.makefile().read())
";
    inside("host").command("python3", &["-c", script]).success().shows(&[
        "from blue",
        "::ffff:127.0.0.1",
        "::ffff:192.168.1.10",
    ]);
}

#[test]
fn a_connection_of_the_host_to_0_0_0_0_reaches_the_forward() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("host").curl("http://0.0.0.0/").success().shows(&["from blue"]);
}

#[test]
fn a_listener_on_a_loopback_address_keeps_its_port() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 53, "192.168.15.2:53").success();
    let _resolver = UdpEcho::start("host", "127.0.0.53:53");
    let client = inside("host").udp("127.0.0.1:0");
    ask_echo(&client, "127.0.0.53:53");
}

#[test]
fn a_priority_tag_does_not_bypass_the_source_check() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // A frame of red with the source 9.9.9.9 behind an IEEE 802.1Q tag of VLAN 0.
    let script = "
import socket, struct, subprocess
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('veth-red', 0))
subprocess.run(['ping', '-c1', '-W5', '192.168.15.5'], check=True, stdout=subprocess.DEVNULL)
line = [l for l in open('/proc/net/arp') if l.startswith('192.168.15.5 ')][0]
gateway = bytes.fromhex(line.split()[3].replace(':', ''))
udp = struct.pack('!HHHH', 2, 5555, 8, 0)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 1, 0, 64, 17, 0,
                 socket.inet_aton('9.9.9.9'), socket.inet_aton('192.168.1.1'))
total = sum(struct.unpack('!10H', ip))
total = (total & 0xffff) + (total >> 16)
ip = ip[:10] + struct.pack('!H', ~total & 0xffff) + ip[12:]
s.send(gateway + s.getsockname()[4] + struct.pack('!HHH', 0x8100, 0, 0x0800) + ip + udp)
";
    inside("red").command("python3", &["-c", script]).success();
    let spoofed = || {
        let nat = nat();
        let mut drops = nat["drops"].as_array().expect("drops").iter();
        let spoofed = drops.find(|drop| drop["reason"] == "spoofed-source");
        spoofed.map_or(0, |drop| count(drop, "packets"))
    };
    eventually("the frame is counted", DEADLINE, || spoofed() > 0);
    assert_eq!(spoofed(), 1, "{:#}", nat());
}

#[test]
fn forward_add_names_a_listener_whose_port_it_takes() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _listener = inside("host").run(|| TcpListener::bind("0.0.0.0:8443")).expect("a listener");
    let note = "in namespace \"host\" listens on tcp 0.0.0.0:8443, but \"forward tcp 8443 -> \
                192.168.15.2:443\" takes the packets that others send there";
    let added = forward_add("tcp", 8443, "192.168.15.2:443").success();
    assert!(added.stderr.contains(note), "{}", added.stderr);
    let other = forward_add("tcp", 8444, "192.168.15.2:443").success();
    assert!(!other.stderr.contains("listens"), "{}", other.stderr);
    let file =
        lecture().forward("tcp", 8443, "192.168.15.2:443").forward("tcp", 8444, "192.168.15.2:443");
    let path = file.write();
    let path = path.path().to_str().expect("a path");
    let doctor = netns(&["doctor", "--quick", path]);
    assert!(doctor.stdout.contains("listens on tcp 0.0.0.0:8443"), "{}", doctor.stdout);
    let changed = file.forward("tcp", 8445, "192.168.15.2:443").up().success();
    assert!(changed.stderr.contains(note), "{}", changed.stderr);
}

/// Connected sockets of the router to a forward that changes its target: one for each address of
/// the forward, and one to the target itself.
#[test]
fn a_changed_forward_ends_only_the_hosts_connections_through_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 514, "192.168.15.1:514").success();
    let _red = UdpEcho::start("red", "192.168.15.1:514");
    let blue = UdpEcho::start("blue", "192.168.15.2:515");
    let listener = inside("red").run(|| TcpListener::bind("192.168.15.1:80")).expect("a listener");
    forward_add("tcp", 8080, "192.168.15.1:80").success();
    let connected = |to: &str| {
        let socket = inside("host").udp("0.0.0.0:0");
        socket.connect(to).expect("an address");
        socket.send(b"one").expect("a datagram");
        assert_eq!(receive(&socket).0, "one");
        socket
    };
    let called = ["127.0.0.1:514", "192.168.1.10:514"].map(connected);
    let direct = connected("192.168.15.1:514");
    let mut stream =
        inside("host").run(|| connect_from(40_080, "127.0.0.1:8080")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    netns(&["forward", "del", "udp", "514"]).success();
    forward_add("udp", 514, "192.168.15.2:515").success();
    for (socket, to) in called.iter().zip(["127.0.0.1:514", "192.168.1.10:514"]) {
        let error = socket.send(b"two").expect_err("to the old target");
        assert!(error.raw_os_error().is_some(), "{error}");
        socket.take_error().expect("the reason").expect("a reason");
        // A new connection reaches the new target.
        socket.connect(to).expect("an address");
        socket.send(b"three").expect("a datagram");
        assert_eq!(receive(socket).0, "three");
        assert_eq!(blue.next_peer().ip().to_string(), "192.168.15.5");
    }
    direct.send(b"two").expect("a datagram");
    assert_eq!(receive(&direct).0, "two");
    // The TCP connection uses another forward and stays until that one is deleted.
    stream.write_all(b"ping").expect("to send");
    served.read_exact(&mut [0; 4]).expect("what was sent");
    netns(&["forward", "del", "tcp", "8080"]).success();
    let error = stream.read(&mut [0; 4]).expect_err("the end of the connection");
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn a_connection_of_the_host_stays_while_another_forward_has_the_same_target() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _red = UdpEcho::start("red", "192.168.15.1:514");
    forward_add("udp", 514, "192.168.15.1:514").success();
    netns(&["forward", "add", "udp", "514", "192.168.15.1:514", "--address", "192.168.1.10"])
        .success();
    let socket = inside("host").udp("0.0.0.0:0");
    socket.connect("192.168.1.10:514").expect("an address");
    for (word, deleted) in [("one", None), ("two", Some(&["forward", "del", "udp", "514"]))] {
        if let Some(deleted) = deleted {
            netns(deleted).success();
        }
        socket.send(word.as_bytes()).expect("a datagram");
        assert_eq!(receive(&socket).0, word);
    }
}

/// Forwards udp 40000 to 50000 of the host to blue.
fn forward_range() {
    netns(&["forward", "add", "udp", "40000-50000", "192.168.15.2:40000"]).success();
}

#[test]
fn sockets_of_the_host_get_answers_although_their_port_is_forwarded() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let server = inside("lan").udp("192.168.1.1:5353");
    let blue = [45_000, 45_001, 45_002].map(|port| inside("blue").udp(("192.168.15.2", port)));
    let early = inside("host").udp("0.0.0.0:45000");
    early.send_to(b"before the forward", "192.168.1.1:5353").expect("a datagram");
    let (_, client) = receive(&server);
    forward_range();
    server.send_to(b"an answer", client).expect("a datagram");
    assert_eq!(receive(&early).0, "an answer");
    for address in ["0.0.0.0:45001", "192.168.1.10:45002"] {
        let socket = inside("host").udp(address);
        for _ in 0..2 {
            let seen = ask(&socket, &server, "after the forward");
            assert_eq!(seen.ip().to_string(), "192.168.1.10");
        }
    }
    blue.iter().for_each(receives_nothing);
    // Another remote reaches the forward, although the host has a socket on that port.
    let stranger = inside("lan").udp("192.168.1.1:9999");
    stranger.send_to(b"a call", "192.168.1.10:45000").expect("a datagram");
    assert_eq!(receive(&blue[0]).0, "a call");
}

#[test]
fn a_service_of_the_host_answers_local_clients_whose_port_is_forwarded() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_range();
    let service = inside("host").udp("0.0.0.0:5353");
    let blue = inside("blue").udp("192.168.15.2:45000");
    for (called, is_connected) in [
        ("127.0.0.1", false),
        ("127.0.0.1", true),
        ("192.168.1.10", false),
        ("192.168.1.10", true),
        ("192.168.15.5", false),
    ] {
        let client = inside("host").udp("0.0.0.0:45000");
        if is_connected {
            client.connect((called, 5353)).expect("a connected socket");
            client.send(b"a question").expect("a datagram");
        } else {
            client.send_to(b"a question", (called, 5353)).expect("a datagram");
        }
        let (_, asking) = receive(&service);
        service.send_to(b"an answer", asking).expect("a datagram");
        assert_eq!(receive(&client).0, "an answer", "{called}, connected: {is_connected}");
    }
    receives_nothing(&blue);
    // A remote that the host has not contacted reaches the forward instead.
    let other = inside("host").udp("0.0.0.0:5454");
    other.send_to(b"a call", "127.0.0.1:45000").expect("a datagram");
    assert_eq!(receive(&blue).0, "a call");
}

#[test]
fn namespaces_find_free_ports_when_nearly_all_are_forwarded() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["forward", "add", "udp", "1025-65535", "192.168.15.2:1025"]).success();
    let server = inside("lan").udp("192.168.1.1:5353");
    for _ in 0..300 {
        let red = inside("red").udp("192.168.15.1:0");
        ask(&red, &server, "a question");
    }
}
