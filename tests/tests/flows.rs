//! Counters of rules, and the list of connections.

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    thread,
};

use netns_tests::{
    DEADLINE, Sandbox, accept, connect_from, count, eventually, exchange, flows, inside, lab_is_up,
    lecture, nat, netns,
};
use serde_json::Value;

#[test]
fn a_masquerade_counts_flows_packets_and_bytes() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let rule = || nat()["masquerades"][0].clone();
    let before = rule();
    assert_eq!(before["source"], "192.168.15.0/24");
    assert_eq!(before["uplink"], "ens3");
    assert_eq!(count(&before, "flows"), 0, "{before:#}");
    let ping = ["-n", "-c", "5", "-i", "0.2", "8.8.8.8"];
    inside("red").command("ping", &ping).success();
    let after = rule();
    assert_eq!(count(&after, "flows"), 1, "{after:#}");
    assert!(count(&after, "packets") >= 5, "{after:#}");
    assert!(count(&after, "bytes") >= 5 * 84, "{after:#}");
    netns(&["nat"]).success().shows(&["192.168.15.0/24", "ens3", "192.168.15.2:80"]);
}

#[test]
fn a_forward_counts_flows_packets_and_bytes() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let rule = || nat()["forwards"][0].clone();
    let before = rule();
    assert_eq!(before["protocol"], "tcp", "{before:#}");
    assert_eq!(before["port"], 80, "{before:#}");
    assert_eq!(before["target"], "192.168.15.2:80", "{before:#}");
    assert_eq!(before["address"], Value::Null, "{before:#}");
    assert_eq!(count(&before, "flows"), 0, "{before:#}");
    for _ in 0..3 {
        inside("lan").curl("http://192.168.1.10/").success();
    }
    let after = rule();
    assert_eq!(count(&after, "flows"), 3, "{after:#}");
    // One direction of a request needs at least three packets.
    assert!(count(&after, "packets") >= 9, "{after:#}");
    assert!(count(&after, "bytes") >= 9 * 40, "{after:#}");
}

#[test]
fn flows_lists_masqueraded_connections() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let tcp = || -> Option<Value> { flows().into_iter().find(|flow| flow["protocol"] == "tcp") };
    thread::scope(|scope| {
        let (seen, is_seen) = mpsc::channel();
        let listener = &listener;
        let server = scope.spawn(move || {
            let (mut served, _) = accept(listener).expect("a connection");
            let mut word = [0; 4];
            served.read_exact(&mut word).expect("four bytes");
            served.write_all(&word).expect("an answer");
            // Keeps the connection open until the test has read its record.
            is_seen.recv().expect("a word");
        });
        let mut stream =
            inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
        stream.write_all(b"red ").expect("four bytes");
        stream.read_exact(&mut [0; 4]).expect("an answer");
        let flow = tcp().expect("a flow");
        assert_eq!(flow["kind"], "masquerade", "{flow:#}");
        assert_eq!(flow["state"], "ESTABLISHED", "{flow:#}");
        assert_eq!(flow["inside"], "192.168.15.1:40000");
        assert_eq!(flow["external"], "192.168.1.10:40000");
        assert_eq!(flow["remote"], "192.168.1.1:7000");
        for counter in ["packets_out", "packets_in", "bytes_out", "bytes_in"] {
            assert!(count(&flow, counter) > 0, "{flow:#}");
        }
        for age in ["age_seconds", "idle_seconds"] {
            assert!(flow[age].as_f64().is_some_and(|age| age < 60.0), "{flow:#}");
        }
        netns(&["flows"]).success().shows(&["tcp", "192.168.15.1:40000", "192.168.1.1:7000"]);
        seen.send(()).expect("a listener");
        server.join().expect("a connection");
    });
    // Both ends have closed.
    eventually("the record knows of the end", DEADLINE, || {
        tcp().is_none_or(|flow| flow["state"] != "ESTABLISHED")
    });
}

#[test]
fn flows_lists_forwarded_connections() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("blue").run(|| TcpListener::bind("192.168.15.2:80")).expect("a listener");
    let mut stream =
        inside("lan").run(|| connect_from(40_000, "192.168.1.10:80")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    stream.write_all(b"hello").expect("five bytes");
    served.read_exact(&mut [0; 5]).expect("five bytes");
    let flow = flows().into_iter().find(|flow| flow["protocol"] == "tcp").expect("a flow");
    assert_eq!(flow["kind"], "forward", "{flow:#}");
    assert_eq!(flow["state"], "ESTABLISHED", "{flow:#}");
    assert_eq!(flow["inside"], "192.168.15.2:80", "{flow:#}");
    assert_eq!(flow["external"], "192.168.1.10:80", "{flow:#}");
    assert_eq!(flow["remote"], "192.168.1.1:40000", "{flow:#}");
}

#[test]
fn new_flows_begin_after_a_flush() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    assert!(!flows().is_empty());
    netns(&["flows", "flush"]).success();
    assert!(flows().is_empty());
    inside("red").ping("8.8.8.8").success();
    assert_eq!(flows().len(), 1);
}

#[test]
fn a_large_flow_table_is_listed_and_flushed_completely() {
    const PORTS: std::ops::RangeInclusive<u16> = 10_001..=30_000;
    let _sandbox = Sandbox::new();
    lecture().text("[nat]\nquota = 100000\nunreplied = 100000").up().success();
    // Both namespaces use the same port, so the ports of the second are translated.
    for namespace in ["red", "blue"] {
        let socket = inside(namespace).run(|| UdpSocket::bind("0.0.0.0:5000")).expect("a socket");
        for port in PORTS {
            // Sending blocks while queues are full.
            socket.send_to(b"x", ("192.168.1.1", port)).expect("a datagram");
        }
    }
    let all = flows();
    assert_eq!(all.len(), 2 * PORTS.len());
    let pairs: HashSet<_> =
        all.iter().map(|flow| flow["external"].to_string() + &flow["remote"].to_string()).collect();
    assert_eq!(pairs.len(), all.len(), "each once");
    netns(&["flows", "flush"]).success().shows(&[&all.len().to_string()]);
    assert!(flows().is_empty());
    // The entries of translated ports are gone too: blue keeps its port now.
    let socket = inside("blue").run(|| UdpSocket::bind("0.0.0.0:5000")).expect("a socket");
    socket.send_to(b"x", ("192.168.1.1", 10_001)).expect("a datagram");
    assert_eq!(flows()[0]["external"], "192.168.1.10:5000");
}

#[test]
fn an_established_connection_survives_a_flush_of_its_record() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let mut stream =
        inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    netns(&["flows", "flush"]).success();
    // The next packet from inside recreates the flow with its old port.
    exchange(&mut stream, &mut served, b"more");
}
