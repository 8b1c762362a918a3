//! Exhausted ports, and full tables.

use netns_common::{
    abi::{DropReason, KEEP_CLASS, KEEP_PARITY, Port, Protocol},
    model::HostSocket,
};

use crate::lab::{BLUE, FAR, HOST, LAN, Lab, RED, SYN, ipv4};

/// More look-ups than any packet may cost.
const BOUND: u32 = 256;

#[test]
fn a_forwarded_port_is_never_allocated() {
    let mut lab = Lab::new();
    for port in [80, 8080] {
        let sent = lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN));
        let moved = sent.head().source_port.number();
        assert!(moved != 80 && moved != 8080, "{moved}");
        lab.answer(&sent).reached(RED, (FAR, 443), (RED, port));
    }
    // Of UDP nobody forwards it.
    lab.red(&ipv4(RED, FAR).udp(80, 53)).left_as((HOST, 80), (FAR, 53));
}

#[test]
fn the_port_of_a_host_socket_is_never_allocated() {
    for address in [HOST, netns_common::abi::Ip4::UNSPECIFIED] {
        let mut lab = Lab::new();
        let (protocol, port) = (Protocol::Udp.number(), Port::new(40_000));
        lab.router.tables.host_sockets.insert(HostSocket { protocol, address, port, remote: None });
        let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
        assert_ne!(sent.head().source_port.number(), 40_000);
        lab.answer(&sent).reached(RED, (FAR, 53), (RED, 40_000));
        lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN)).left_as((HOST, 40_000), (FAR, 443));
    }
}

#[test]
fn port_0_is_never_allocated() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).udp(0, 53));
    assert_ne!(sent.head().source_port.number(), 0);
    lab.answer(&sent).reached(RED, (FAR, 53), (RED, 0));
}

#[test]
fn an_allocated_port_is_in_the_configured_range() {
    let mut lab = Lab::new();
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (50_000, 50_009);
    let mut moved = Vec::new();
    for identifier in 0..200_u16 {
        let port = 20_000 + identifier;
        lab.red(&ipv4(RED, FAR).udp(port, 53));
        let sent = lab.blue(&ipv4(BLUE, FAR).udp(port, 53));
        if matches!(sent.verdict, netns_common::datapath::Verdict::Redirect(_)) {
            moved.push(sent.head().source_port.number());
        }
    }
    moved.sort_unstable();
    assert_eq!(moved, (50_000..=50_009).collect::<Vec<_>>(), "each of them once");
}

/// External ports of as many flows whose own ports are taken.
fn translated_ports(lab: &mut Lab, own: impl Iterator<Item = u16>) -> Vec<(u16, u16)> {
    own.map(|port| {
        lab.red(&ipv4(RED, FAR).udp(port, 53));
        let sent = lab.blue(&ipv4(BLUE, FAR).udp(port, 53));
        assert!(matches!(sent.verdict, netns_common::datapath::Verdict::Redirect(_)), "{sent:?}");
        (port, sent.head().source_port.number())
    })
    .collect()
}

#[test]
fn rfc4787_req4_port_parity_is_kept_if_configured() {
    for first in [50_000, 50_001] {
        let mut lab = Lab::new();
        let settings = &mut lab.router.tables.settings;
        (settings.port_min, settings.port_max) = (first, 51_000);
        settings.port_keep = KEEP_PARITY;
        let moved = translated_ports(&mut lab, 20_000..20_200);
        assert!(moved.iter().all(|(own, moved)| own % 2 == moved % 2), "{moved:?}");
        assert!(moved.iter().all(|(_, moved)| (first..=51_000).contains(moved)), "{moved:?}");
    }
    let mut lab = Lab::new();
    let moved = translated_ports(&mut lab, 20_000..20_200);
    assert!(moved.iter().any(|(own, moved)| own % 2 != moved % 2), "nobody asked: {moved:?}");
}

