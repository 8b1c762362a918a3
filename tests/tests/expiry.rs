//! Expired connections go by themselves, with no process of the program's about.

use std::net::UdpSocket;

use aya::maps::{HashMap, Map, MapData};
use netns_common::abi::{Flow, FlowKey, InsideKey, MovedPort, SCHEMA, maps, ticks};
use netns_tests::{DEADLINE, Sandbox, eventually, inside, lab_is_up};

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
    let records: Vec<(FlowKey, Flow)> = flows.iter().filter_map(Result::ok).collect();
    assert_eq!(records.len(), 2, "{records:#?}");
    assert_eq!(moved.keys().count(), 1);
    // One of them was last seen a long time ago.
    let is_moved = |(key, flow): &&(FlowKey, Flow)| flow.inside_port != key.external_port;
    let (key, flow) = records.iter().find(is_moved).expect("a moved flow");
    let long_ago = flow.last_seen.wrapping_sub(ticks(3_600));
    flows.insert(key, Flow { last_seen: long_ago, ..*flow }, 0).expect("an older record");
    eventually("the expired flow is swept", DEADLINE, || flows.get(key, 0).is_err());
    assert_eq!(moved.keys().count(), 0, "its moved port goes with it");
    assert_eq!(flows.keys().count(), 1, "the other one stays");
}
