//! Who owns a port of the router's address: a socket of the router, a namespace, or a forward. Each
//! test runs on our router and on one with iptables rules, and both must behave alike.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream, UdpSocket},
};

use netns_tests::{
    Inside, Sandbox, accept, ask, ask_at, connect_from, exchange, inside, ip, lab_is_up,
    netfilter_lab, netfilter_rule, netns, receive,
};

/// The NAT of the router: ours, or iptables.
#[derive(Clone, Copy, Debug)]
enum Router {
    Ours,
    Netfilters,
}

impl Router {
    /// Builds the lab.
    fn build(self) {
        match self {
            Self::Ours => lab_is_up(),
            Self::Netfilters => {
                netfilter_lab(&["-A POSTROUTING -s 192.168.15.0/24 -o ens3 -j MASQUERADE"]);
            }
        }
    }

    /// A namespace of the lab.
    fn place(self, name: &str) -> Inside {
        match self {
            Self::Ours => inside(name),
            Self::Netfilters => inside(&format!("t-{name}")),
        }
    }

    /// Forwards a port of one of the router's addresses.
    #[track_caller]
    fn forward(self, protocol: &str, address: &str, port: u16, target: &str) {
        let number = port.to_string();
        match self {
            Self::Ours => drop(
                netns(&["forward", "add", protocol, &number, target, "--address", address])
                    .success(),
            ),
            Self::Netfilters => netfilter_rule(
                &self.place("host"),
                &format!(
                    "-A PREROUTING -d {address} -p {protocol} --dport {number} -j DNAT \
                     --to-destination {target}"
                ),
            ),
        }
    }

    #[track_caller]
    fn udp(self, name: &str, address: &str) -> UdpSocket {
        self.place(name).udp(address)
    }

    #[track_caller]
    fn tcp(self, name: &str, address: &str) -> TcpListener {
        self.place(name).run(|| TcpListener::bind(address)).expect("a listener")
    }
}

/// Runs a test on both routers.
fn on_both(test: impl Fn(Router)) {
    for router in [Router::Ours, Router::Netfilters] {
        let _sandbox = Sandbox::new();
        router.build();
        println!("{router:?}");
        test(router);
    }
}

/// Events on one port, which happen in different orders.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An unconnected socket of the router sends a query.
    HostAsks,
    /// A namespace sends a query to the same server.
    RedAsks,
    /// The port is forwarded to another namespace.
    RuleComes,
}

const ORDERS: [[Event; 3]; 6] = {
    use Event::{HostAsks, RedAsks, RuleComes};
    [
        [HostAsks, RedAsks, RuleComes],
        [HostAsks, RuleComes, RedAsks],
        [RedAsks, HostAsks, RuleComes],
        [RedAsks, RuleComes, HostAsks],
        [RuleComes, HostAsks, RedAsks],
        [RuleComes, RedAsks, HostAsks],
    ]
};

#[test]
fn host_namespace_and_forward_on_one_port_get_their_own_answers() {
    on_both(|router| {
        let server = router.udp("lan", "192.168.1.1:7002");
        let stranger = router.udp("lan", "192.168.1.1:7003");
        for (port, order) in (45_000_u16..).zip(ORDERS) {
            println!("{order:?}");
            let host = router.udp("host", &format!("0.0.0.0:{port}"));
            let red = router.udp("red", &format!("192.168.15.1:{port}"));
            let blue = router.udp("blue", &format!("192.168.15.2:{port}"));
            for event in order {
                match event {
                    Event::HostAsks => {
                        ask(&host, &server, "host");
                    }
                    Event::RedAsks => {
                        ask(&red, &server, "red");
                    }
                    Event::RuleComes => {
                        router.forward(
                            "udp",
                            "192.168.1.10",
                            port,
                            &format!("192.168.15.2:{port}"),
                        );
                    }
                }
            }
            for _ in 0..2 {
                ask(&red, &server, "red again");
                ask(&host, &server, "host again");
            }
            // A remote without a flow reaches the forward, although the router has a socket.
            let caller = ask_at(&stranger, &format!("192.168.1.10:{port}"), &blue, "a call");
            assert_eq!(caller, stranger.local_addr().unwrap());
        }
    });
}

/// The router's second address.
const SECOND: &str = "192.168.1.11";