#[test]
fn rfc4787_req3a_the_port_class_is_kept_if_configured() {
    let mut lab = Lab::new();
    let settings = &mut lab.router.tables.settings;
    (settings.port_min, settings.port_max) = (1, 65_535);
    settings.port_keep = KEEP_CLASS;
    let moved = translated_ports(&mut lab, (600..700).chain(1024..1124));
    assert!(moved.iter().all(|(own, moved)| (*own < 1024) == (*moved < 1024)), "{moved:?}");
    assert!(moved.iter().all(|(_, moved)| *moved >= 512), "the best known ones: {moved:?}");
}

#[test]
fn port_allocation_makes_a_bounded_number_of_probes_when_ports_run_out() {
    let mut lab = Lab::new();
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (50_000, 50_000);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    lab.red(&ipv4(RED, FAR).udp(50_000, 53)).left_as((HOST, 50_000), (FAR, 53));
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53)).dropped(DropReason::PortsExhausted);
    assert!(lab.router.tables.lookups() <= BOUND, "{}", lab.router.tables.lookups());
    // Another destination has ports of its own.
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53)).left_as((HOST, 40_000), (LAN, 53));
}

/// Two CPUs find the same port free at once; the one that is slower by a moment takes another.
#[test]
fn losing_a_port_to_another_cpu_drops_no_packet() {
    let mut lab = Lab::new();
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    let blues = lab.only_flow();
    lab.router.tables.flush();
    lab.router.tables.rival.set(Some(blues));
    let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    assert_ne!(sent.head().source_port.number(), 40_000);
    lab.answer(&sent).reached(RED, (FAR, 53), (RED, 40_000));
    lab.outside(&ipv4(FAR, HOST).udp(53, 40_000)).reached(BLUE, (FAR, 53), (BLUE, 40_000));
    assert_eq!(lab.flow_count(), 2);
    assert_eq!(lab.drops(DropReason::PortsExhausted), 0);
}

/// Two CPUs forward the first two packets of one connection at the same time: it is one flow.
#[test]
fn a_connection_that_two_cpus_begin_at_once_is_one_flow() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let outward = lab.only_flow();
    lab.router.tables.flush();
    lab.router.tables.rival.set(Some(outward));
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.flow_count(), 1);
    lab.router.tables.flush();

    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    let inward = lab.only_flow();
    lab.router.tables.flush();
    lab.router.tables.rival.set(Some(inward));
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    request.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    assert_eq!(lab.flow_count(), 1);
    assert_eq!(lab.drops(DropReason::PortsExhausted), 0);
}

#[test]
fn rfc6888_req11_a_full_table_refuses_new_flows_and_leaves_the_old_ones_alone() {
    let mut lab = Lab::new();
    lab.router.tables.capacity = 10;
    let old: Vec<_> = (0..10).map(|port| lab.red(&ipv4(RED, FAR).udp(40_000 + port, 53))).collect();
    for port in 0..100 {
        lab.blue(&ipv4(BLUE, FAR).udp(41_000 + port, 53)).dropped(DropReason::TableFull);
        assert!(lab.router.tables.lookups() <= BOUND);
        lab.outside(&ipv4(FAR, HOST).tcp(41_000 + port, 80, SYN)).dropped(DropReason::TableFull);
        assert!(lab.router.tables.lookups() <= BOUND);
    }
    for (port, sent) in (40_000..).zip(&old) {
        lab.answer(sent).reached(RED, (FAR, 53), (RED, port));
    }
    assert_eq!(lab.drops(DropReason::TableFull), 200);
    assert_eq!(lab.flow_count(), 10);
}

#[test]
fn a_hairpin_that_finds_room_for_one_record_only_is_refused_and_works_later() {
    let mut lab = Lab::new();
    lab.router.tables.capacity = 1;
    let call = ipv4(RED, HOST).tcp(40_000, 80, SYN);
    let refused = lab.red(&call);
    refused.dropped(DropReason::TableFull);
    lab.router.tables.capacity = 2;
    let request = lab.red(&call);
    request.reached(BLUE, (HOST, 40_000), (BLUE, 80));
    lab.answer(&request).reached(RED, (HOST, 80), (RED, 40_000));
}
