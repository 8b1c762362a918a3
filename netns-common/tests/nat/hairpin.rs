//! One namespace calls a forwarded port of another.

use netns_common::{
    abi::{DropReason, FlowKind},
    model::rules,
};

use crate::lab::{ACK, BLUE, BRIDGE, FIN, HOST, Lab, RED, SYN, ipv4};

#[test]
fn rfc4787_req9a_both_ends_see_the_external_address_that_was_called() {
    for called in [HOST, BRIDGE] {
        let mut lab = Lab::new();
        let request = lab.red(&ipv4(RED, called).tcp(40_000, 8080, SYN));
        request.reached(BLUE, (called, 40_000), (BLUE, 80));
        let answer = lab.answer(&request);
        answer.reached(RED, (called, 8080), (RED, 40_000));
        lab.red(&ipv4(RED, called).tcp(40_000, 8080, ACK).payload(9)).reached(
            BLUE,
            (called, 40_000),
            (BLUE, 80),
        );
        assert_eq!(lab.flow_count(), 2, "one record for each end");
        let counter = lab.rule(rules::TCP_8080);
        assert_eq!((counter.flows, counter.packets), (1, 3));
    }
}

#[test]
fn rfc5382_req8_each_end_has_one_record_and_both_follow_the_connection() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, HOST).tcp(40_000, 80, SYN));
    lab.answer(&request);
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, ACK));
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, FIN | ACK));
    let flows = lab.router.tables.flows();
    let of = |kind: FlowKind| {
        *flows.values().find(|flow| flow.kind == kind as u8).expect("a record of that kind")
    };
    let (caller, target) = (of(FlowKind::Hairpin), of(FlowKind::Forward));
    assert_eq!((caller.inside, target.inside), (RED, BLUE));
    assert_eq!((caller.packets_out, caller.packets_in), (3, 1));
    assert_eq!((target.packets_out, target.packets_in), (1, 3));
    use netns_common::abi::FlowState;
    assert_eq!(caller.state, FlowState::InsideClosed as u8);
    assert_eq!(target.state, FlowState::RemoteClosed as u8);
}

#[test]
fn a_namespace_may_call_its_own_forward() {
    let mut lab = Lab::new();
    let request = lab.blue(&ipv4(BLUE, HOST).tcp(40_000, 80, SYN));
    request.reached(BLUE, (HOST, 40_000), (BLUE, 80));
    lab.answer(&request).reached(BLUE, (HOST, 80), (BLUE, 40_000));
}

#[test]
fn two_hairpin_callers_with_the_same_port_are_kept_apart() {
    let mut lab = Lab::new();
    let first = lab.red(&ipv4(RED, HOST).udp(40_000, 5353));
    let second = lab.blue(&ipv4(BLUE, HOST).udp(40_000, 5353));
    first.reached(BLUE, (HOST, 40_000), (BLUE, 53));
    let moved = second.head().source_port.number();
    assert_ne!(moved, 40_000);
    second.reached(BLUE, (HOST, moved), (BLUE, 53));
    lab.answer(&first).reached(RED, (HOST, 5353), (RED, 40_000));
    lab.answer(&second).reached(BLUE, (HOST, 5353), (BLUE, 40_000));
}

#[test]
fn a_callers_port_that_is_forwarded_itself_is_changed() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, HOST).tcp(8080, 80, SYN));
    let moved = request.head().source_port.number();
    assert!(moved != 8080 && moved != 80, "{moved}");
    lab.answer(&request).reached(RED, (HOST, 80), (RED, 8080));
}

#[test]
fn resets_to_a_forward_are_dropped() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, crate::lab::RST)).dropped(DropReason::NoFlow);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn a_packet_for_the_host_itself_is_left_to_the_host() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, HOST).tcp(40_000, 22, SYN)).passed();
    lab.red(&ipv4(RED, BRIDGE).udp(40_000, 53)).passed();
    lab.red(&ipv4(RED, HOST).echo_request(1)).passed();
    assert_eq!(lab.flow_count(), 0);
}
