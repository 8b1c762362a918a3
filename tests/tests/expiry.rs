//! Expired connections are removed by the kernel, without a running process of netns.

use std::net::UdpSocket;

use netns_common::abi::{Flow, FlowKey, ticks};
use netns_tests::{
    DEADLINE, FlowTable, Sandbox, eventually, flows, inside, lab_is_up, lecture, netns,
};

#[test]
fn expired_flows_and_their_index_entries_are_removed_by_the_kernel() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // Two namespaces send from the same port to the same remote: the second port is translated.
    for (namespace, address) in [("red", "192.168.15.1"), ("blue", "192.168.15.2")] {
        let socket = inside(namespace).run(|| UdpSocket::bind((address, 40_000)));
        socket.expect("a socket").send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    }
    let mut table = FlowTable::of("lecture");
    // Another CPU may still process the second datagram.
    eventually("both are recorded", DEADLINE, || {
        table.flows().len() >= 2 && !table.moved_flows().is_empty()
    });
    assert_eq!((table.flows().len(), table.moved_flows().len()), (2, 1));
    // Makes the last packet of one of them old.
    let is_port_translated = |key: &FlowKey, flow: &Flow| flow.inside_port != key.external_port;
    table.edit(|key, flow| {
        if is_port_translated(key, flow) {
            flow.last_seen = flow.last_seen.wrapping_sub(ticks(3_600));
        }
    });
    let is_swept = || !table.flows().iter().any(|(key, flow)| is_port_translated(key, flow));
    eventually("the expired flow is swept", DEADLINE, is_swept);
    eventually("its moved port goes with it", DEADLINE, || table.moved_flows().is_empty());
    assert_eq!(table.flows().len(), 1, "the other one stays");
}

#[test]
fn rfc4787_req5b_timeouts_of_the_file_are_applied() {
    let _sandbox = Sandbox::new();
    let timers =
        |seconds: u32| lecture().text(&format!("[nat.timeouts]\nudp_unreplied = {seconds}"));
    timers(7).up().success();
    let socket = inside("red").run(|| UdpSocket::bind(("192.168.15.1", 40_000)));
    let socket = socket.expect("a socket");
    socket.send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    let left = || flows()[0]["expires_seconds"].as_u64().expect("a number");
    assert!(left() <= 7, "{}", left());
    // The change applies to a lab that is up and to its connections.
    let file = timers(3_000).write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["nat.timeouts.udp_unreplied", "7 s -> 3000 s"]);
    netns(&["up", path]).success().shows(&["is changed"]);
    socket.send_to(b"hello", "192.168.1.1:9").expect("a datagram");
    assert!((2_900..=3_000).contains(&left()), "{}", left());
    netns(&["flows"]).success().shows(&["LEFT"]);
    // The flow expires without a running process of netns.
    timers(1).up().success();
    eventually("the flow is forgotten", DEADLINE, || flows().is_empty());
}
