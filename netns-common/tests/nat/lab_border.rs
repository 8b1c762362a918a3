//! The border of the lab: what leaves, and with which addresses.

use netns_common::{
    abi::{DropReason, Ip4, Prefix},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, Places, Way, split},
};

use crate::lab::{BLUE, BRIDGE, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

/// A link of the router that is neither in the lab nor an uplink of it.
const VPN: u32 = 77;
/// A network that the router reaches by that link.
const BEYOND: Ip4 = Ip4::new(172, 20, 0, 9);
/// A host behind red, which routes for it.
const BEHIND_RED: Ip4 = Ip4::new(10, 9, 0, 2);
/// An address that the uplink has been given since the lab was built.
const SECOND: Ip4 = Ip4::new(192, 168, 1, 11);

/// A lab whose router has a VPN, and a network behind red.
fn lab() -> Lab {
    let mut lab = Lab::new();
    let Places { bridge, .. } = lab.places;
    let tables = &mut lab.router.tables;
    let beyond = Way::OnLink { egress: VPN, source: Ip4::new(172, 20, 0, 1) };
    let behind = Way::Via { egress: bridge.index, gateway: RED, source: BRIDGE };
    tables.routes =
        std::mem::take(&mut tables.routes).with(BEYOND, 24, beyond).with(BEHIND_RED, 24, behind);
    tables.settings.source_check = 0;
    lab
}

/// The same on the machine itself, which forwards for others as well.
fn machine() -> Lab {
    let mut lab = lab();
    lab.router.tables.settings.own_namespace = 0;
    lab
}

/// The stack sends a packet out of the uplink that came in by `ingress`.
fn forwarded_from(lab: &mut Lab, ingress: u32, packet: &Datagram) -> Sent {
    let Places { lan_mac, uplink, .. } = lab.places;
    let mut frame = packet.frame(uplink.mac, lan_mac, uplink.index);
    frame.ingress = ingress;
    lab.send(Hook::ToUplink, frame)
}

fn masquerade_all_sources(lab: &mut Lab) {
    let (prefix, ..) = &mut lab.router.tables.masquerades[0];
    *prefix = Prefix::new(Ip4::UNSPECIFIED, 0);
}

#[test]
fn a_packet_routed_to_a_foreign_link_is_rejected() {
    for mut lab in [lab(), machine()] {
        for via_stack in [0, 1] {
            lab.router.tables.settings.via_stack = via_stack;
            let sent = lab.red(&ipv4(RED, BEYOND).udp(40_000, 53));
            assert_eq!(sent.refused(DropReason::NoUplink, BRIDGE), ((3, 13), 0));
        }
    }
}

#[test]
fn a_connection_is_rejected_once_its_route_leads_to_a_foreign_link() {
    let mut lab = lab();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    let tables = &mut lab.router.tables;
    let way = Way::OnLink { egress: VPN, source: Ip4::new(172, 20, 0, 1) };
    tables.routes = std::mem::take(&mut tables.routes).with(FAR, 32, way);
    lab.router.wait(2);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).refused(DropReason::NoUplink, BRIDGE);
}

#[test]
fn packets_between_links_of_the_lab_pass_unchanged() {
    let mut lab = lab();
    lab.blue(&ipv4(BLUE, BEHIND_RED).udp(40_000, 53)).passed();
}

