//! The quota of a namespace in the flow table, and its protection of other namespaces.

use std::{
    io,
    net::{TcpListener, TcpStream, UdpSocket},
};

use netns_common::model::{
    Random,
    address::{LAN, RED},
    flags::SYN,
    ipv4,
};
use netns_tests::{
    DEADLINE, Sandbox, Wire, accept, connect_from, count, eventually, exchange, flows, inside,
    lecture, mac_of, nat, netns,
};
use serde_json::Value;

/// The server in the LAN.
const SERVER: &str = "192.168.1.1:7000";

/// Addresses in the form that a wire needs.
const RED_END: [u8; 4] = [192, 168, 15, 1];
const ROUTER: [u8; 4] = [192, 168, 15, 5];

/// A connection, and its server's end.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn open(from: &str, listener: &TcpListener) -> Self {
        let client = Self::try_open(from).unwrap_or_else(|error| panic!("{from}: {error}"));
        let (server, _) = accept(listener).expect("a connection");
        let mut connection = Self { client, server };
        connection.exchange();
        connection
    }

    fn try_open(from: &str) -> io::Result<TcpStream> {
        inside(from).run(|| connect_from(0, SERVER))
    }

    /// Sends a word there and back.
    fn exchange(&mut self) {
        exchange(&mut self.client, &mut self.server, b"here");
    }
}

fn server() -> TcpListener {
    inside("lan").run(|| TcpListener::bind(SERVER)).expect("a listener")
}

/// The counts of a namespace; `None` if it has no connections.
fn usage(namespace: &str) -> Option<(u64, u64)> {
    let nat = nat();
    let usage = nat["usage"].as_array().expect("a list");
    let its = usage.iter().find(|usage| usage["namespace"] == namespace)?;
    Some((count(its, "connections"), count(its, "unreplied")))
}

fn dropped(reason: &str) -> u64 {
    let nat = nat();
    let mut drops = nat["drops"].as_array().expect("a list").iter();
    drops.find(|drop| drop["reason"] == reason).map_or(0, |drop| count(drop, "packets"))
}

/// Sends datagrams from red to different ports, none of which is answered.
fn datagrams(ports: std::ops::Range<u16>) {
    let socket = inside("red").run(|| UdpSocket::bind("192.168.15.1:40000")).expect("a socket");
    for port in ports {
        // An ICMP error about an earlier datagram makes this send fail.
        let to = ("192.168.1.1", port);
        if socket.send_to(b"hello", to).is_err() {
            socket.send_to(b"hello", to).expect("a datagram");
        }
    }
}

#[test]
fn pitfall_flood_of_one_namespace_does_not_affect_its_neighbour() {
    let _sandbox = Sandbox::new();
    lecture().text("[nat]\nflow_table = 4096\nquota = 300\nunreplied = 100").up().success();
    let listener = server();
    let (mut reds, mut blues) =
        (Connection::open("red", &listener), Connection::open("blue", &listener));
    let mut wire = Wire::open(&inside("red"), "veth-red", mac_of(&inside("host"), "v-net-0"));
    let mut random = Random::new(1);
    let mut new = Vec::new();
    for round in 0..20 {
        for _ in 0..250 {
            let (from, to) = (random.u16(), random.u16());
            wire.try_send(&ipv4(RED, LAN).udp(from, to).payload(9).bytes());
            let nobody = netns_common::abi::Ip4::new(203, 0, 113, random.u8());
            wire.try_send(&ipv4(RED, nobody).tcp(from, to, SYN).bytes());
        }
        wire.settle(RED_END, ROUTER);
        assert!(usage("red").expect("a flood").1 <= 100, "in round {round}: {:#}", nat());
        reds.exchange();
        blues.exchange();
        new.push(Connection::open("blue", &listener));
    }
    assert_eq!(usage("red").expect("a flood").1, 100);
    // Nearly all were sent in spite of the quota: each evicted an older one.
    assert!(dropped("unreplied-quota") < 5_000, "{:#}", nat());
    for connection in &mut new {
        connection.exchange();
    }
    assert_eq!(usage("blue"), Some((21, 0)));
    netns(&["nat"]).success().shows(&["connections by origin", "red"]);
}

#[test]
fn rfc6888_req4_a_namespace_at_its_quota_keeps_its_flows_and_gets_icmp_errors_for_new_ones() {
    let _sandbox = Sandbox::new();
    let lab = lecture().replace("name = \"red\"", "name = \"red\"\nquota = 20");
    lab.up().success();
    let listener = server();
    let mut reds: Vec<_> = (0..20).map(|_| Connection::open("red", &listener)).collect();
    let refused = Connection::try_open("red").expect_err("no more than 20");
    assert_eq!(refused.kind(), io::ErrorKind::HostUnreachable, "{refused}");
    assert!(dropped("quota") > 0, "{:#}", nat());
    let mut blues: Vec<_> = (0..30).map(|_| Connection::open("blue", &listener)).collect();
    reds.iter_mut().chain(&mut blues).for_each(Connection::exchange);
    assert_eq!((usage("red"), usage("blue")), (Some((20, 0)), Some((30, 0))));

    // A change applies to the lab that is up and keeps its connections.
    let wider = lab.replace("quota = 20", "quota = 25").text("[nat]\nunreplied = 1000");
    let file = wider.write();
    let path = file.path().to_str().expect("a plain path");
    let changes = ["quota of veth-red-br", "20 -> 25", "nat.unreplied", "16384 -> 1000"];
    netns(&["plan", path]).success().shows(&changes);
    netns(&["up", path]).success().shows(&["is changed"]);
    netns(&["plan", path]).success().shows(&["nothing to do"]);
    reds.extend((0..5).map(|_| Connection::open("red", &listener)));
    Connection::try_open("red").expect_err("no more than 25");
    reds.iter_mut().chain(&mut blues).for_each(Connection::exchange);
    // Back to the default.
    lecture().up().success().shows(&["is changed"]);
    reds.push(Connection::open("red", &listener));
    assert_eq!(usage("red"), Some((26, 0)));
}

#[test]
fn expired_connections_do_not_count_towards_the_quota() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    inside("red").ping("8.8.8.8").success();
    datagrams(20_000..20_100);
    assert!(usage("red").is_some());
    // Set only now: otherwise the flow might expire before the test reads it.
    let timers = "[nat.timeouts]\nudp_unreplied = 1\nudp = 1\nicmp = 1";
    lecture().text(timers).up().success().shows(&["is changed"]);
    eventually("what is over is not counted", DEADLINE, || {
        flows().is_empty() && nat()["usage"] == Value::Array(Vec::new())
    });
}

/// A flush by a program does not update the counts; the sweeper of the kernel corrects them.
#[test]
fn flushed_connections_stop_counting_towards_the_quota() {
    let _sandbox = Sandbox::new();
    lecture().text("[nat]\nquota = 50").up().success();
    datagrams(20_000..20_050);
    assert_eq!(usage("red"), Some((50, 50)));
    let refused = Connection::try_open("red").expect_err("no more than 50");
    assert_eq!(refused.kind(), io::ErrorKind::HostUnreachable, "{refused}");
    netns(&["flows", "flush"]).success();
    eventually("nothing is counted", DEADLINE, || usage("red").is_none());
    Connection::open("red", &server());
    assert_eq!(usage("red"), Some((1, 0)));
}
