//! New connections find room when what fills it is over.

use std::{
    io::Read as _,
    net::{Shutdown, TcpListener},
    thread,
};

use netns_tests::{Sandbox, accept, connect_from, flows, inside, lecture};

/// How many ports the router has to give.
const PORTS: u16 = 50;

/// Connects from these ports to the LAN, one after the other, and closes each connection when the
/// server has.
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
fn connections_that_are_over_give_their_ports_to_new_ones() {
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
    // Each takes its own port, until none is left.
    call("red", 40_000..40_000 + PORTS);
    // The same ports, all of which are in records of connections that are over.
    call("blue", 40_000..40_020);
    served.join().expect("every connection");
}
