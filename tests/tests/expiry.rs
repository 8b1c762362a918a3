//! Expired connections go by themselves, with no process of the program's about.

use std::net::UdpSocket;

use aya::maps::{HashMap, Map, MapData};
use netns_common::abi::{Flow, FlowKey, InsideKey, MovedPort, SCHEMA, maps, ticks};
use netns_tests::{DEADLINE, Sandbox, eventually, flows, inside, lab_is_up, lecture, netns};

fn open(name: &str) -> Map {
    let path = format!("/sys/fs/bpf/netns/lecture/v{SCHEMA}/maps/{name}");
    let data = MapData::from_pin(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Map::from_map_data(data).expect("a map")
}

#[test]
fn the_kernel_sweeps_expired_flows_and_their_moved_ports() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // From one port of two namespaces to one place: the second one's port has to change.
    for (namespace, address) in [("red", "192.168.15.1"), ("blue", "192.168.15.2")] {
        let socket = inside(namespace).run(|| UdpSocket::bind((address, 40_000)));
        socket.expect("a socket").send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    }
    let mut flows: HashMap<MapData, FlowKey, Flow> = open(maps::FLOWS).try_into().expect("flows");
    let moved: HashMap<MapData, InsideKey, MovedPort> =
        open(maps::MOVED_PORTS).try_into().expect("moved ports");
    // A program on another CPU may still be at the second datagram.
    eventually("both are recorded", DEADLINE, || {
        flows.keys().count() >= 2 && moved.keys().count() >= 1
    });
    let records: Vec<(FlowKey, Flow)> = flows.iter().filter_map(Result::ok).collect();
    assert_eq!(records.len(), 2, "{records:#?}");
    assert_eq!(moved.keys().count(), 1);
    // One of them was last seen a long time ago.
    let is_moved = |(key, flow): &&(FlowKey, Flow)| flow.inside_port != key.external_port;
    let (key, flow) = records.iter().find(is_moved).expect("a moved flow");
    let long_ago = flow.last_seen.wrapping_sub(ticks(3_600));
    flows.insert(key, Flow { last_seen: long_ago, ..*flow }, 0).expect("an older record");
    eventually("the expired flow is swept", DEADLINE, || flows.get(key, 0).is_err());
    eventually("its moved port goes with it", DEADLINE, || moved.keys().count() == 0);
    assert_eq!(flows.keys().count(), 1, "the other one stays");
}

#[test]
fn rfc4787_req5b_the_timers_are_those_of_the_file() {
    let _sandbox = Sandbox::new();
    let timers =
        |seconds: u32| lecture().text(&format!("[nat.timeouts]\nudp_unreplied = {seconds}"));
    timers(7).up().success();
    let socket = inside("red").run(|| UdpSocket::bind(("192.168.15.1", 40_000)));
    let socket = socket.expect("a socket");
    socket.send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    let left = || flows()[0]["expires_seconds"].as_u64().expect("a number");
    assert!(left() <= 7, "{}", left());
    // On the living lab, and for its connections.
    let file = timers(3_000).write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["nat.timeouts.udp_unreplied", "7 s -> 3000 s"]);
    netns(&["up", path]).success().shows(&["is changed"]);
    socket.send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    assert!((2_900..=3_000).contains(&left()), "{}", left());
    netns(&["flows"]).success().shows(&["LEFT"]);
    // And it goes when its time is up, with no process of ours about.
    timers(1).up().success();
    eventually("the flow is forgotten", DEADLINE, || flows().is_empty());
}
