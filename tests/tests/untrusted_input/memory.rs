//! The memory that `netns flows` needs for a large table.

use std::net::UdpSocket;

use netns_tests::{Sandbox, inside, lecture, netns_path, own};

/// Runs a program and prints its peak memory in kB.
const MEASURE: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

fn kilobytes(arguments: &[&str]) -> u64 {
    let program = netns_path();
    let program = program.to_str().expect("a plain path");
    let measured = own().command("python3", &[&["-c", MEASURE, program], arguments].concat());
    measured.success().stdout.trim().parse().expect("a number")
}

#[test]
fn flows_takes_a_few_hundred_bytes_of_memory_per_flow() {
    const FLOWS: u64 = 20_000;
    /// The memory of a flow, twice: a list is copied when it grows.
    const BYTES_A_FLOW: u64 = 350;
    let _sandbox = Sandbox::new();
    lecture().text("[nat]\nquota = 131072\nunreplied = 131072").up().success();
    let commands: [&[&str]; 2] = [&["flows"], &["flows", "--json"]];
    let before = commands.map(kilobytes);
    for port in [5000, 5001] {
        let socket = inside("red").run(|| UdpSocket::bind(("0.0.0.0", port))).expect("a socket");
        for number in 0..FLOWS / 2 {
            let to = u16::try_from(10_000 + number).expect("a port");
            // Sending blocks while queues are full.
            socket.send_to(b"x", ("192.168.1.1", to)).expect("a datagram");
        }
    }
    for (command, before) in commands.iter().zip(before) {
        let bytes = kilobytes(command).saturating_sub(before) * 1024 / FLOWS;
        assert!(bytes < BYTES_A_FLOW, "{command:?}: {bytes} bytes a flow");
    }
}
