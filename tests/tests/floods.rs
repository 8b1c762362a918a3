//! Floods from inside and outside at the full rate of raw sockets must not affect other
//! connections. They last some seconds; `NETNS_FLOOD_SECONDS=60` makes it a minute.

use std::{env, net::UdpSocket, time::Duration};

use netns_tests::{Sandbox, connections_survive_floods, inside, lab_is_up, netns};
use nix::sys::signal::Signal;

/// How long the floods last, unless the environment sets another time.
const SECONDS: u64 = 10;

/// The least number of packets that counts as a flood.
const FLOOD: u64 = 50_000;

/// The time limit for sending that many.
const LONGEST: Duration = Duration::from_secs(60);

#[test]
fn floods_from_both_sides_leave_established_connections_alone() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // The test runner passes an empty variable if it is not set.
    let seconds = env::var("NETNS_FLOOD_SECONDS").unwrap_or_default();
    let seconds = if seconds.is_empty() {
        SECONDS
    } else {
        seconds.parse().unwrap_or_else(|error| panic!("NETNS_FLOOD_SECONDS={seconds}: {error}"))
    };
    let duration = Duration::from_secs(seconds);
    // Packets that the LAN receives; none may have an inside source.
    let filter = "src net 192.168.15.0/24 or (udp and src 192.168.1.10 and dst port 9999)";
    let leaks = ["-n", "-l", "--immediate-mode", "-Z", "root", "-Q", "in", "-i", "eth0", filter];
    let mut leaks = inside("lan").start("tcpdump", &leaks);
    leaks.wait_for("listening on");
    let packets = connections_survive_floods(|elapsed, packets| {
        elapsed < duration || (packets <= FLOOD && elapsed < LONGEST)
    });
    assert!(packets > FLOOD, "{packets} packets are no flood");

    // Marks the end of the recording.
    let host = inside("host").run(|| UdpSocket::bind("192.168.1.10:0")).expect("a socket");
    host.send_to(b"end", "192.168.1.1:9999").expect("a datagram");
    leaks.wait_for("192.168.1.1.9999");
    leaks.signal(Signal::SIGINT);
    let (_, heard, _) = leaks.finish();
    assert!(!heard.contains("IP 192.168.15."), "inside sources on the LAN:\n{heard}");
    netns(&["status"]).success();
}
