//! Masquerade: packets leave with the host's address, and their answers come back.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use netns_tests::{
    Sandbox, Stream, UdpEcho, accept, ask_echo, connect_from, count, inside, lab, lab_is_up,
    masquerade, nat, netns, outside, own, receive, receive_stream, receives_nothing, send_stream,
    stream_whole,
};

/// The number of blocks of 1 MiB that make more than 1 GB.
const GIGABYTE: usize = 1_000;

/// The beginning of an inside address in a recording.
const INSIDE: &str = "192.168.15.";

#[track_caller]
fn shows_only_the_hosts_address(packets: &[String]) {
    let leaks: Vec<_> = packets.iter().filter(|line| line.contains(INSIDE)).collect();
    assert!(leaks.is_empty(), "inside addresses on the LAN: {leaks:#?}");
    assert!(
        packets.iter().any(|line| line.contains("192.168.1.10")),
        "nothing of the host's on the LAN: {packets:#?}"
    );
}

/// Echoes one message of each connection in turn, and returns the clients' addresses.
fn echo_connections(listener: &TcpListener, connections: usize) -> Vec<String> {
    let mut open = Vec::new();
    for _ in 0..connections {
        let (mut stream, peer) = accept(listener).expect("a connection");
        let mut word = [0; 4];
        stream.read_exact(&mut word).expect("four bytes");
        stream.write_all(&word).expect("an answer");
        // Kept, so that all connections are open at the same time.
        open.push((stream, peer.to_string()));
    }
    open.into_iter().map(|(_, peer)| peer).collect()
}

fn talk(stream: &mut TcpStream, word: &[u8; 4]) {
    stream.write_all(word).expect("four bytes");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, word);
}

#[test]
fn the_outside_is_reached_only_with_a_masquerade() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    masquerade("del", "192.168.15.0/24", "ens3").success();
    let capture = inside("lan").capture("eth0");
    inside("red").cannot_ping("192.168.1.1");
    inside("red").cannot_ping("8.8.8.8");
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains(INSIDE)), "{packets:#?}");
    let drops = nat()["drops"].clone();
    let dropped: u64 =
        drops.as_array().expect("a list").iter().map(|drop| count(drop, "packets")).sum();
    assert!(dropped >= 4, "four pings were dropped and not counted: {drops:#}");

    masquerade("add", "192.168.15.0/24", "ens3").success();
    inside("red").ping("192.168.1.1").success();
    inside("red").ping("8.8.8.8").success();
    inside("blue").ping("8.8.8.8").success();
}

#[test]
fn masquerade_del_prints_the_deleted_rule() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["masquerade", "del", "192.168.15.0/24"])
        .success()
        .shows(&["deleted: masquerade 192.168.15.0/24 out of ens3"]);
}

#[test]
fn the_lan_sees_only_the_address_of_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut web = inside("lan").web_server("192.168.1.1", 80, "from the LAN");
    let echo = UdpEcho::start("lan", "192.168.1.1:5353");
    let mut capture = inside("lan").capture("eth0");

    inside("red").ping("192.168.1.1").success();
    inside("red").curl("http://192.168.1.1/").success().shows(&["from the LAN"]);
    assert_eq!(web.next_client(), "192.168.1.10");
    ask_echo(&inside("blue").udp("0.0.0.0:4000"), "192.168.1.1:5353");
    // The port is kept unless it is in use.
    assert_eq!(echo.next_peer().to_string(), "192.168.1.10:4000");

    capture.wait_for("192.168.1.10.4000");
    shows_only_the_hosts_address(&capture.stop());
}

#[test]
fn the_router_has_no_netfilter_rules() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    inside("host").has_no_netfilter_rules();
    own().has_no_netfilter_rules();
}

#[test]
fn a_gigabyte_arrives_unchanged() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let address = "192.168.1.1:7000";
    let caller = stream_whole((&inside("red"), address), (&inside("lan"), address), GIGABYTE);
    assert_eq!(caller.ip().to_string(), "192.168.1.10");
    let rule = nat()["masquerades"][0].clone();
    assert!(count(&rule, "bytes") > 1_000_000_000, "the rule's counter: {rule:#}");
}

#[test]
fn a_gigabyte_download_arrives_unchanged() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let content = Stream::new();
    let (sent, received) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            send_stream(&mut stream, &content, |blocks| blocks < GIGABYTE).expect("a stream")
        });
        let mut stream =
            inside("red").run(|| connect_from(0, "192.168.1.1:7000")).expect("a connection");
        let received = receive_stream(&mut stream, &content).expect("equal bytes");
        (sender.join().expect("a stream"), received)
    });
    assert_eq!(sent, received);
}

#[test]
fn parallel_streams_of_iperf_pass_both_ways() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for direction in [&[][..], &["--reverse"]] {
        let mut server = inside("lan").start("iperf3", &["-s", "-1", "--forceflush"]);
        server.wait_for("Server listening");
        let client = ["-c", "192.168.1.1", "--json", "-P", "4", "-n", "50M"];
        let report = inside("red").command("iperf3", &[&client, direction].concat()).json();
        let streams = report["end"]["streams"].as_array().expect("streams");
        assert_eq!(streams.len(), 4, "{report:#}");
        for stream in streams {
            assert!(count(&stream["receiver"], "bytes") > 1_000_000, "{report:#}");
        }
    }
}

