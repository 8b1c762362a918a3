//! Tests of the test library itself: a fault that it does not notice, no test could find.

use std::{io::ErrorKind, net::UdpSocket, sync::mpsc::channel, thread};

use netns_tests::{Machine, Sandbox, UdpEcho, inside, ip, own, set, stream_whole};

/// Two namespaces with one cable between them, made by `ip`.
fn cable() {
    for line in [
        "netns add left",
        "netns add right",
        "link add one netns left type veth peer name two netns right",
        "-n left address add 10.9.0.1/24 dev one",
        "-n right address add 10.9.0.2/24 dev two",
        "-n left link set one up",
        "-n right link set two up",
    ] {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    }
}

#[test]
fn a_new_sandbox_has_only_a_loopback() {
    let _sandbox = Sandbox::new();
    assert!(own().interfaces().is_empty());
    assert_eq!(own().command("ip", &["netns"]).success().stdout, "");
    own().ping("127.0.0.1").success();
    own().has_no_netfilter_rules();
}

#[test]
fn a_sandbox_does_not_notice_namespaces_that_come_and_go_on_the_machine() {
    // This sandbox plays the real machine, where a person may change namespaces at any time.
    let _machine = Sandbox::new();
    ip(&own(), "netns add early");
    let (ready, is_ready) = channel();
    let (change, is_changed) = channel();
    thread::scope(|scope| {
        let test = scope.spawn(move || {
            let _sandbox = Sandbox::new();
            let before = Machine::now();
            assert!(before.namespaces.is_empty(), "{:?}", before.namespaces);
            let seen: Vec<_> =
                before.mounts.iter().filter(|mount| mount.starts_with("/run/netns/")).collect();
            assert!(seen.is_empty(), "{seen:?}");
            ready.send(()).expect("the machine");
            is_changed.recv().expect("the machine");
            before.is_unchanged();
        });
        is_ready.recv().expect("a sandbox");
        ip(&own(), "netns add late");
        ip(&own(), "netns del early");
        change.send(()).expect("a test");
        test.join().expect("a sandbox that is as it was");
    });
    assert_eq!(own().command("ip", &["netns"]).success().stdout.trim_end(), "late");
}

#[test]
fn tunnels_that_the_kernel_puts_into_every_namespace_are_not_listed() {
    let _sandbox = Sandbox::new();
    // A link with such a name is enough: not every kernel has tunnels.
    ip(&own(), "link add sit0 type veth peer name own0");
    assert_eq!(own().interfaces(), ["own0"]);
}

#[test]
fn machine_notices_everything_that_a_test_leaves_behind() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    own().command("ip", &["netns", "add", "stray"]).success();
    let after = Machine::now();
    assert_ne!(before.namespaces, after.namespaces);
    assert_ne!(before.mounts, after.mounts);
    own().command("ip", &["netns", "del", "stray"]).success();
    before.is_unchanged();

    let sysctl = "/proc/sys/net/ipv4/ip_forward";
    std::fs::write(sysctl, "1").expect("a setting of the sandbox's namespace");
    assert_ne!(before.sysctls, Machine::now().sysctls);
    std::fs::write(sysctl, "0").expect("a setting of the sandbox's namespace");

    let sleeper = own().start("sleep", &["1000"]);
    assert_ne!(before.processes, Machine::now().processes);
    drop(sleeper);
    before.is_unchanged();
}

#[test]
fn the_check_for_netfilter_rules_notices_a_table() {
    let _sandbox = Sandbox::new();
    own().command("nft", &["add", "table", "ip", "stray"]).success();
    let found = std::panic::catch_unwind(|| own().has_no_netfilter_rules());
    assert!(found.is_err(), "a table of nftables went unnoticed");
}

#[test]
fn cannot_ping_fails_if_the_ping_is_answered_or_never_sent() {
    let _sandbox = Sandbox::new();
    cable();
    // No host has the address.
    inside("left").cannot_ping("10.9.0.3");
    // A router rejects the packet.
    ip(&inside("right"), "route add prohibit 10.9.1.0/24");
    inside("right").run(|| set("ipv4/ip_forward", "1"));
    ip(&inside("left"), "route add 10.9.1.0/24 via 10.9.0.2");
    inside("left").cannot_ping("10.9.1.1");
    // A host that answers, an address without a route, and an invalid address.
    for address in ["10.9.0.2", "8.8.8.8", "10.9.0.2.1"] {
        let found = std::panic::catch_unwind(|| inside("left").cannot_ping(address));
        assert!(found.is_err(), "{address} passes for one that does not answer");
    }
}

/// The buffer holds a burst, and tcpdump has not read all of it when it is stopped.
#[test]
fn a_capture_has_every_packet_sent_before_it_stops() {
    let _sandbox = Sandbox::new();
    cable();
    inside("right").command("ip", &["link", "set", "lo", "up"]).success();
    inside("left").ping("10.9.0.2").success();
    for interface in ["two", "any"] {
        let capture = inside("right").capture(interface);
        let socket = inside("left").run(|| UdpSocket::bind("10.9.0.1:0")).expect("a socket");
        for port in 1_000..1_100 {
            socket.send_to(b"heard", format!("10.9.0.2:{port}")).expect("a datagram");
        }
        let packets = capture.stop();
        for port in 1_000..1_100 {
            let to = format!(" > 10.9.0.2.{port}: UDP");
            assert!(packets.iter().any(|line| line.contains(&to)), "{to} of {packets:#?}");
        }
    }
}

#[test]
fn foreign_tools_see_each_other_over_a_cable() {
    let _sandbox = Sandbox::new();
    cable();
    let mut capture = inside("right").capture("two");
    inside("left").ping("10.9.0.2").success();
    capture.wait_for("10.9.0.1 > 10.9.0.2: ICMP echo request");
    capture.wait_for("10.9.0.2 > 10.9.0.1: ICMP echo reply");
    let packets = capture.stop();
    assert!(packets.iter().any(|line| line.contains("echo request")), "{packets:#?}");
    inside("left").cannot_ping("10.9.0.3");

    let mut server = inside("right").web_server("10.9.0.2", 80, "over the cable");
    let page = inside("left").curl("http://10.9.0.2/").success();
    assert_eq!(page.stdout.trim_end(), "over the cable");
    assert_eq!(server.next_client(), "10.9.0.1");
}

#[test]
fn streams_and_datagrams_arrive_over_a_cable() {
    let _sandbox = Sandbox::new();
    cable();
    let address = "10.9.0.2:7000";
    let caller = stream_whole((&inside("left"), address), (&inside("right"), address), 64);
    assert_eq!(caller.ip().to_string(), "10.9.0.1");

    let echo = UdpEcho::start("right", "10.9.0.2:7000");
    let client = inside("left").udp("10.9.0.1:0");
    client.connect("10.9.0.2:7000").expect("an address");
    client.send(b"hello").expect("a datagram");
    let mut answer = [0; 16];
    let length = client.recv(&mut answer).expect("an answer");
    assert_eq!(&answer[..length], b"hello");
    assert_eq!(echo.next_peer().ip().to_string(), "10.9.0.1");

    client.connect("10.9.0.2:9").expect("an address");
    client.send(b"hello").expect("a datagram");
    let refused = client.recv(&mut answer).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
