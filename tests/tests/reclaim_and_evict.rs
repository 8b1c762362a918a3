//! New connections reclaim the ports and evict the records of closed connections.

use std::{
    io::Read as _,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use netns_common::{
    abi::Ip4,
    model::{Random, address::HOST, flags::SYN, ipv4},
};
use netns_tests::{
    Sandbox, Wire, accept, connect_from, dropped, exchange, flows, inside, lecture, mac_of, nat,
};

/// The number of ports that the router can allocate.
const PORTS: u16 = 50;

/// Connects from these ports to the LAN, one after the other. Each connection is closed after the
/// server has closed it.
fn call(name: &str, ports: std::ops::Range<u16>) {
    for port in ports {
        let connect = || connect_from(port, "192.168.1.1:7000");
        let mut stream = inside(name).run(connect).unwrap_or_else(|error| {
            panic!("{name} from {port}: {error}\n{:#?}", flows().len());
        });
        stream.read_to_end(&mut Vec::new()).expect("the server's end");
    }
}

#[test]
fn ports_of_closed_connections_are_reused() {
    let _sandbox = Sandbox::new();
    let nat = format!("[nat]\nports = \"40000-{}\"\n\n[router]", 40_000 + PORTS - 1);
    lecture().replace("[router]", &nat).up().success();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let served = thread::spawn(move || {
        for _ in 0..PORTS + 20 {
            let (stream, _) = accept(&listener).expect("a connection");
            stream.shutdown(Shutdown::Write).expect("to end it");
        }
    });
    // Each connection keeps its port, until none is left.
    call("red", 40_000..40_000 + PORTS);
    // The same ports: all are in records of closed connections.
    call("blue", 40_000..40_020);
    served.join().expect("every connection");
}

/// The records in the flow table, and how many of them half-open calls may use.
const RECORDS: u32 = 1024;
const HALF_OPEN: usize = 256;

/// Sends SYNs to the forwarded port, each from a source that does not exist, and waits until the
/// router has processed them.
fn forge(wire: &mut Wire, random: &mut Random, count: usize) {
    for _ in 0..count {
        let source = Ip4::new(100, 64, random.u8(), random.u8());
        wire.send(&ipv4(source, HOST).tcp(random.u16() | 1024, 80, SYN).bytes());
    }
    wire.settle([192, 168, 1, 1], [192, 168, 1, 10]);
}

#[test]
fn callers_are_served_during_and_after_a_flood_of_forged_syns() {
    let _sandbox = Sandbox::new();
    let nat_options = format!("[nat]\nflow_table = {RECORDS}\n\n[router]");
    lecture().replace("[router]", &nat_options).up().success();
    let listener = inside("blue").run(|| TcpListener::bind("192.168.15.2:80")).expect("a listener");
    let mut wire = Wire::open(&inside("lan"), "eth0", mac_of(&inside("host"), "ens3"));
    let mut random = Random::new(8);
    let mut open = Vec::new();
    for _ in 0..20 {
        forge(&mut wire, &mut random, 300);
        let caller = inside("lan").run(|| TcpStream::connect("192.168.1.10:80")).expect("a call");
        open.push((caller, accept(&listener).expect("the call").0));
        // Connections from before the flood still work.
        for (caller, called) in &mut open {
            exchange(caller, called, b"x");
        }
    }
    let state = |state: &str| flows().iter().filter(|flow| flow["state"] == state).count();
    let half_open = state("SYN_SENT") + state("SYN_RECV");
    assert!(half_open <= HALF_OPEN, "{half_open} are half-open: {:#}", nat());
    assert_eq!(state("ESTABLISHED"), 20);
    assert_eq!(dropped("table-full"), 0);
}
