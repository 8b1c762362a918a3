//! Endpoint-independent mappings, and who outside may use them.

use netns_common::{
    abi::{DropReason, Filtering, FlowKind, Forward, Ip4, Port, Protocol, seconds, ticks},
    model::{Datagram, HostSocket, rules},
};

use crate::lab::{ACK, BLUE, BRIDGE, FAR, HOST, LAN, Lab, RED, RST, SYN, ipv4};

const STRANGER: Ip4 = Ip4::new(198, 51, 100, 7);

/// The lecture's lab, its masquerade endpoint-independent.
fn mapped(filtering: Filtering) -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.settings.mappings = 1;
    let rule = lab.masquerade();
    (rule.endpoint_independent, rule.filtering) = (1, filtering as u8);
    lab
}

/// Red's port 5000 has another port outside, because blue has its own.
fn with_translated_port(filtering: Filtering) -> (Lab, u16) {
    let mut lab = mapped(filtering);
    lab.blue(&ipv4(BLUE, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    let moved = lab.red(&ipv4(RED, FAR).udp(5000, 53)).head().source_port.number();
    assert_ne!(moved, 5000);
    (lab, moved)
}

#[test]
fn rfc4787_req1_an_inside_port_has_one_outside_port_whatever_it_talks_to() {
    let (mut lab, moved) = with_translated_port(Filtering::AddressAndPort);
    for (remote, port) in [(LAN, 53), (STRANGER, 53), (STRANGER, 54), (FAR, 443)] {
        let sent = lab.red(&ipv4(RED, remote).udp(5000, port));
        sent.left_as((HOST, moved), (remote, port));
        lab.answer(&sent).reached(RED, (remote, port), (RED, 5000));
    }
    // Another port and another protocol are other mappings.
    lab.red(&ipv4(RED, LAN).udp(5001, 53)).left_as((HOST, 5001), (LAN, 53));
    lab.red(&ipv4(RED, LAN).tcp(5000, 53, SYN)).left_as((HOST, 5000), (LAN, 53));
}

#[test]
fn rfc5382_req1_tcp_has_endpoint_independent_mappings_too() {
    let mut lab = mapped(Filtering::AddressAndPort);
    lab.blue(&ipv4(BLUE, FAR).tcp(5000, 80, SYN)).left_as((HOST, 5000), (FAR, 80));
    let first = lab.red(&ipv4(RED, FAR).tcp(5000, 80, SYN)).head().source_port.number();
    lab.red(&ipv4(RED, LAN).tcp(5000, 80, SYN)).left_as((HOST, first), (LAN, 80));
}

#[test]
fn rfc5508_req1a_an_echo_identifier_is_mapped_independently_of_the_destination() {
    let mut lab = mapped(Filtering::AddressAndPort);
    lab.blue(&ipv4(BLUE, FAR).echo_request(7)).left_as((HOST, 7), (FAR, 0));
    let first = lab.red(&ipv4(RED, FAR).echo_request(7)).head().source_port.number();
    assert_ne!(first, 7);
    let sent = lab.red(&ipv4(RED, LAN).echo_request(7));
    sent.left_as((HOST, first), (LAN, 0));
    lab.answer(&sent).reached(RED, (LAN, 0), (RED, 7));
}

#[test]
fn rfc4787_req3_and_rfc5382_req7_no_outside_port_is_given_to_two_inside_ports() {
    for protocol in ["udp", "tcp"] {
        let mut lab = mapped(Filtering::Endpoint);
        let begin = |source, remote| match protocol {
            "udp" => ipv4(source, remote).udp(5000, 53),
            _ => ipv4(source, remote).tcp(5000, 53, SYN),
        };
        lab.red(&begin(RED, FAR)).left_as((HOST, 5000), (FAR, 53));
        // Towards another remote, where a port that serves several destinations would be kept.
        let other = lab.blue(&begin(BLUE, LAN)).head().source_port.number();
        assert_ne!(other, 5000, "{protocol}");
    }
}

#[test]
fn flows_without_mappings_do_not_use_mapped_ports() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    lab.masquerade().endpoint_independent = 0;
    let other = lab.blue(&ipv4(BLUE, LAN).udp(5000, 53)).head().source_port.number();
    assert_ne!(other, 5000);
}

#[test]
fn rfc4787_req8_and_rfc6888_req7_any_remote_may_answer_without_filtering() {
    let (mut lab, moved) = with_translated_port(Filtering::Endpoint);
    let call = ipv4(STRANGER, HOST).udp(9, moved);
    let called = lab.outside(&call);
    called.reached(RED, (STRANGER, 9), (RED, 5000));
    lab.answer(&called).left_as((HOST, moved), (STRANGER, 9));
    let kinds: Vec<u8> = lab.router.tables.flows().values().map(|flow| flow.kind).collect();
    assert!(kinds.contains(&(FlowKind::Admitted as u8)), "{kinds:?}");
    // Its first packet counts for the masquerade.
    assert_eq!(lab.rule(rules::MASQUERADE).flows, 3);
}

#[test]
fn rfc5382_req3_a_call_from_outside_to_a_mapping_opens_a_connection() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).tcp(5000, 80, SYN));
    let call = lab.outside(&ipv4(STRANGER, HOST).tcp(9, 5000, SYN).numbers(100, 0));
    call.reached(RED, (STRANGER, 9), (RED, 5000));
    let answer = ipv4(RED, STRANGER).tcp(5000, 9, SYN | ACK).numbers(700, 101);
    lab.red(&answer).left_as((HOST, 5000), (STRANGER, 9));
    lab.outside(&ipv4(STRANGER, HOST).tcp(9, 5000, ACK).numbers(101, 701)).reached(
        RED,
        (STRANGER, 9),
        (RED, 5000),
    );
}

