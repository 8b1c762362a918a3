//! Answers to a call from outside leave by the uplink that the call came in by. With `via_stack`
//! the kernel selects the uplink.

use std::net::UdpSocket;

use netns_tests::{
    Sandbox, ask_at, inside, ip, lead_to_the_second, netns, servers_of_both, two_providers,
};

#[test]
fn answers_leave_by_the_uplink_that_the_call_came_in_by() {
    let _sandbox = Sandbox::new();
    two_providers("");
    netns(&["forward", "add", "udp", "5353", "10.1.0.2:53"]).success();
    let red = inside("red").udp("10.1.0.2:53");
    let [by_a, by_b] = servers_of_both(40_000);
    let called = |caller: &UdpSocket, called: &str| {
        for _ in 0..2 {
            ask_at(caller, called, &red, "call");
        }
    };
    // The usual rule on a router with two providers: each source address leaves by its own uplink.
    lead_to_the_second("from 198.51.100.2");
    called(&by_a, "192.0.2.2:5353");
    called(&by_b, "198.51.100.2:5353");
    // Without the rule: a second default route with a higher metric is enough.
    let gateway = inside("gw");
    ip(&gateway, "rule del table 100");
    ip(&gateway, "route add default via 198.51.100.1 dev isp-b metric 1000");
    called(&by_b, "198.51.100.2:5353");
}
