//! What makes room when a share of the flow table, or all of it, is used up.

use netns_common::{
    abi::{DropReason, FlowKind, FlowState, Ip4, Limits, SAMPLE},
    model::Datagram,
};

use crate::lab::{ACK, BLUE, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, Sent, ipv4};

/// A lab with room for 1,000 flows in which records make room.
fn lab(limits: Limits) -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.settings.limits = Limits { sample: SAMPLE, ..limits };
    lab
}

/// A SYN of a forged source: each is another.
fn forged(lab: &mut Lab, number: u32) -> Sent {
    let source = Ip4::new(100, 64, (number >> 8) as u8, number as u8);
    lab.outside(&ipv4(source, HOST).tcp(1024 + (number % 60_000) as u16, 80, SYN))
}

/// Opens a connection of a caller with blue.
fn call(lab: &mut Lab, port: u16) {
    let syn = lab.outside(&ipv4(FAR, HOST).tcp(port, 80, SYN));
    syn.reached(BLUE, (FAR, port), (BLUE, 80));
    lab.answer(&syn);
    lab.outside(&ipv4(FAR, HOST).tcp(port, 80, ACK)).reached(BLUE, (FAR, port), (BLUE, 80));
}

#[test]
fn callers_are_served_during_a_flood_of_forged_syns_that_are_answered() {
    let mut lab = lab(Limits { half_open: 100, ..Limits::default() });
    for number in 0..2000 {
        let sent = forged(&mut lab, number);
        lab.answer(&sent);
        lab.router.wait(1);
        if number % 50 == 0 {
            call(&mut lab, 40_000 + (number / 50) as u16);
        }
    }
    let states = lab.router.tables.flows();
    let open = states.values().filter(|flow| flow.state == FlowState::Established as u8).count();
    assert_eq!(open, 40, "none that is open makes room");
    assert!(lab.flow_count() <= 140 && lab.flow_count() > 130, "{}", lab.flow_count());
    assert_eq!(lab.drops(DropReason::UnrepliedQuota), 0);
}

#[test]
fn a_caller_with_a_long_round_trip_completes_while_a_flood_fills_the_share() {
    let mut lab = lab(Limits { half_open: 300, ..Limits::default() });
    let mut calls = Vec::new();
    for number in 0..1200_u16 {
        forged(&mut lab, number.into());
        lab.router.now += 1;
        if number % 100 == 50 {
            let syn = lab.outside(&ipv4(FAR, HOST).tcp(number, 80, SYN));
            calls.push((number, syn));
        }
        // Its acknowledgement comes when a tenth of the share is younger.
        if number % 100 == 80 {
            let (port, syn) = calls.pop().expect("a call");
            lab.answer(&syn);
            let ack = lab.outside(&ipv4(FAR, HOST).tcp(port, 80, ACK));
            ack.reached(BLUE, (FAR, port), (BLUE, 80));
        }
    }
    let flows = lab.router.tables.flows();
    let open = flows.values().filter(|flow| flow.state == FlowState::Established as u8).count();
    assert_eq!(open, 12);
}

#[test]
fn a_full_table_evicts_closed_connections_and_never_open_ones() {
    let mut lab = lab(Limits::default());
    // A sample meets each of so few.
    lab.router.tables.capacity = 40;
    for port in 40_000..40_040 {
        let syn = lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN));
        lab.answer(&syn);
        lab.red(&ipv4(RED, FAR).tcp(port, 443, ACK));
    }
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53)).dropped(DropReason::TableFull);
    lab.outside(&ipv4(FAR, HOST).tcp(7, 80, SYN)).dropped(DropReason::TableFull);
    // One is closed by both ends.
    lab.red(&ipv4(RED, FAR).tcp(40_007, 443, FIN | ACK));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_007, FIN | ACK));
    lab.router.now += 1;
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53)).left_as((HOST, 40_000), (LAN, 53));
    lab.router.now += 1;
    // Each unanswered record makes room for the next flow from outside.
    call(&mut lab, 40_000);
    lab.blue(&ipv4(BLUE, LAN).udp(40_001, 53)).dropped(DropReason::TableFull);
    assert_eq!(lab.flow_count(), 40);
}

#[test]
fn a_connection_reset_or_half_closed_is_evicted_only_after_ten_seconds_of_silence() {
    for (flag, seconds) in [(FIN, 10), (RST, 20)] {
        let mut lab = lab(Limits::default());
        lab.router.tables.capacity = 1;
        let syn = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
        lab.answer(&syn);
        lab.red(&ipv4(RED, FAR).tcp(40_000, 443, ACK));
        lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, flag | ACK));
        lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53)).dropped(DropReason::TableFull);
        lab.router.wait(seconds + 1);
        lab.blue(&ipv4(BLUE, LAN).udp(40_000, 53)).left_as((HOST, 40_000), (LAN, 53));
    }
}

