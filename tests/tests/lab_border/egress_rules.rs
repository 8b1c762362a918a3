//! The three kinds of rules that let a packet of the lab leave: a masquerade, a routed network, and
//! an exception of a masquerade.

use std::net::TcpListener;

use netns_tests::{UdpEcho, accept, connect_from, dropped, inside, nat, netns, with_each_router};

use super::{
    EXTERNAL, is_refused, outside_knows_the_way_in, ping_in_fragments, seen_by,
    with_a_network_behind_red, with_routed,
};

#[test]
fn a_packet_whose_source_no_rule_covers_is_rejected_with_an_icmp_error() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.3/32", "wan").up().success();
        let leaks = inside("outside").listen_for_leaks("eth0");
        inside("blue").ping("8.8.8.8").success();
        for number in 1..=2 {
            is_refused("red", &["8.8.8.8"]);
            assert_eq!(dropped("no-masquerade"), number, "{:#}", nat());
        }
        netns(&["nat"]).success().shows(&["no-masquerade"]);
        let call = inside("red").run(|| connect_from(0, "8.8.8.8:80"));
        assert!(call.is_err(), "a connection without a rule");
        assert!(dropped("no-masquerade") >= 3, "{:#}", nat());
        is_refused("red", &["-s", "4000", "8.8.8.8"]);
        leaks.were_none();
    });
}

#[test]
fn no_packet_leaves_after_its_masquerade_is_deleted() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        let leaks = inside("outside").listen_for_leaks("eth0");
        inside("red").ping("8.8.8.8").success();
        netns(&["masquerade", "del", "10.1.0.0/24"]).success();
        is_refused("red", &["8.8.8.8"]);
        leaks.were_none();
    });
}

#[test]
fn a_routed_source_leaves_untranslated_and_is_reached_from_outside() {
    with_each_router(|router, sandbox| {
        // The routed address is an exception to the masquerade of its network.
        let plain = router.lab(sandbox).masquerade("10.1.0.0/24", "wan");
        with_routed(plain.clone(), &["10.1.0.2/32"]).up().success();
        outside_knows_the_way_in();
        let (outside, red, blue) = (inside("outside"), inside("red"), inside("blue"));
        let echo = UdpEcho::start("outside", "8.8.8.8:5353");
        assert_eq!(seen_by(&echo, &red, "8.8.8.8:5353").ip().to_string(), "10.1.0.2");
        assert_eq!(seen_by(&echo, &blue, "8.8.8.8:5353").ip().to_string(), EXTERNAL);
        let listener = outside.run(|| TcpListener::bind("8.8.8.8:80")).expect("a listener");
        let _stream = red.run(|| connect_from(0, "8.8.8.8:80")).expect("a connection");
        let (_, caller) = accept(&listener).expect("a connection");
        assert_eq!(caller.ip().to_string(), "10.1.0.2");
        outside.ping("10.1.0.2").success();
        ping_in_fragments("red", "8.8.8.8");
        ping_in_fragments("outside", "10.1.0.2");
        let mut server = red.web_server("10.1.0.2", 80, "from red");
        outside.curl("http://10.1.0.2/").success().shows(&["from red"]);
        assert_eq!(server.next_client(), "192.168.1.1");
        outside.cannot_ping("10.1.0.3");

        plain.up().success();
        assert_eq!(seen_by(&echo, &red, "8.8.8.8:5353").ip().to_string(), EXTERNAL);
        outside.cannot_ping("10.1.0.2");
    });
}

#[test]
fn a_source_that_is_neither_routed_nor_masqueraded_does_not_leave() {
    with_each_router(|router, sandbox| {
        with_routed(router.lab(sandbox), &["10.1.0.2/32"]).up().success();
        outside_knows_the_way_in();
        inside("red").ping("8.8.8.8").success();
        let mut capture = inside("outside").capture("eth0");
        is_refused("blue", &["8.8.8.8"]);
        assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
        inside("red").ping("8.8.8.8").success();
        capture.wait_for("10.1.0.2 > 8.8.8.8");
        let packets = capture.stop();
        assert!(!packets.iter().any(|packet| packet.contains("10.1.0.3")), "{packets:#?}");
    });
}

#[test]
fn a_routed_source_leaves_untranslated_only_by_the_uplink_that_lists_it() {
    with_each_router(|router, sandbox| {
        let lab = with_routed(router.lab(sandbox), &["10.1.0.2/32"]);
        router.with_second_uplink(&lab).up().success();
        outside_knows_the_way_in();
        let leaks = inside("outside").listen_for_leaks("eth1");
        inside("red").ping("8.8.8.8").success();
        is_refused("red", &["198.51.100.1"]);
        assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
        leaks.were_none();
    });
}

#[test]
fn a_route_to_a_network_does_not_let_its_packets_leave_untranslated() {
    with_each_router(|router, sandbox| {
        let lab = router.lab(sandbox).masquerade("10.1.0.0/24", "wan");
        with_a_network_behind_red(lab).up().success();
        outside_knows_the_way_in();
        let leaks = inside("outside").listen_for_leaks("eth0");
        inside("red").ping("8.8.8.8").success();
        is_refused("far", &["8.8.8.8"]);
        assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
        // The route works within the lab, and hosts outside cannot use it.
        inside("far").ping("10.1.0.3").success();
        inside("outside").cannot_ping("10.9.0.2");
        leaks.were_none();
    });
}

#[test]
fn packets_to_an_excepted_destination_leave_untranslated() {
    with_each_router(|router, sandbox| {
        let lab = with_a_network_behind_red(router.lab(sandbox));
        lab.masquerade("10.0.0.0/8", "wan").text("except = [\"8.8.8.0/24\"]").up().success();
        outside_knows_the_way_in();
        let excepted = UdpEcho::start("outside", "8.8.8.8:5353");
        let other = UdpEcho::start("outside", "192.168.1.1:5353");
        for (name, address) in [("blue", "10.1.0.3"), ("far", "10.9.0.2")] {
            let from = inside(name);
            ping_in_fragments(name, "8.8.8.8");
            ping_in_fragments(name, "192.168.1.1");
            assert_eq!(seen_by(&excepted, &from, "8.8.8.8:5353").ip().to_string(), address);
            assert_eq!(seen_by(&other, &from, "192.168.1.1:5353").ip().to_string(), EXTERNAL);
        }
    });
}
