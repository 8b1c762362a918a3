//! How flows begin, end, expire and begin again.

use netns_common::{
    abi::FlowState,
    abi::{DropReason, Flow, FlowKey},
};

use crate::lab::{ACK, BLUE, FAR, FIN, HOST, Lab, RED, RST, SYN, Sent, ipv4};

/// Red opens a connection to far; the answer has come back.
fn open(lab: &mut Lab) -> Sent {
    let request = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    lab.answer(&request);
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, ACK));
    assert_eq!(lab.only_state(), FlowState::Established);
    request
}

#[test]
fn a_connection_goes_through_its_states() {
    let mut lab = Lab::new();
    let request = open(&mut lab);
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, FIN | ACK));
    assert_eq!(lab.only_state(), FlowState::InsideClosed);
    lab.answer_with(&request, &ipv4(FAR, HOST).tcp(443, 40_000, FIN | ACK));
    assert_eq!(lab.only_state(), FlowState::TimeWait);
}

#[test]
fn rfc5382_req2_simultaneous_open_is_translated() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    for (from_red, flags) in [(false, SYN), (true, SYN | ACK), (false, SYN | ACK), (true, ACK)] {
        if from_red {
            lab.red(&ipv4(RED, FAR).tcp(40_000, 443, flags)).left_as((HOST, 40_000), (FAR, 443));
        } else {
            let packet = ipv4(FAR, HOST).tcp(443, 40_000, flags);
            lab.outside(&packet).reached(RED, (FAR, 443), (RED, 40_000));
        }
    }
    assert_eq!(lab.only_state(), FlowState::Established);
}

#[test]
fn rfc7857_req2_a_reset_is_forwarded_and_its_record_stays_for_four_minutes() {
    let mut lab = Lab::new();
    open(&mut lab);
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, RST)).reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(lab.only_state(), FlowState::Reset);
    lab.router.wait(239);
    // The port is still taken.
    let other = lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
    assert_ne!(other.head().source_port.number(), 40_000);
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, ACK)).reached(RED, (FAR, 443), (RED, 40_000));
}

#[test]
fn rfc7857_req5_a_repeated_reset_does_not_refresh_the_flow() {
    let mut lab = Lab::new();
    open(&mut lab);
    for _ in 0..3 {
        lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, RST));
        lab.router.wait(100);
    }
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, ACK)).passed();
}

#[test]
fn a_syn_on_a_closing_flow_restarts_it() {
    for close in [FIN | ACK, RST] {
        let mut lab = Lab::new();
        open(&mut lab);
        lab.red(&ipv4(RED, FAR).tcp(40_000, 443, close));
        lab.router.wait(30);
        let again = lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
        again.left_as((HOST, 40_000), (FAR, 443));
        assert_eq!(lab.only_state(), FlowState::SynSent);
        let (_, flow) = lab.only_flow();
        assert_eq!((flow.packets_out, flow.packets_in), (1, 0));
        assert_eq!(flow.tail.created, lab.router.now);
        lab.answer(&again).reached(RED, (FAR, 443), (RED, 40_000));
    }
}

#[test]
fn a_callers_syn_on_a_closing_forwarded_flow_restarts_it() {
    let mut lab = Lab::new();
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    lab.answer(&request);
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, RST));
    assert_eq!(lab.only_state(), FlowState::Aborted);
    let again = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    again.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    assert_eq!(lab.only_state(), FlowState::SynSent);
}

#[test]
fn a_syn_on_a_closing_flow_with_a_translated_port_restarts_it_with_one_index_entry() {
    let mut lab = Lab::new();
    open(&mut lab);
    lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
    lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, RST));
    let again = lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
    lab.answer(&again).reached(BLUE, (FAR, 443), (BLUE, 40_000));
    assert_eq!(lab.flow_count(), 2);
    assert_eq!(lab.router.tables.translated_flows().len(), 1);
}

#[test]
fn an_expired_record_is_reused_without_a_sweep() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.wait(121);
    let other = lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    other.left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.flow_count(), 1);
    lab.answer(&other).reached(BLUE, (FAR, 53), (BLUE, 40_000));
}

