//! Links of the router that are not uplinks of the lab: no packet of the lab leaves by them.

use netns_tests::{
    LabFile, RouterKind, Sandbox, count, dropped, inside, ip, lab, nat, netns, own,
    with_each_router,
};

use super::is_refused;

#[test]
fn a_packet_routed_to_a_foreign_link_is_rejected_with_an_icmp_error() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.link_elsewhere();
        let leaks = inside("elsewhere").listen_for_leaks("eth0");
        inside("red").ping("8.8.8.8").success();
        is_refused("red", &["172.20.0.1"]);
        assert_eq!(dropped("no-uplink"), 1, "{:#}", nat());
        // Packets of a known connection stay in the lab too after a route changes to such a link.
        ip(&router.place(), "route add 8.8.8.8/32 via 172.20.0.1");
        is_refused("red", &["8.8.8.8"]);
        netns(&["nat"]).success().shows(&["no-uplink"]);
        leaks.were_none();
    });
}

/// Routes packets with a mark to `elsewhere`, and marks packets from the bridge with iptables.
fn mark_what_comes_from_the_bridge(router: RouterKind) {
    router.link_elsewhere();
    let place = router.place();
    ip(&place, "rule add fwmark 7 table 77");
    ip(&place, "route add default via 172.20.0.1 table 77");
    let mark = ["-t", "mangle", "-A", "PREROUTING", "-i", "br0", "-j", "MARK", "--set-mark", "7"];
    place.command("iptables", &mark).success();
    place.command("ping", &["-n", "-c", "1", "-W", "60", "-m", "7", "8.8.8.8"]).success();
}

#[test]
fn an_iptables_mark_cannot_route_a_namespace_out_of_a_foreign_link() {
    with_each_router(|router, sandbox| {
        // On the fast path no rule of iptables sees the packet.
        let lab = router.lab(sandbox).masquerade("10.1.0.0/24", "wan");
        lab.text("[nat]\nvia_stack = true").up().success();
        mark_what_comes_from_the_bridge(router);
        let leaks = inside("elsewhere").listen_for_leaks("eth0");
        let outside = inside("outside").listen_for_leaks("eth0");
        inside("red").cannot_ping("8.8.8.8");
        assert_eq!(dropped("no-uplink"), 2, "{:#}", nat());
        leaks.were_none();
        outside.were_none();
    });
}

#[test]
fn an_iptables_mark_cannot_route_a_foreign_port_out_of_a_foreign_link() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        router.plug_in_a_guest();
        inside("guest").ping("8.8.8.8").success();
        mark_what_comes_from_the_bridge(router);
        let leaks = inside("elsewhere").listen_for_leaks("eth0");
        inside("guest").cannot_ping("8.8.8.8");
        assert_eq!(dropped("no-uplink"), 2, "{:#}", nat());
        leaks.were_none();
    });
}

/// Adds a second uplink `corp` to the machine. It leads to the namespace `corp` with 198.51.100.1,
/// which answers every source.
fn machine_has_a_second_uplink() {
    ip(&own(), "netns add corp");
    ip(&own(), "link add corp type veth peer name eth0 netns corp");
    ip(&own(), "addr add 198.51.100.10/24 dev corp");
    ip(&inside("corp"), "addr add 198.51.100.1/24 dev eth0");
    ip(&inside("corp"), "link set eth0 up");
    ip(&own(), "link set corp up");
    ip(&inside("corp"), "route add default via 198.51.100.10");
}

/// A second lab on the machine, at its second uplink.
fn second_lab() -> LabFile {
    lab("second")
        .own_uplink("corp")
        .bridge("br2", "10.2.0.1/24")
        .namespace("green", "br2", "10.2.0.2/24")
        .masquerade("10.2.0.0/24", "corp")
}

/// How many packets a lab has dropped because their route leads to no uplink of it.
fn dropped_without_uplink(lab: &str) -> u64 {
    let nat = netns(&["nat", lab, "--json"]).json();
    let mut drops = nat["drops"].as_array().expect("a list").iter();
    drops.find(|drop| drop["reason"] == "no-uplink").map_or(0, |drop| count(drop, "packets"))
}

#[test]
fn two_labs_on_the_machine_cannot_reach_each_other_or_use_each_others_uplink() {
    let sandbox = Sandbox::new();
    RouterKind::Machine.lab(&sandbox).masquerade("10.1.0.0/24", "wan").up().success();
    machine_has_a_second_uplink();
    let corp = inside("corp").listen_for_leaks("eth0");
    is_refused("red", &["198.51.100.1"]);
    second_lab().up().success();
    let outside = inside("outside").listen_for_leaks("eth0");
    let green = inside("green").capture("veth-green");
    inside("red").ping("8.8.8.8").success();
    inside("green").ping("198.51.100.1").success();

    is_refused("red", &["198.51.100.1"]);
    is_refused("green", &["8.8.8.8"]);
    is_refused("red", &["10.2.0.2"]);
    is_refused("green", &["10.1.0.2"]);
    assert_eq!((dropped_without_uplink("border"), dropped_without_uplink("second")), (3, 2));
    let green = green.stop();
    assert!(!green.iter().any(|packet| packet.contains("10.1.0.2 > ")), "{green:#?}");
    corp.were_none();
    outside.were_none();

    // After the second lab is down, the first still cannot use that uplink.
    netns(&["down", "second"]).success();
    let corp = inside("corp").listen_for_leaks("eth0");
    is_refused("red", &["198.51.100.1"]);
    corp.were_none();
}