#[test]
fn a_source_behind_a_namespace_is_masqueraded_if_a_rule_covers_it() {
    for mut lab in [lab(), machine()] {
        masquerade_all_sources(&mut lab);
        lab.red(&ipv4(BEHIND_RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
        let bridge = lab.places.bridge.index;
        forwarded_from(&mut lab, bridge, &ipv4(BEHIND_RED, FAR).udp(40_001, 53))
            .went_on_as((HOST, 40_001), (FAR, 53));
    }
}

#[test]
fn a_packet_whose_source_no_rule_covers_is_rejected_with_an_error() {
    for mut lab in [lab(), machine()] {
        let sent = lab.red(&ipv4(BEHIND_RED, FAR).udp(40_000, 53));
        sent.refused(DropReason::NoMasquerade, BRIDGE);
        let bridge = lab.places.bridge.index;
        let sent = forwarded_from(&mut lab, bridge, &ipv4(BEHIND_RED, FAR).udp(40_000, 53));
        sent.dropped(DropReason::NoMasquerade);
        assert!(matches!(sent.verdict, Verdict::Answer(..)));
    }
}

#[test]
fn foreign_packets_of_the_machine_leave_unchanged() {
    let packet = ipv4(BEYOND, FAR).udp(40_000, 53);
    forwarded_from(&mut machine(), VPN, &packet).passed();
    // In a namespace of its own the router has nobody to forward for but the lab.
    forwarded_from(&mut lab(), VPN, &packet).dropped(DropReason::NoMasquerade);
}

#[test]
fn a_routed_source_leaves_and_is_reached_untranslated() {
    for mut lab in [lab(), machine()] {
        let Places { uplink, bridge, .. } = lab.places;
        let routed = Prefix::new(BEHIND_RED, 24);
        lab.router.tables.routed = vec![(routed, uplink.index)];
        lab.router.tables.settings.routed = 1;
        // A masquerade of the same source comes second.
        masquerade_all_sources(&mut lab);
        let packet = ipv4(BEHIND_RED, FAR).udp(40_000, 53);
        lab.red(&packet).passed();
        forwarded_from(&mut lab, bridge.index, &packet).passed();
        lab.outside(&ipv4(FAR, BEHIND_RED).udp(53, 40_000)).passed();
        lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    }
}

#[test]
fn packets_from_outside_to_or_from_addresses_behind_a_namespace_are_dropped() {
    for mut lab in [lab(), machine()] {
        let inside = ipv4(FAR, BEHIND_RED).tcp(40_000, 22, SYN);
        lab.outside(&inside).dropped(DropReason::InsideDestination);
        let call = ipv4(BEHIND_RED, HOST).tcp(40_000, 80, SYN);
        lab.outside(&call).dropped(DropReason::InsideSource);
    }
}

#[test]
fn a_new_uplink_address_is_learned_from_the_first_flow_that_uses_it() {
    for mut lab in [lab(), machine()] {
        let translated = ipv4(SECOND, FAR).udp(40_000, 53);
        masquerade_all_sources(&mut lab);
        lab.masquerade().to = SECOND;
        // The guard sees what was redirected from red's cable.
        let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
        sent.left_as((SECOND, 40_000), (FAR, 53));
        let red_port = lab.places.red_port;
        forwarded_from(&mut lab, red_port, &translated).passed();
    }
}

#[test]
fn an_uplink_without_an_address_does_not_masquerade_with_the_bridges_address() {
    let mut lab = lab();
    let egress = lab.places.uplink.index;
    let way = Way::Via { egress, gateway: LAN, source: BRIDGE };
    let tables = &mut lab.router.tables;
    tables.routes = std::mem::take(&mut tables.routes).with(FAR, 32, way);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).dropped(DropReason::NoMasquerade);
    assert_eq!(lab.flow_count(), 0);
}

#[test]
fn the_routing_table_identifies_inside_addresses_beyond_the_inside_prefixes() {
    let mut lab = lab();
    lab.router.tables.settings.has_more_inside = 1;
    let packet = ipv4(BEHIND_RED, HOST).udp(40_000, 22);
    lab.outside(&packet).dropped(DropReason::InsideSource);
}

#[test]
fn a_packet_from_outside_behind_a_priority_tag_is_checked() {
    let mut lab = lab();
    let Places { lan_mac, uplink, .. } = lab.places;
    for tag in [[0x81, 0x00], [0x88, 0xa8]] {
        let mut frame = ipv4(FAR, RED).udp(1, 2).frame(lan_mac, uplink.mac, uplink.index);
        frame.bytes_mut().splice(12..12, [tag[0], tag[1], 0, 0]);
        lab.send(Hook::FromUplink, frame.clone()).dropped(DropReason::Malformed);
        // Behind the tag of a VLAN it is for the VLAN's own interface.
        frame.tagged = true;
        lab.send(Hook::FromUplink, frame).passed();
    }
}

#[test]
fn a_fragment_from_outside_is_never_joined_with_fragments_of_a_namespace() {
    for source in [RED, BEHIND_RED] {
        let mut lab = lab();
        masquerade_all_sources(&mut lab);
        let Places { lan_mac, red_mac, red_port, bridge, uplink, .. } = lab.places;
        let whole = ipv4(source, FAR).id(7).udp(40_000, 53).payload(100);
        let [first, last] = split(&whole.frame(red_mac, bridge.mac, red_port), 64)
            .try_into()
            .expect("two fragments");
        let sent = lab.send(Hook::FromNamespace, first);
        assert!(matches!(sent.verdict, Verdict::Redirect(Exit::Neighbour { .. })), "{sent:#?}");
        let evil = split(&whole.frame(lan_mac, uplink.mac, uplink.index), 64).pop();
        let evil = evil.expect("a later fragment");
        lab.send(Hook::FromUplink, evil).dropped(DropReason::InsideSource);
        // What red sends still follows.
        let sent = lab.send(Hook::FromNamespace, last);
        assert!(matches!(sent.verdict, Verdict::Redirect(Exit::Neighbour { .. })), "{sent:#?}");
    }
}