#[test]
fn a_namespace_at_its_quota_evicts_only_its_own_records() {
    let mut lab = lab(Limits { quota: 20, unreplied: 10, ..Limits::default() });
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    for port in 41_000..41_100 {
        lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN)).left_as((HOST, port), (FAR, 443));
    }
    // Blue's is the oldest, and stays.
    let ports: Vec<u16> =
        lab.router.tables.flows().keys().map(|key| key.external_port.number()).collect();
    assert_eq!(ports.len(), 11);
    assert!(ports.contains(&40_000));
    // Those that are answered are red's until they are over.
    for port in 42_000..42_020 {
        let syn = lab.red(&ipv4(RED, LAN).tcp(port, 443, SYN));
        lab.answer(&syn);
    }
    lab.red(&ipv4(RED, LAN).tcp(43_000, 443, SYN)).dropped(DropReason::Quota);
}

#[test]
fn evicting_a_connection_between_namespaces_frees_both_records() {
    let mut lab = lab(Limits { quota: 4, ..Limits::default() });
    for port in [40_000, 40_001, 40_002] {
        lab.red(&ipv4(RED, HOST).tcp(port, 80, SYN)).reached(BLUE, (HOST, port), (BLUE, 80));
    }
    assert_eq!(lab.flow_count(), 4);
}

/// Sends 2,000 packets of sources that do not exist, each of which blue answers as `answer` says,
/// and calls blue between them.
fn callers_are_served_during(packet: impl Fn(Ip4, u16) -> Datagram, is_reset: bool) {
    let mut lab = lab(Limits { quota: 400, half_open: 100, ..Limits::default() });
    for number in 0..2000_u16 {
        let source = Ip4::new(100, 64, (number >> 8) as u8, number as u8);
        let sent = lab.outside(&packet(source, 1024 + number));
        let answer = Datagram::answer_to(&sent.after).expect("a packet that is answered");
        let answer = if is_reset { answer.tcp_flags(RST | ACK) } else { answer };
        lab.answer_with(&sent, &answer);
        lab.router.now += 1;
        if number % 50 == 0 {
            call(&mut lab, 40_000 + number / 50);
        }
    }
    let flows = lab.router.tables.flows();
    let open = flows.values().filter(|flow| flow.state == FlowState::Established as u8).count();
    assert_eq!((open, flows.len()), (40, 140));
}

#[test]
fn callers_are_served_during_floods_that_a_target_answers_in_any_way() {
    // SYNs to a port where nobody listens, segments of connections that there are not, datagrams.
    callers_are_served_during(|source, port| ipv4(source, HOST).tcp(port, 80, SYN), true);
    callers_are_served_during(|source, port| ipv4(source, HOST).tcp(port, 80, ACK), true);
    callers_are_served_during(|source, port| ipv4(source, HOST).udp(port, 5353), false);
}

#[test]
fn an_answer_to_an_evicted_call_begins_no_flow() {
    let mut lab = Lab::new();
    let late = ipv4(BLUE, FAR).tcp(80, 40_000, SYN | ACK);
    lab.blue(&late).dropped(DropReason::NoFlow);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_connection_between_namespaces_gets_both_records_at_a_full_table() {
    let mut lab = lab(Limits::default());
    lab.router.tables.capacity = 3;
    for port in [40_000, 40_001] {
        lab.blue(&ipv4(BLUE, FAR).udp(port, 9));
    }
    lab.router.now += 1;
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, SYN)).reached(BLUE, (HOST, 40_000), (BLUE, 80));
    assert_eq!((lab.flow_count(), lab.drops(DropReason::Evicted)), (3, 1));
}

#[test]
fn each_new_connection_evicts_at_most_one_record() {
    // By its cable, and from the stack out of the uplink, where nothing has come by a cable before.
    for by_stack in [false, true] {
        let mut lab = lab(Limits { unreplied: 2, ..Limits::default() });
        for port in 40_000..40_010 {
            let packet = ipv4(RED, FAR).udp(port, 9);
            let sent = if by_stack { lab.stack(&packet) } else { lab.red(&packet) };
            assert_eq!(sent.head().source, HOST, "{sent:#?}");
            lab.router.now += 1;
        }
        assert_eq!((lab.flow_count(), lab.drops(DropReason::Evicted)), (2, 8));
    }
}

#[test]
fn a_repeated_syn_between_namespaces_evicts_for_the_record_that_is_missing() {
    let mut lab = lab(Limits::default());
    for port in [40_000, 40_001] {
        lab.blue(&ipv4(BLUE, FAR).udp(port, 9));
    }
    lab.router.now += 1;
    let syn = ipv4(RED, HOST).tcp(40_000, 80, SYN);
    lab.red(&syn).reached(BLUE, (HOST, 40_000), (BLUE, 80));
    let flows = lab.router.tables.flows();
    let mut records = flows.iter();
    let target = records.find(|(_, flow)| flow.kind == FlowKind::Forward as u8);
    let (target, _) = target.expect("a record of the target's end");
    lab.router.tables.remove_uncounted(target);
    lab.router.tables.capacity = 3;
    lab.router.now += 1;
    // An earlier packet of the same CPU, for which a record was evicted, says nothing of this one.
    lab.blue(&ipv4(BLUE, FAR).udp(40_002, 9));
    assert_eq!(lab.drops(DropReason::Evicted), 1);
    lab.router.now += 1;
    lab.red(&syn).reached(BLUE, (HOST, 40_000), (BLUE, 80));
    assert_eq!(lab.drops(DropReason::Evicted), 2);
}
