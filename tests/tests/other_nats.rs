//! A lab on a machine with another NAT at the same uplink, such as Docker's.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use netns_tests::{
    LabFile, Sandbox, accept, ask, connect_from, exchange, flows, inside, ip, lab, netfilter_rule,
    netns, own, receive, set,
};

/// A machine with a container `box` (172.17.0.2) behind a bridge with an iptables masquerade, and a
/// lab at the same uplink, in which red has 10.60.0.2.
fn with_container() -> (Sandbox, LabFile) {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("ens3");
    let machine = own();
    machine.run(|| set("ipv4/ip_forward", "1"));
    ip(&machine, "netns add box");
    ip(&machine, "link add docker0 type bridge");
    ip(&machine, "addr add 172.17.0.1/16 dev docker0");
    ip(&machine, "link set docker0 up");
    ip(&machine, "link add vbox type veth peer eth0 netns box");
    ip(&machine, "link set vbox master docker0 up");
    let container = inside("box");
    ip(&container, "link set lo up");
    ip(&container, "addr add 172.17.0.2/16 dev eth0");
    ip(&container, "link set eth0 up");
    ip(&container, "route add default via 172.17.0.1");
    netfilter_rule(&machine, "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
    let lab = lab("beside")
        .own_uplink("ens3")
        .bridge("br-lab", "10.60.0.1/24")
        .namespace("red", "br-lab", "10.60.0.2/24")
        .masquerade("10.60.0.0/24", "ens3");
    (sandbox, lab)
}

/// Sends a query to a server, which must see the machine's address. Returns the source that the
/// server sees.
#[track_caller]
fn ask_by_machine(client: &UdpSocket, server: &UdpSocket, question: &str) -> SocketAddr {
    let end = ask(client, server, question);
    assert_eq!(end.ip().to_string(), "192.168.1.10");
    end
}

#[test]
fn a_container_and_a_namespace_with_the_same_port_get_their_own_answers() {
    let (_sandbox, lab) = with_container();
    lab.up().success();
    let container = inside("box").udp("172.17.0.2:123");
    let red = inside("red").udp("10.60.0.2:123");
    for (port, container_first) in [(7001, true), (7002, false)] {
        let server = inside("outside").udp(("192.168.1.1", port));
        for turn in 0..3 {
            let ends = if container_first {
                [
                    ask_by_machine(&container, &server, "container"),
                    ask_by_machine(&red, &server, "red"),
                ]
            } else {
                let red = ask_by_machine(&red, &server, "red");
                [ask_by_machine(&container, &server, "container"), red]
            };
            assert_ne!(ends[0], ends[1], "turn {turn}");
            // The first one keeps its port outside.
            let first = ends[usize::from(!container_first)];
            assert_eq!(first.to_string(), "192.168.1.10:123", "turn {turn}");
        }
    }
    let kinds: Vec<_> = flows().into_iter().map(|flow| flow["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "other-nat").count(), 2, "{kinds:?}");
}

#[test]
fn tcp_connections_of_a_container_and_a_namespace_from_one_port_coexist() {
    let (_sandbox, lab) = with_container();
    lab.up().success();
    for order in [["box", "red"], ["red", "box"]] {
        let port = if order[0] == "box" { 7001 } else { 7002 };
        let at = format!("192.168.1.1:{port}");
        let listener = inside("outside").run(|| TcpListener::bind(&at)).expect("a listener");
        let mut open = order.map(|name| {
            let client = inside(name).run(|| connect_from(40_000, &at)).expect("to connect");
            let (served, end) = accept(&listener).expect("a connection");
            (name, client, served, end)
        });
        assert_ne!(open[0].3, open[1].3);
        for _ in 0..3 {
            for (name, client, served, _) in &mut open {
                exchange(client, served, name.as_bytes());
            }
        }
    }
}

#[test]
fn pings_of_a_container_and_a_namespace_with_one_identifier_are_answered() {
    let (_sandbox, lab) = with_container();
    lab.up().success();
    for identifier in ["4242", "4243"] {
        let names = if identifier == "4242" { ["box", "red"] } else { ["red", "box"] };
        // Both at once, with the same identifier.
        let ping = ["-e", identifier, "-i", "0.05", "-c", "10", "-W", "60", "192.168.1.1"];
        let running = names.map(|name| inside(name).start("ping", &ping));
        for (name, ping) in names.into_iter().zip(running) {
            let (_, out, error) = ping.finish();
            assert!(out.contains(" 0% packet loss"), "{name}: {out}{error}");
        }
    }
}

#[test]
fn an_answer_to_a_container_does_not_reach_a_forward() {
    let (_sandbox, lab) = with_container();
    lab.up().success();
    netns(&["forward", "add", "udp", "1024-65535", "10.60.0.2:1024"]).success();
    let server = inside("outside").udp("192.168.1.1:7001");
    let red = inside("red").udp("10.60.0.2:45000");
    let container = inside("box").udp("172.17.0.2:45000");
    for _ in 0..3 {
        ask_by_machine(&container, &server, "container");
    }
    // Another remote reaches the forward on the same port.
    let caller = inside("outside").udp("192.168.1.1:7002");
    caller.send_to(b"call", "192.168.1.10:45000").expect("to call");
    assert_eq!(receive(&red).0, "call");
}
