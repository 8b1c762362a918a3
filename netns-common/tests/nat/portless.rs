//! Protocols without ports: by address, for one inside end and remote at a time.

use netns_common::{
    abi::{DropReason, FlowKey, FlowKind, Port},
    model::Hook,
};

use crate::lab::{BLUE, FAR, HOST, LAN, Lab, RED, ipv4};

/// Generic routing encapsulation, and what it has in common with many.
const GRE: u8 = 47;

#[test]
fn a_protocol_without_ports_is_translated_by_address_in_both_directions() {
    for protocol in [4, 41, GRE, 50, 89, 115, 253, 255] {
        let mut lab = Lab::new();
        let sent = lab.red(&ipv4(RED, FAR).protocol(protocol).payload(30));
        sent.left_as((HOST, 0), (FAR, 0));
        assert_eq!(sent.before.bytes()[34..], sent.after.bytes()[34..]);
        let (key, flow) = lab.only_flow();
        assert_eq!(key, FlowKey::new(FAR, Port::ZERO, HOST, Port::ZERO, protocol));
        assert_eq!(flow.inside, RED);
        let answer = ipv4(FAR, HOST).protocol(protocol).payload(9);
        let answer = lab.outside(&answer);
        answer.reached(RED, (FAR, 0), (RED, 0));
        assert_eq!(answer.before.bytes()[34..], answer.after.bytes()[34..]);
        lab.red(&ipv4(RED, FAR).protocol(protocol)).left_as((HOST, 0), (FAR, 0));
        assert_eq!(lab.flow_count(), 1);
    }
}

#[test]
fn a_second_namespace_with_the_same_remote_and_protocol_is_dropped() {
    let mut lab = Lab::new();
    let gre = |source, remote| ipv4(source, remote).protocol(GRE).payload(30);
    lab.red(&gre(RED, FAR)).left_as((HOST, 0), (FAR, 0));
    lab.blue(&gre(BLUE, FAR)).dropped(DropReason::ProtocolTaken);
    lab.outside(&gre(FAR, HOST)).reached(RED, (FAR, 0), (RED, 0));
    // Another remote, or another protocol, is another flow.
    lab.blue(&gre(BLUE, LAN)).left_as((HOST, 0), (LAN, 0));
    lab.blue(&ipv4(BLUE, FAR).protocol(50)).left_as((HOST, 0), (FAR, 0));
    assert_eq!(lab.drops(DropReason::ProtocolTaken), 1);
    // When the first has long been silent, it is the second one's turn.
    lab.router.wait(601);
    lab.blue(&gre(BLUE, FAR)).left_as((HOST, 0), (FAR, 0));
    lab.outside(&gre(FAR, HOST)).reached(BLUE, (FAR, 0), (BLUE, 0));
    lab.red(&gre(RED, FAR)).dropped(DropReason::ProtocolTaken);
}

#[test]
fn einat_and_cilium_15890_a_protocol_whose_address_cannot_be_translated_is_dropped() {
    let mut lab = Lab::new();
    for protocol in [33, 51, 139] {
        let sent = lab.red(&ipv4(RED, FAR).protocol(protocol).payload(30));
        sent.dropped(DropReason::UnsupportedProtocol);
        lab.stack(&ipv4(RED, FAR).protocol(protocol)).dropped(DropReason::UnsupportedProtocol);
    }
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn einat_and_cilium_15890_no_protocol_leaves_with_an_inside_source() {
    for protocol in 0..=u8::MAX {
        let mut lab = Lab::new();
        let sent = lab.red(&ipv4(RED, FAR).protocol(protocol).payload(40));
        if let netns_common::datapath::Verdict::Redirect(_) = sent.verdict {
            assert_eq!(sent.head().source, HOST, "{protocol}");
        } else {
            assert!(matches!(sent.verdict, netns_common::datapath::Verdict::Drop(_)));
        }
    }
}

#[test]
fn packets_of_no_flow_reach_the_host() {
    let mut lab = Lab::new();
    lab.outside(&ipv4(FAR, HOST).protocol(GRE)).passed();
    lab.red(&ipv4(RED, FAR).protocol(GRE));
    // Another remote's.
    lab.outside(&ipv4(LAN, HOST).protocol(GRE)).passed();
    // Towards the host itself.
    lab.red(&ipv4(RED, HOST).protocol(GRE)).passed();
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn cve_2021_3773_a_tunnel_of_the_host_gets_its_answers() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).protocol(GRE));
    let places = lab.places;
    let own = ipv4(HOST, FAR).protocol(GRE);
    let mut frame = own.frame(places.uplink.mac, places.lan_mac, places.uplink.index);
    frame.from_host = true;
    lab.send(Hook::ToUplink, frame).passed();
    assert_eq!(FlowKind::from_number(lab.only_flow().1.kind), FlowKind::Host);
    lab.outside(&ipv4(FAR, HOST).protocol(GRE)).passed();
    lab.red(&ipv4(RED, FAR).protocol(GRE)).dropped(DropReason::ProtocolTaken);
}

#[test]
fn an_answered_flow_lives_longer() {
    let mut lab = Lab::new();
    let sent = lab.red(&ipv4(RED, FAR).protocol(GRE));
    lab.router.wait(121);
    lab.answer(&sent).passed();
    let sent = lab.red(&ipv4(RED, FAR).protocol(GRE));
    lab.answer(&sent).reached(RED, (FAR, 0), (RED, 0));
    lab.router.wait(590);
    lab.answer(&sent).reached(RED, (FAR, 0), (RED, 0));
}
