//! A foreign port on the lab's bridge: the rules of the lab also apply to its packets.

use netns_tests::{RouterKind, UdpEcho, dropped, inside, ip, nat, stream_whole, with_each_router};

use super::{EXTERNAL, is_refused, ping_in_fragments, seen_by};

#[test]
fn packets_of_a_foreign_port_leave_translated_where_a_masquerade_covers_them() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.plug_in_a_guest();
        let (guest, outside) = (inside("guest"), inside("outside"));
        let leaks = outside.listen_for_leaks("eth0");
        guest.ping("8.8.8.8").success();
        ping_in_fragments("guest", "8.8.8.8");
        let echo = UdpEcho::start("outside", "8.8.8.8:5353");
        assert_eq!(seen_by(&echo, &guest, "8.8.8.8:5353").ip().to_string(), EXTERNAL);
        let caller = stream_whole((&guest, "8.8.8.8:7000"), (&outside, "8.8.8.8:7000"), 2);
        assert_eq!(caller.ip().to_string(), EXTERNAL);
        leaks.were_none();
    });
}

#[test]
fn packets_of_a_foreign_port_without_a_masquerade_are_rejected_with_an_icmp_error() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.plug_in_a_guest();
        let leaks = inside("outside").listen_for_leaks("eth0");
        inside("guest").ping("8.8.8.8").success();
        is_refused("guest", &["-I", "10.5.0.2", "8.8.8.8"]);
        assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
        leaks.were_none();
    });
}

/// Switches the reverse path filter off, which would drop packets with other sources.
fn without_reverse_path_filter(router: RouterKind) {
    router.place().run(|| {
        for link in ["all", "br0"] {
            netns_tests::set(&format!("ipv4/conf/{link}/rp_filter"), "0");
        }
    });
}

#[test]
fn a_foreign_port_cannot_send_with_an_outside_source() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.plug_in_a_guest();
        without_reverse_path_filter(router);
        ip(&inside("guest"), "addr add 9.9.9.9/32 dev lo");
        let capture = inside("outside").capture("eth0");
        inside("guest").ping("8.8.8.8").success();
        let lie = ["-n", "-c", "1", "-W", "1", "-I", "9.9.9.9", "8.8.8.8"];
        assert!(!inside("guest").command("ping", &lie).status.success());
        assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
        let packets = capture.stop();
        assert!(!packets.iter().any(|packet| packet.contains("9.9.9.9 > ")), "{packets:#?}");
    });
}