/// Red's flow is expired, and another CPU begins it anew in the same place just before it is
/// removed: it with its key.
fn with_successor() -> (Lab, FlowKey, Flow) {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.wait(121);
    let (key, mut flow) = lab.only_flow();
    flow.last_seen = lab.router.now;
    lab.router.tables.successor.set(Some((key, flow)));
    (lab, key, flow)
}

/// Two CPUs find the same record expired: one has begun a flow of its own in its place when the
/// other comes to remove it.
#[test]
fn a_flow_that_another_cpu_puts_into_an_expired_record_stays() {
    let (mut lab, key, _) = with_successor();
    let other = lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    assert_eq!(lab.router.tables.flows()[&key].inside, RED);
    assert_eq!(lab.flow_count(), 2);
    lab.answer(&other).reached(BLUE, (FAR, 53), (BLUE, 40_000));
    lab.outside(&ipv4(FAR, HOST).udp(53, 40_000)).reached(RED, (FAR, 53), (RED, 40_000));
}

#[test]
fn a_sweep_does_not_remove_flows_that_begin_during_it() {
    let (mut lab, key, flow) = with_successor();
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.only_flow(), (key, flow));
    lab.outside(&ipv4(FAR, HOST).udp(53, 40_000)).reached(RED, (FAR, 53), (RED, 40_000));
}

#[test]
fn packets_of_a_flow_that_is_being_removed_are_not_delivered() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.tables.loses.set(true);
    lab.answer(&request).passed();
    lab.router.tables.loses.set(false);
    lab.answer(&request).reached(RED, (FAR, 53), (RED, 40_000));
}

#[test]
fn an_expired_flow_accepts_no_packets_from_outside() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.wait(121);
    lab.answer_with(&request, &ipv4(FAR, HOST).udp(53, 40_000)).passed();
}

#[test]
fn rfc4787_req5_and_req6_a_udp_flow_lives_five_minutes_after_its_last_packet() {
    let mut lab = Lab::new();
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.answer(&request);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    for _ in 0..3 {
        lab.router.wait(299);
        lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    }
    lab.router.wait(299);
    lab.answer(&request).reached(RED, (FAR, 53), (RED, 40_000));
    lab.router.wait(302);
    lab.answer_with(&request, &ipv4(FAR, HOST).udp(53, 40_000)).passed();
}

#[test]
fn rfc4787_req5a_a_single_query_and_answer_expire_after_half_a_minute() {
    // What the question is for, and whether it is forgotten.
    for (port, is_forgotten) in [(53, true), (1023, true), (1024, false)] {
        let mut lab = Lab::new();
        let question = lab.red(&ipv4(RED, FAR).udp(40_000, port));
        lab.answer(&question);
        lab.router.wait(29);
        lab.router.tables.sweep(lab.router.now);
        assert_eq!(lab.flow_count(), 1);
        lab.router.wait(2);
        lab.router.tables.sweep(lab.router.now);
        assert_eq!(lab.flow_count(), usize::from(!is_forgotten), "{port}");
    }
    // From outside, by the target's port.
    let mut lab = Lab::new();
    let question = lab.outside(&ipv4(FAR, HOST).udp(40_000, 5353));
    lab.answer(&question);
    lab.router.wait(31);
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn rfc5382_req5_an_idle_connection_lives_two_hours_and_four_minutes() {
    let mut lab = Lab::new();
    open(&mut lab);
    lab.router.wait(2 * 3600 + 4 * 60 - 1);
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, ACK)).reached(RED, (FAR, 443), (RED, 40_000));
}

#[test]
fn rfc5508_req2_an_echo_can_be_answered_for_a_minute() {
    let mut lab = Lab::new();
    let ping = lab.red(&ipv4(RED, FAR).echo_request(7));
    lab.router.wait(59);
    lab.answer(&ping).reached(RED, (FAR, 0), (RED, 7));
    lab.router.wait(62);
    lab.answer(&ping).passed();
}

#[test]
fn flows_survive_a_wrap_of_the_clock() {
    let mut lab = Lab::new();
    lab.router.now = u32::MAX - 3;
    let request = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.router.wait(100);
    assert!(lab.router.now < 1_000);
    lab.answer(&request).reached(RED, (FAR, 53), (RED, 40_000));
}

#[test]
fn a_reset_from_inside_begins_no_flow() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, RST)).dropped(DropReason::NoFlow);
    assert_eq!(lab.flow_count(), 0);
}
