//! Packets that do not come from the lab leave the router unchanged.

use netns_common::{abi::Ip4, model::ipv4};
use netns_tests::{
    Inside, RouterKind, Sandbox, UdpEcho, Wire, count, inside, ip, nat, own, with_each_router,
};

use super::seen_by;

const NOBODY: Ip4 = Ip4::UNSPECIFIED;

/// The number of packets that the only lab has dropped for any reason.
fn dropped_at_all() -> u64 {
    let nat = nat();
    let drops = nat["drops"].as_array().expect("a list").iter();
    drops.map(|drop| count(drop, "packets")).sum()
}

#[test]
fn dhcp_and_igmp_packets_of_the_router_leave_unchanged() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        let mut capture = inside("outside").capture("eth0");
        let wire = Wire::open(&router.place(), "wan", [0xff; 6]);
        wire.send(&ipv4(NOBODY, Ip4::BROADCAST).udp(68, 67).payload(300).bytes());
        capture.wait_for("0.0.0.0.68 > 255.255.255.255.67");
        // An IGMPv2 report: type, time, checksum and group.
        let groups = Ip4::new(224, 0, 0, 251);
        let mut report = ipv4(NOBODY, groups).ttl(1).protocol(2).payload(8).bytes();
        report[20..].copy_from_slice(&[0x16, 0, 0x09, 0x04, 224, 0, 0, 251]);
        wire.send(&report);
        capture.wait_for("0.0.0.0 > 224.0.0.251: igmp");
        assert_eq!(dropped_at_all(), 0, "{:#}", nat());
    });
}

#[test]
fn a_socket_of_the_router_may_send_from_any_address_of_the_router() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        let place = router.place();
        ip(&place, "addr add 172.17.0.1/32 dev lo");
        ip(&inside("outside"), "route add 172.17.0.0/16 via 192.168.1.10");
        place.command("ping", &["-n", "-c1", "-W60", "-I", "172.17.0.1", "8.8.8.8"]).success();
        assert_eq!(dropped_at_all(), 0, "{:#}", nat());
    });
}

/// A container on the machine, on a bridge that does not belong to the lab.
fn container_of_the_machine() -> Inside {
    for line in [
        "netns add box",
        "link add docker0 type bridge",
        "addr add 172.17.0.1/16 dev docker0",
        "link add p-box type veth peer name eth0 netns box",
        "link set p-box master docker0 up",
        "link set docker0 up",
        "-n box addr add 172.17.0.2/16 dev eth0",
        "-n box link set eth0 up",
        "-n box route add default via 172.17.0.1",
        "-n outside route add 172.17.0.0/16 via 192.168.1.10",
    ] {
        ip(&own(), line);
    }
    netns_tests::ports_settle();
    inside("box")
}

#[test]
fn packets_of_another_container_leave_unchanged() {
    let sandbox = Sandbox::new();
    let lab = RouterKind::Machine.lab(&sandbox).masquerade("10.1.0.0/24", "wan");
    let container = container_of_the_machine();
    own().command("sysctl", &["-qw", "net.ipv4.ip_forward=1"]).success();
    let echo = UdpEcho::start("outside", "8.8.8.8:5353");
    assert_eq!(seen_by(&echo, &container, "8.8.8.8:5353").ip().to_string(), "172.17.0.2");
    lab.up().success();
    assert_eq!(seen_by(&echo, &container, "8.8.8.8:5353").ip().to_string(), "172.17.0.2");
    container.ping("8.8.8.8").success();
    inside("outside").ping("172.17.0.2").success();
    assert_eq!(dropped_at_all(), 0, "{:#}", nat());
}
