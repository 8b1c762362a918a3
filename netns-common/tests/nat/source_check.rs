//! The source addresses of frames, compared with those of the namespace at the end of the cable.

use netns_common::{
    abi::{DropReason, Ip4, Mac, SourceCheck},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, VecPacket},
};

use crate::lab::{ACK, BLUE, BRIDGE, FAR, HOST, LAN, Lab, RED, SYN, Sent, ipv4};

const STRANGER: Mac = [0x02, 0, 0, 0, 0, 0x99];

/// Red sends a packet from this Ethernet address.
fn red_as(lab: &mut Lab, mac: Mac, packet: &Datagram) -> Sent {
    let places = lab.places;
    lab.send(Hook::FromNamespace, packet.frame(mac, places.bridge.mac, places.red_port))
}

/// An ARP message: the operation, the sender and the target.
fn arp(operation: u8, sender: (Mac, Ip4), target: Ip4) -> Vec<u8> {
    let mut body = vec![0, 1, 0x08, 0, 6, 4, 0, operation];
    body.extend(sender.0);
    body.extend(sender.1.octets());
    body.extend([0; 6]);
    body.extend(target.octets());
    body
}

/// Red sends a frame of any kind to everybody.
fn red_sends(lab: &mut Lab, mac: Mac, ether_type: [u8; 2], body: &[u8]) -> Sent {
    let mut bytes = vec![0xff; 6];
    bytes.extend(mac);
    bytes.extend(ether_type);
    bytes.extend(body);
    lab.send(Hook::FromNamespace, VecPacket::new(bytes, lab.places.red_port))
}

const ARP: [u8; 2] = [0x08, 0x06];
const LLDP: [u8; 2] = [0x88, 0xcc];

fn check_of_red(lab: &mut Lab, check: SourceCheck) {
    let port = lab.router.tables.bridge_ports.get_mut(&lab.places.red_port).expect("red's port");
    port.source_check = check as u8;
}