/// Calls two ports or addresses of the router in turn from one port of the LAN, with UDP (the
/// socket `caller`) and TCP. `calls` holds each called address, and the namespace and port that
/// answer.
fn call_by_turns(router: Router, caller: &UdpSocket, calls: &[(&str, u16, &str, &str)]) {
    let mut servers: Vec<(&str, UdpSocket, TcpListener)> = Vec::new();
    for (.., name, at) in calls {
        if !servers.iter().any(|(known, ..)| known == at) {
            servers.push((*at, router.udp(name, at), router.tcp(name, at)));
        }
    }
    let server_of = |at: &str| servers.iter().find(|(known, ..)| *known == at).expect("a server");
    for _ in 0..2 {
        for (address, port, _, at) in calls {
            let (_, server, _) = server_of(at);
            ask_at(caller, &format!("{address}:{port}"), server, at);
        }
    }
    let mut open: Vec<(TcpStream, TcpStream)> = Vec::new();
    for (address, port, _, at) in calls {
        let to = format!("{address}:{port}");
        let mut client = router.place("lan").run(|| connect_from(50_000, &to)).expect("to connect");
        let (_, _, listener) = server_of(at);
        let (mut served, _) = accept(listener).expect("a connection");
        std::io::Write::write_all(&mut served, at.as_bytes()).expect("to answer");
        let mut word = vec![0; at.len()];
        client.read_exact(&mut word).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&word), *at);
        open.push((client, served));
    }
    // All connections are open at once and stay separate.
    for (number, (client, served)) in open.iter_mut().enumerate() {
        let number = u8::try_from(number).expect("a small number");
        exchange(client, served, &[number]);
    }
}

#[test]
fn calls_from_one_port_to_two_addresses_of_the_router_are_two_connections() {
    on_both(|router| {
        ip(&router.place("host"), "addr add 192.168.1.11/24 dev ens3");
        for protocol in ["udp", "tcp"] {
            router.forward(protocol, "192.168.1.10", 4500, "192.168.15.1:4500");
            router.forward(protocol, SECOND, 4500, "192.168.15.2:4500");
            // Here both forwards lead to one service.
            router.forward(protocol, "192.168.1.10", 4501, "192.168.15.2:4501");
            router.forward(protocol, SECOND, 4501, "192.168.15.2:4501");
        }
        let to_each = [
            ("192.168.1.10", 4500, "red", "192.168.15.1:4500"),
            (SECOND, 4500, "blue", "192.168.15.2:4500"),
        ];
        let caller = router.udp("lan", "192.168.1.1:4500");
        call_by_turns(router, &caller, &to_each);
        let to_one = [
            ("192.168.1.10", 4501, "blue", "192.168.15.2:4501"),
            (SECOND, 4501, "blue", "192.168.15.2:4501"),
        ];
        call_by_turns(router, &caller, &to_one);
    });
}

#[test]
fn calls_to_two_ports_of_one_service_are_kept_apart() {
    on_both(|router| {
        let ports = [5201_u16, 5202, 5203];
        for protocol in ["udp", "tcp"] {
            for port in ports {
                router.forward(protocol, "192.168.1.10", port, "192.168.15.2:5201");
            }
        }
        let calls = ports.map(|port| ("192.168.1.10", port, "blue", "192.168.15.2:5201"));
        call_by_turns(router, &router.udp("lan", "192.168.1.1:4500"), &calls);
    });
}

#[test]
fn a_published_server_sends_from_its_published_port_if_the_numbers_are_equal() {
    on_both(|router| {
        router.forward("udp", "192.168.1.10", 5060, "192.168.15.1:5060");
        let server = router.udp("lan", "192.168.1.1:5070");
        let red = router.udp("red", "192.168.15.1:5060");
        for question in ["register", "invite"] {
            assert_eq!(ask(&red, &server, question).to_string(), "192.168.1.10:5060");
        }
        // A call to the published port reaches the same socket.
        let caller = router.udp("lan", "192.168.1.1:5071");
        caller.send_to(b"call", "192.168.1.10:5060").expect("to call");
        assert_eq!(receive(&red).0, "call");
    });
}

/// Netfilter does this for equal numbers only.
#[test]
fn a_published_server_sends_from_its_published_port_if_the_numbers_differ() {
    let _sandbox = Sandbox::new();
    let router = Router::Ours;
    router.build();
    ip(&router.place("host"), "addr add 192.168.1.11/24 dev ens3");
    netns(&["forward", "add", "udp", "15353", "192.168.15.1:6353"]).success();
    router.forward("udp", SECOND, 16_353, "192.168.15.2:6353");
    let server = router.udp("lan", "192.168.1.1:5070");
    for (name, own, seen) in [
        ("red", "192.168.15.1:6353", "192.168.1.10:15353"),
        ("blue", "192.168.15.2:6353", "192.168.1.11:16353"),
    ] {
        assert_eq!(ask(&router.udp(name, own), &server, "hello").to_string(), seen);
    }
    // A socket on a port that is not published keeps its number.
    let blue = router.udp("red", "192.168.15.1:6354");
    blue.send_to(b"hello", "192.168.1.1:5070").expect("to send");
    assert_eq!(receive(&server).1.to_string(), "192.168.1.10:6354");
}