#[test]
fn rfc4787_req8_any_port_of_an_address_that_was_sent_to_may_answer() {
    let (mut lab, moved) = with_translated_port(Filtering::Address);
    lab.outside(&ipv4(FAR, HOST).udp(54, moved)).reached(RED, (FAR, 54), (RED, 5000));
    lab.outside(&ipv4(STRANGER, HOST).udp(53, moved)).dropped(DropReason::Filtered);
    lab.red(&ipv4(RED, STRANGER).udp(5000, 53));
    lab.outside(&ipv4(STRANGER, HOST).udp(99, moved)).reached(RED, (STRANGER, 99), (RED, 5000));
}

#[test]
fn rfc5382_req4_a_filtered_call_gets_no_answer() {
    let mut lab = mapped(Filtering::AddressAndPort);
    lab.red(&ipv4(RED, FAR).tcp(5000, 80, SYN)).left_as((HOST, 5000), (FAR, 80));
    let call = lab.outside(&ipv4(FAR, HOST).tcp(81, 5000, SYN));
    call.dropped(DropReason::Filtered);
    // The outbound SYN that follows is forwarded as usual.
    lab.red(&ipv4(RED, FAR).tcp(5000, 81, SYN)).left_as((HOST, 5000), (FAR, 81));
}

#[test]
fn a_reset_to_a_mapping_begins_no_flow() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).tcp(5000, 80, SYN));
    lab.outside(&ipv4(STRANGER, HOST).tcp(9, 5000, RST)).dropped(DropReason::NoFlow);
}

#[test]
fn packets_to_a_port_without_a_mapping_reach_the_host() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).udp(5000, 53));
    lab.outside(&ipv4(STRANGER, HOST).udp(9, 5001)).passed();
    lab.outside(&ipv4(STRANGER, HOST).tcp(9, 5000, SYN)).passed();
    // Nor is transit traffic to the same port.
    lab.outside(&ipv4(STRANGER, FAR).udp(9, 5000)).passed();
    lab.red(&ipv4(RED, BRIDGE).udp(6000, 5000)).passed();
}

#[test]
fn a_socket_of_the_host_precedes_an_older_mapping() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).udp(5000, 53));
    lab.router.tables.host_sockets.insert(HostSocket {
        protocol: Protocol::Udp.number(),
        address: Ip4::UNSPECIFIED,
        port: Port::new(5000),
        remote: None,
    });
    lab.outside(&ipv4(STRANGER, HOST).udp(9, 5000)).passed();
    // The answers of a flow that was begun before find their way all the same.
    lab.outside(&ipv4(FAR, HOST).udp(53, 5000)).reached(RED, (FAR, 53), (RED, 5000));
}

#[test]
fn a_forward_precedes_a_mapping_and_creates_none() {
    let mut lab = mapped(Filtering::Endpoint);
    // 5353 is forwarded to blue.
    let moved = lab.red(&ipv4(RED, FAR).udp(5353, 53)).head().source_port.number();
    assert_ne!(moved, 5353);
    lab.outside(&ipv4(STRANGER, HOST).udp(9, 5353)).reached(BLUE, (STRANGER, 9), (BLUE, 53));
    lab.outside(&ipv4(STRANGER, HOST).udp(9, moved)).reached(RED, (STRANGER, 9), (RED, 5353));
    // A forward that is younger than a mapping.
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    let forward = Forward {
        target: BLUE,
        first: 5000,
        last: 5000,
        target_first: 5000,
        protocol: Protocol::Udp.number(),
        ..Forward::default()
    };
    lab.forward(99, forward);
    lab.outside(&ipv4(STRANGER, HOST).udp(9, 5000)).reached(BLUE, (STRANGER, 9), (BLUE, 5000));
    lab.red(&ipv4(RED, LAN).udp(5000, 53)).dropped(DropReason::PortsExhausted);
}