#[test]
fn a_cable_accepts_only_addresses_of_its_namespace() {
    let mut lab = Lab::new();
    for source in [BLUE, BRIDGE, HOST, FAR, Ip4::new(192, 168, 15, 77)] {
        lab.red(&ipv4(source, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
    }
    // Neither does a flow of blue's open the way for red.
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    lab.red(&ipv4(BLUE, FAR).udp(40_000, 53)).dropped(DropReason::SpoofedSource);
    lab.red(&ipv4(BLUE, RED).udp(1, 2)).dropped(DropReason::SpoofedSource);
}

#[test]
fn a_bridged_frame_is_checked_too() {
    let mut lab = Lab::new();
    let places = lab.places;
    let mut to_blue = |mac, source| {
        let packet = ipv4(source, BLUE).udp(1, 2);
        lab.send(Hook::FromNamespace, packet.frame(mac, places.blue_mac, places.red_port)).verdict
    };
    let exit = Exit::Peer { cable: places.blue_port };
    assert_eq!(to_blue(places.red_mac, RED), Verdict::Redirect(exit));
    assert_eq!(to_blue(places.red_mac, BRIDGE), Verdict::Drop(DropReason::SpoofedSource));
    assert_eq!(to_blue(places.blue_mac, RED), Verdict::Drop(DropReason::SpoofedMac));
    assert_eq!(to_blue(places.bridge.mac, RED), Verdict::Drop(DropReason::SpoofedMac));
}

#[test]
fn another_mac_address_is_dropped_for_known_and_unknown_flows() {
    let mut lab = Lab::new();
    let packet = ipv4(RED, FAR).tcp(40_000, 443, SYN);
    for mac in [STRANGER, lab.places.blue_mac, lab.places.bridge.mac] {
        red_as(&mut lab, mac, &packet).dropped(DropReason::SpoofedMac);
    }
    let sent = lab.red(&packet);
    lab.answer(&sent).reached(RED, (FAR, 443), (RED, 40_000));
    for mac in [STRANGER, lab.places.blue_mac, lab.places.bridge.mac] {
        let known = ipv4(RED, FAR).tcp(40_000, 443, ACK);
        red_as(&mut lab, mac, &known).dropped(DropReason::SpoofedMac);
    }
    // Answers go where they went, and nothing was counted for the flow.
    assert_eq!(lab.only_flow().1.packets_out, 1);
    lab.answer(&sent).reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(lab.drops(DropReason::SpoofedMac), 6);
}

#[test]
fn another_mac_address_is_dropped_for_a_flow_with_a_translated_port() {
    let mut lab = Lab::new();
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    let packet = ipv4(RED, FAR).udp(40_000, 53);
    assert_ne!(lab.red(&packet).head().source_port.number(), 40_000);
    red_as(&mut lab, STRANGER, &packet).dropped(DropReason::SpoofedMac);
}

#[test]
fn a_second_mac_address_behind_an_unchecked_cable_shares_the_flow() {
    let mut lab = Lab::new();
    check_of_red(&mut lab, SourceCheck::Off);
    let packet = ipv4(RED, FAR).udp(40_000, 53);
    let sent = lab.red(&packet);
    red_as(&mut lab, STRANGER, &packet).left_as((HOST, 40_000), (FAR, 53));
    assert_eq!(lab.only_flow().1.packets_out, 2);
    lab.answer(&sent).reached(RED, (FAR, 53), (RED, 40_000));
}

#[test]
fn each_cable_can_switch_its_source_check() {
    let spoofed = ipv4(Ip4::new(192, 168, 15, 77), FAR).udp(1, 2);
    for lab_checks in [0, 1] {
        let mut lab = Lab::new();
        lab.router.tables.settings.source_check = lab_checks;
        check_of_red(&mut lab, SourceCheck::Off);
        assert!(matches!(lab.red(&spoofed).verdict, Verdict::Redirect(_)));
        assert!(matches!(red_as(&mut lab, STRANGER, &spoofed).verdict, Verdict::Redirect(_)));
        check_of_red(&mut lab, SourceCheck::On);
        lab.router.tables.flush();
        lab.red(&spoofed).dropped(DropReason::SpoofedSource);
        check_of_red(&mut lab, SourceCheck::AsLab);
        let is_checked = lab.red(&spoofed).verdict == Verdict::Drop(DropReason::SpoofedSource);
        assert_eq!(is_checked, lab_checks == 1);
        // Blue's cable is as the lab is.
        let is_checked = lab.blue(&spoofed).verdict == Verdict::Drop(DropReason::SpoofedSource);
        assert_eq!(is_checked, lab_checks == 1);
    }
}

#[test]
fn arp_may_claim_only_addresses_of_the_namespace() {
    let mut lab = Lab::new();
    let red = lab.places.red_mac;
    let blue = lab.places.blue_mac;
    for operation in [1, 2] {
        for claimed in [(red, BLUE), (red, BRIDGE), (red, LAN), (blue, RED), (STRANGER, RED)] {
            red_sends(&mut lab, red, ARP, &arp(operation, claimed, BLUE))
                .dropped(DropReason::SpoofedArp);
        }
        red_sends(&mut lab, blue, ARP, &arp(operation, (red, RED), BLUE))
            .dropped(DropReason::SpoofedMac);
        red_sends(&mut lab, red, ARP, &arp(operation, (red, RED), BLUE)).passed();
    }
    assert_eq!(lab.drops(DropReason::SpoofedArp), 10);
}

#[test]
fn rfc5227_probes_and_announcements_pass() {
    let mut lab = Lab::new();
    let red = lab.places.red_mac;
    red_sends(&mut lab, red, ARP, &arp(1, (red, Ip4::UNSPECIFIED), RED)).passed();
    red_sends(&mut lab, red, ARP, &arp(1, (red, RED), RED)).passed();
    red_sends(&mut lab, red, ARP, &arp(2, (red, RED), RED)).passed();
    red_sends(&mut lab, red, ARP, &arp(1, (red, BLUE), BLUE)).dropped(DropReason::SpoofedArp);
    red_sends(&mut lab, red, ARP, &arp(1, (STRANGER, Ip4::UNSPECIFIED), RED))
        .dropped(DropReason::SpoofedArp);
}

#[test]
fn damaged_arp_is_dropped() {
    let mut lab = Lab::new();
    let red = lab.places.red_mac;
    let whole = arp(1, (red, RED), BLUE);
    for length in 0..18 {
        red_sends(&mut lab, red, ARP, &whole[..length]).dropped(DropReason::Malformed);
    }
    for at in 0..6 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        red_sends(&mut lab, red, ARP, &damaged).dropped(DropReason::Malformed);
    }
}

#[test]
fn the_mac_address_of_other_frames_is_checked() {
    let mut lab = Lab::new();
    let red = lab.places.red_mac;
    red_sends(&mut lab, red, LLDP, &[0x02; 40]).passed();
    red_sends(&mut lab, STRANGER, LLDP, &[0x02; 40]).dropped(DropReason::SpoofedMac);
    // In a VLAN too.
    for (mac, spoofed) in [(red, false), (STRANGER, true)] {
        let places = lab.places;
        let mut tagged = ipv4(RED, BLUE).udp(1, 2).frame(mac, places.blue_mac, places.red_port);
        tagged.tagged = true;
        let sent = lab.send(Hook::FromNamespace, tagged);
        assert_eq!(sent.verdict == Verdict::Drop(DropReason::SpoofedMac), spoofed);
    }
    check_of_red(&mut lab, SourceCheck::Off);
    red_sends(&mut lab, STRANGER, LLDP, &[0x02; 40]).passed();
    red_sends(&mut lab, red, ARP, &arp(1, (STRANGER, FAR), BLUE)).passed();
}

#[test]
fn two_priority_tags_do_not_bypass_the_source_check() {
    let mut lab = Lab::new();
    let red = lab.places.red_mac;
    for tag in [[0x81, 0x00], [0x88, 0xa8]] {
        let mut inner = vec![0, 0, 0x08, 0];
        inner.extend(ipv4(BLUE, FAR).udp(1, 2).bytes());
        red_sends(&mut lab, red, tag, &inner).dropped(DropReason::Malformed);
    }
}

#[test]
fn rfc2131_a_namespace_without_an_address_may_use_dhcp() {
    let mut lab = Lab::new();
    let discover = || ipv4(Ip4::UNSPECIFIED, Ip4::BROADCAST).udp(68, 67).payload(240);
    lab.red(&discover()).passed();
    red_as(&mut lab, STRANGER, &discover()).dropped(DropReason::SpoofedMac);
    let igmp = ipv4(Ip4::UNSPECIFIED, Ip4::new(224, 0, 0, 22)).ttl(1).protocol(2);
    lab.red(&igmp).passed();
    // Neither is that a way out, nor one for anything else.
    lab.red(&ipv4(Ip4::UNSPECIFIED, FAR).udp(68, 67)).dropped(DropReason::Martian);
    lab.red(&ipv4(Ip4::UNSPECIFIED, Ip4::BROADCAST).udp(68, 53)).dropped(DropReason::Martian);
    // A server or relay of the host's hears the clients on the uplink.
    lab.outside(&discover()).passed();
}

#[test]
fn ellanetworks_863_martians_are_dropped_in_both_directions() {
    let sources = [
        Ip4::UNSPECIFIED,
        Ip4::new(0, 1, 2, 3),
        Ip4::new(127, 0, 0, 1),
        Ip4::new(224, 0, 0, 1),
        Ip4::new(239, 255, 255, 255),
        Ip4::new(240, 0, 0, 1),
        Ip4::BROADCAST,
    ];
    for check in [0, 1] {
        let mut lab = Lab::new();
        lab.router.tables.settings.source_check = check;
        for source in sources {
            for destination in [FAR, HOST, BRIDGE, BLUE] {
                lab.red(&ipv4(source, destination).udp(1, 2)).dropped(DropReason::Martian);
                lab.red(&ipv4(source, destination).protocol(47)).dropped(DropReason::Martian);
            }
            lab.outside(&ipv4(source, HOST).tcp(1, 80, SYN)).dropped(DropReason::Martian);
            lab.outside(&ipv4(source, HOST).udp(1, 33_333)).dropped(DropReason::Martian);
            lab.outside(&ipv4(source, HOST).error(3, 3, &packet(), 8)).dropped(DropReason::Martian);
        }
        for destination in [Ip4::new(127, 0, 0, 1), Ip4::UNSPECIFIED, Ip4::new(0, 9, 9, 9)] {
            lab.red(&ipv4(RED, destination).tcp(40_000, 80, SYN))
                .dropped(DropReason::MartianDestination);
            lab.outside(&ipv4(LAN, destination).tcp(40_000, 80, SYN))
                .dropped(DropReason::MartianDestination);
        }
        assert_eq!(lab.flow_count(), 0);
    }
}

fn packet() -> VecPacket {
    ipv4(HOST, FAR).udp(1, 2).frame([2; 6], [4; 6], 3)
}

#[test]
fn without_the_source_check_an_unknown_inside_source_is_translated_too() {
    let mut lab = Lab::new();
    lab.router.tables.settings.source_check = 0;
    let second = Ip4::new(192, 168, 15, 77);
    let sent = lab.red(&ipv4(second, FAR).udp(40_000, 53));
    sent.left_as((HOST, 40_000), (FAR, 53));
    lab.answer(&sent).reached(RED, (FAR, 53), (second, 40_000));
}