#[test]
fn two_namespaces_use_the_same_tcp_port_to_the_same_remote() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let mut peers = thread::scope(|scope| {
        let server = scope.spawn(|| echo_connections(&listener, 2));
        let connect = |namespace: &str| {
            inside(namespace)
                .run(|| connect_from(40_000, "192.168.1.1:7000"))
                .unwrap_or_else(|error| panic!("from {namespace}: {error}"))
        };
        let mut red = connect("red");
        talk(&mut red, b"red ");
        let mut blue = connect("blue");
        talk(&mut blue, b"blue");
        server.join().expect("two connections")
    });
    assert_eq!(peers[0], "192.168.1.10:40000", "the first keeps its port");
    peers.dedup();
    assert_eq!(peers.len(), 2, "the second gets another: {peers:?}");
    assert!(peers[1].starts_with("192.168.1.10:"), "{peers:?}");
}

#[test]
fn two_namespaces_use_the_same_udp_port_and_echo_identifier() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let echo = UdpEcho::start("lan", "192.168.1.1:5353");
    let sockets = ["red", "blue"].map(|namespace| {
        let socket = inside(namespace).udp("0.0.0.0:4000");
        socket.send_to(namespace.as_bytes(), "192.168.1.1:5353").expect("a datagram");
        (namespace, socket)
    });
    for (namespace, socket) in &sockets {
        assert_eq!(&receive(socket).0, namespace, "each gets its own answer");
    }
    let peers = [echo.next_peer(), echo.next_peer()];
    assert_ne!(peers[0], peers[1]);

    // Both pings have the same echo identifier.
    let pings = ["red", "blue"].map(|namespace| {
        inside(namespace).start("ping", &["-n", "-c", "3", "-i", "0.2", "-e", "77", "192.168.1.1"])
    });
    for ping in pings {
        let (status, stdout, _) = ping.finish();
        assert!(status.success() && stdout.contains(" 3 received"), "{stdout}");
    }
}

#[test]
fn a_refusal_of_a_closed_port_outside_reaches_the_namespace() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let socket = inside("red").udp("0.0.0.0:0");
    socket.connect("192.168.1.1:9").expect("an address");
    socket.send(b"anybody?").expect("a datagram");
    // A port unreachable error arrives and quotes the datagram as red has sent it.
    let error = socket.recv(&mut [0; 16]).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let error = inside("red").run(|| connect_from(0, "192.168.1.1:9")).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn traceroute_shows_the_router_and_the_destination() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for probe in [&[][..], &["-I"], &["-T", "-p", "9"]] {
        let arguments = ["-n", "-q", "1", "-w", "3", "-m", "4", "192.168.1.1"];
        let route = inside("red").command("traceroute", &[probe, &arguments].concat()).success();
        let hops: Vec<_> = route
            .stdout
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert_eq!(hops, ["192.168.15.5", "192.168.1.1"], "{route}");
    }
}

#[test]
fn the_router_answers_a_packet_that_exceeds_the_path_mtu() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for (namespace, link) in [("host", "ens3"), ("lan", "eth0")] {
        inside(namespace).command("ip", &["link", "set", link, "mtu", "1300"]).success();
    }
    let ping = ["-n", "-c", "1", "-W", "3", "-M", "do", "-s", "1400", "192.168.1.1"];
    let refused = inside("red").command("ping", &ping);
    assert!(
        refused.stdout.contains("Frag needed") && refused.stdout.contains("mtu = 1300"),
        "{refused}"
    );
    // TCP learns the path MTU, and the page arrives.
    let _web = inside("lan").web_server("192.168.1.1", 80, &"x".repeat(100_000));
    let page = inside("red").curl("http://192.168.1.1/").success();
    assert!(page.stdout.trim_end().len() == 100_000, "{} bytes", page.stdout.len());
}

#[test]
fn pitfall_spoof_a_namespace_cannot_send_with_the_address_of_another() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let red = inside("red");
    red.command("ip", &["address", "add", "192.168.15.77/24", "dev", "veth-red"]).success();
    let capture = inside("lan").capture("eth0");
    let ping = ["-n", "-c", "2", "-i", "0.2", "-W", "1", "-I", "192.168.15.77", "192.168.1.1"];
    let refused = red.command("ping", &ping);
    assert!(!refused.status.success(), "{refused}");
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains("ICMP")), "{packets:#?}");
    red.ping("192.168.1.1").success();
}

#[test]
fn pitfall_martian_packets_from_outside_to_inside_addresses_are_dropped() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let route = ["route", "add", "192.168.15.0/24", "via", "192.168.1.10"];
    inside("lan").command("ip", &route).success();
    // A neighbour outside that knows the inside addresses must not reach them.
    inside("lan").cannot_ping("192.168.15.1");
    let socket = inside("red").udp("192.168.15.1:4000");
    let stranger = inside("lan").udp("192.168.1.1:0");
    for target in ["192.168.15.1:4000", "192.168.1.10:4000"] {
        stranger.send_to(b"unasked", target).expect("a datagram");
    }
    receives_nothing(&socket);
}

#[test]
fn a_lab_with_other_names_and_addresses_works() {
    let _sandbox = Sandbox::new();
    lab("office")
        .router("gate")
        .uplink("wan0", "10.0.0.2/30", &outside("isp", "10.0.0.1/30", &["1.1.1.1", "9.9.9.9"]))
        .bridge("floor1", "172.16.1.254/24")
        .bridge("floor2", "172.16.2.254/24")
        .namespace("ann", "floor1", "172.16.1.1/24")
        .namespace("bob", "floor2", "172.16.2.1/24")
        .masquerade("172.16.1.0/24", "wan0")
        .masquerade("172.16.2.0/24", "wan0")
        .up()
        .success();
    let mut capture = inside("isp").capture("eth0");
    inside("ann").ping("1.1.1.1").success();
    inside("bob").ping("9.9.9.9").success();
    // Between its bridges the router routes without translation.
    inside("ann").ping("172.16.2.1").success();
    capture.wait_for("10.0.0.2 > 9.9.9.9");
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains("172.16.")), "{packets:#?}");
}