#[test]
fn rfc4787_req9_two_mappings_can_hairpin_by_their_outside_ends() {
    let (mut lab, moved) = with_translated_port(Filtering::Endpoint);
    // Blue has port 5000 outside, red another.
    let call = lab.blue(&ipv4(BLUE, HOST).udp(5000, moved));
    call.reached(RED, (HOST, 5000), (RED, 5000));
    lab.answer(&call).reached(BLUE, (HOST, moved), (BLUE, 5000));
    let call = lab.red(&ipv4(RED, HOST).udp(5000, 5000));
    call.reached(BLUE, (HOST, moved), (BLUE, 5000));
}

#[test]
fn a_hairpin_to_a_mapping_is_filtered_like_a_call_from_outside() {
    let (mut lab, moved) = with_translated_port(Filtering::AddressAndPort);
    lab.blue(&ipv4(BLUE, HOST).udp(6000, moved)).dropped(DropReason::Filtered);
}

#[test]
fn rfc6888_req8_a_mapping_is_held_for_two_minutes_after_its_last_flow() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.red(&ipv4(RED, FAR).udp(5000, 53));
    let begin = lab.router.now;
    let mut over = None;
    while !lab.router.tables.mappings().is_empty() {
        lab.router.wait(4);
        lab.router.tables.sweep(lab.router.now);
        if over.is_none() && lab.flow_count() == 0 {
            over = Some(lab.router.now);
        }
        assert!(lab.router.now - begin < ticks(400), "never swept");
    }
    let rest = lab.router.now - over.expect("the flow is over before its mapping");
    assert!(rest >= ticks(115), "{} s", seconds(rest));
    lab.blue(&ipv4(BLUE, LAN).udp(5000, 53)).left_as((HOST, 5000), (LAN, 53));
}

#[test]
fn a_mapping_lives_as_long_as_any_of_its_flows() {
    let (mut lab, moved) = with_translated_port(Filtering::Address);
    lab.red(&ipv4(RED, LAN).udp(5000, 53));
    for _ in 0..40 {
        lab.router.wait(100);
        lab.router.tables.sweep(lab.router.now);
        lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, moved), (FAR, 53));
    }
    // The flow to the LAN is over, and so is what its address was allowed.
    lab.outside(&ipv4(LAN, HOST).udp(99, moved)).dropped(DropReason::Filtered);
    lab.outside(&ipv4(FAR, HOST).udp(99, moved)).reached(RED, (FAR, 99), (RED, 5000));
    lab.red(&ipv4(RED, STRANGER).udp(5000, 53)).left_as((HOST, moved), (STRANGER, 53));
}

#[test]
fn an_expired_mapping_is_replaced_and_accepts_no_packets() {
    let (mut lab, moved) = with_translated_port(Filtering::Endpoint);
    lab.router.wait(1_000);
    lab.outside(&ipv4(STRANGER, HOST).udp(9, moved)).passed();
    // Without the sweeper having seen it.
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
}

#[test]
fn a_mapping_is_refused_when_ports_or_the_table_run_out() {
    let mut lab = mapped(Filtering::Endpoint);
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (5000, 5000);
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    lab.blue(&ipv4(BLUE, LAN).udp(5000, 53)).dropped(DropReason::PortsExhausted);
    assert_eq!(lab.router.tables.mappings().len(), 2, "nothing is left half made");

    let mut lab = mapped(Filtering::Endpoint);
    lab.router.tables.capacity = 1;
    lab.blue(&ipv4(BLUE, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    for port in [5000, 5001] {
        lab.red(&ipv4(RED, FAR).udp(port, 53)).dropped(DropReason::TableFull);
        assert_eq!((lab.flow_count(), lab.router.tables.mappings().len()), (1, 2));
    }
}

#[test]
fn a_mapping_works_with_via_stack() {
    let mut lab = mapped(Filtering::Endpoint);
    lab.router.tables.settings.via_stack = 1;
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).passed();
    lab.stack(&ipv4(RED, FAR).udp(5000, 53)).went_on_as((HOST, 5000), (FAR, 53));
    lab.outside(&ipv4(STRANGER, HOST).udp(9, 5000)).went_on_as((STRANGER, 9), (RED, 5000));
    let answer: Datagram = ipv4(RED, STRANGER).udp(5000, 9);
    lab.red(&answer).passed();
    lab.stack(&answer).went_on_as((HOST, 5000), (STRANGER, 9));
}
