//! Rules with ranges of ports, with sources, with destinations that are left alone.

use netns_common::{
    abi::{DropReason, Forward, HostCallKey, HostPeerKey, Ip4, Peer, Port, RuleId, Tick},
    datapath::{self, Caller, ForwardTable, HostSockets, Target},
    model::{HostSocket, rules},
};

use crate::lab::{ACK, BLUE, FAR, HOST, LAN, Lab, RED, SYN, ipv4, tcp};

const RANGE: RuleId = 9;
const OTHER: RuleId = 10;
const LOCALHOST: Ip4 = Ip4::new(127, 0, 0, 1);

#[test]
fn pitfall_moby_53466_ten_thousand_ports_are_one_rule() {
    let mut lab = Lab::new();
    lab.forward(RANGE, tcp(8000..=17_999, 20_000));
    // 8080 is in it, and has a rule of its own for any address: of one address it comes first.
    lab.router.tables.forwards.remove(&rules::TCP_8080);
    for port in [8000, 8080, 12_345, 17_999] {
        let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, port, SYN));
        request.reached(BLUE, (FAR, 50_000), (BLUE, port + 12_000));
        lab.answer(&request).left_as((HOST, port), (FAR, 50_000));
        let inner = lab.red(&ipv4(RED, HOST).tcp(40_000, port, SYN));
        inner.reached(BLUE, (HOST, 40_000), (BLUE, port + 12_000));
        lab.answer(&inner).reached(RED, (HOST, port), (RED, 40_000));
    }
    for port in [7999, 18_000] {
        lab.outside(&ipv4(FAR, HOST).tcp(50_000, port, SYN)).passed();
    }
    assert_eq!(lab.rule(RANGE).flows, 8);
}

#[test]
fn pitfall_cilium_34041_no_port_of_a_forwarded_range_is_allocated() {
    let mut lab = Lab::new();
    lab.forward(RANGE, tcp(40_000..=65_535, 1));
    lab.forward(OTHER, Forward { address: HOST, ..tcp(30_000..=30_000, 1) });
    for port in [40_000, 65_535, 50_123, 30_000] {
        let moved = lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN)).head().source_port.number();
        assert!(moved < 40_000 && moved != 30_000, "{port} became {moved}");
    }
    let kept = lab.red(&ipv4(RED, FAR).tcp(39_999, 443, SYN));
    kept.left_as((HOST, 39_999), (FAR, 443));
}

#[test]
fn a_forward_of_one_address_overrides_a_range_of_all_addresses() {
    let mut lab = Lab::new();
    lab.forward(RANGE, tcp(1000..=1999, 1000));
    lab.forward(OTHER, Forward { address: HOST, target: RED, ..tcp(1500..=1500, 22) });
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 1500, SYN)).reached(RED, (FAR, 50_000), (RED, 22));
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 1501, SYN)).reached(BLUE, (FAR, 50_000), (BLUE, 1501));
    let bridge = crate::lab::BRIDGE;
    lab.red(&ipv4(RED, bridge).tcp(40_000, 1500, SYN)).reached(
        BLUE,
        (bridge, 40_000),
        (BLUE, 1500),
    );
}

#[test]
fn a_forward_with_sources_does_not_apply_to_other_sources() {
    let mut lab = Lab::new();
    lab.forward(RANGE, Forward { restricted: 1, ..tcp(2200..=2201, 22) });
    lab.prefix(RANGE, LAN, 24);
    lab.prefix(RANGE, BLUE, 32);
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 2200, SYN)).reached(BLUE, (LAN, 50_000), (BLUE, 22));
    // The host answers the others, as with iptables.
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 2200, SYN)).passed();
    lab.red(&ipv4(RED, HOST).tcp(40_000, 2200, SYN)).passed();
    lab.blue(&ipv4(BLUE, HOST).tcp(40_000, 2200, SYN)).reached(BLUE, (HOST, 40_000), (BLUE, 22));
    // A remote that may not use it leaves the port to whoever talks to it; one that may does not.
    lab.red(&ipv4(RED, FAR).tcp(2200, 443, SYN)).left_as((HOST, 2200), (FAR, 443));
    let moved = lab.red(&ipv4(RED, LAN).tcp(2200, 443, SYN));
    assert_ne!(moved.head().source_port.number(), 2200);
}

#[test]
fn pitfall_netavark_904_transit_traffic_to_a_port_of_a_range_is_not_hijacked() {
    let mut lab = Lab::new();
    lab.forward(RANGE, tcp(1..=65_535, 1));
    let elsewhere = Ip4::new(203, 0, 113, 9);
    lab.outside(&ipv4(LAN, elsewhere).tcp(50_000, 8080, SYN)).passed();
    let sent = lab.red(&ipv4(RED, elsewhere).udp(50_000, 8080));
    sent.left_as((HOST, 50_000), (elsewhere, 8080));
    assert_eq!(lab.rule(RANGE).packets, 0);
}

#[test]
fn pitfall_moby_41872_a_port_published_on_loopback_is_unreachable_from_outside() {
    let mut lab = Lab::new();
    lab.forward(RANGE, Forward { address: LOCALHOST, ..tcp(3000..=3099, 80) });
    lab.outside(&ipv4(LAN, HOST).tcp(50_000, 3000, SYN)).passed();
    lab.red(&ipv4(RED, HOST).tcp(40_000, 3000, SYN)).passed();
    let call = ipv4(LAN, LOCALHOST).tcp(50_000, 3000, SYN);
    lab.outside(&call).dropped(DropReason::MartianDestination);
    let call = ipv4(RED, LOCALHOST).tcp(40_000, 3000, SYN);
    lab.red(&call).dropped(DropReason::MartianDestination);
    assert_eq!(lab.flow_count(), 0);
    let target = Target { address: BLUE, port: Port::new(85), rule: RANGE };
    assert_eq!(from_host(&lab, LOCALHOST, 3005), Some(target));
    assert_eq!(from_host(&lab, Ip4::UNSPECIFIED, 3005), Some(target));
    assert_eq!(from_host(&lab, HOST, 3005), None);
}

#[test]
fn connections_of_the_host_follow_ranges_and_sources_of_forwards() {
    let mut lab = Lab::new();
    lab.forward(RANGE, Forward { restricted: 1, ..tcp(3000..=3099, 80) });
    lab.prefix(RANGE, LAN, 24);
    let target = Target { address: BLUE, port: Port::new(179), rule: RANGE };
    assert_eq!(from_host(&lab, HOST, 3099), Some(target));
    // From 127.0.0.1, which is not of the LAN.
    assert_eq!(from_host(&lab, LOCALHOST, 3099), None);
    assert_eq!(from_host(&lab, FAR, 3099), None);
    assert_eq!(from_host(&lab, HOST, 3100), None);
}

#[test]
fn packets_to_an_excepted_destination_are_not_translated_and_are_answered() {
    let mut lab = Lab::new();
    lab.masquerade().excludes = 1;
    lab.prefix(rules::MASQUERADE, FAR, 24);
    let other = Ip4::new(9, 9, 9, 9);
    for packet in [
        ipv4(RED, FAR).tcp(40_000, 443, SYN),
        ipv4(RED, FAR).udp(40_000, 53),
        ipv4(RED, FAR).echo_request(7),
        ipv4(RED, FAR).protocol(47),
        ipv4(RED, FAR).fragment(9, true).udp(1, 2),
    ] {
        lab.red(&packet).passed();
        lab.stack(&packet).passed();
    }
    lab.outside(&ipv4(FAR, RED).tcp(443, 40_000, SYN | ACK)).passed();
    lab.outside(&ipv4(other, RED).tcp(443, 40_000, SYN | ACK))
        .dropped(DropReason::InsideDestination);
    lab.outside(&ipv4(RED, FAR).udp(1, 2)).dropped(DropReason::InsideSource);
    lab.stack(&ipv4(RED, other).udp(40_000, 53)).went_on_as((HOST, 40_000), (other, 53));
    lab.red(&ipv4(RED, other).udp(40_000, 53)).left_as((HOST, 40_000), (other, 53));
    assert_eq!(lab.flow_count(), 1);
}

#[test]
fn an_excepted_destination_can_use_a_forward() {
    let mut lab = Lab::new();
    lab.masquerade().excludes = 1;
    lab.prefix(rules::MASQUERADE, FAR, 24);
    let request = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    request.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    lab.answer(&request).left_as((HOST, 80), (FAR, 50_000));
}

#[test]
fn a_fixed_address_is_used_from_the_first_packet_to_the_last() {
    let mut lab = Lab::new();
    let fixed = Ip4::new(192, 168, 1, 20);
    lab.masquerade().to = fixed;
    lab.router.tables.host_addresses.insert(fixed);
    for _ in 0..3 {
        // Past a look at the routing table, which would choose another.
        lab.router.wait(3);
        let sent = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
        sent.left_as((fixed, 40_000), (FAR, 53));
        lab.answer(&sent).reached(RED, (FAR, 53), (RED, 40_000));
        assert_eq!(lab.flow_count(), 1);
    }
    // The port is looked for at that address.
    let taken = HostSocket { protocol: 17, address: fixed, port: Port::new(41_000), remote: None };
    lab.router.tables.host_sockets.insert(taken);
    let moved = lab.red(&ipv4(RED, FAR).udp(41_000, 53)).head();
    assert_eq!(moved.source, fixed);
    assert_ne!(moved.source_port.number(), 41_000);
}

#[test]
fn one_source_can_have_a_rule_for_each_uplink() {
    let mut lab = Lab::new();
    let uplink = lab.places.uplink.index;
    let fixed = Ip4::new(192, 168, 1, 20);
    let rules = &mut lab.router.tables.masquerades;
    let (prefix, _, rule) = rules[0];
    rules.push((prefix, 99, netns_common::abi::Masquerade { rule: 8, ..rule }));
    rules.push((prefix, 0, netns_common::abi::Masquerade { rule: 9, to: fixed, ..rule }));
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    assert_eq!((lab.rule(1).flows, lab.rule(8).flows, lab.rule(9).flows), (1, 0, 0));
    // Without one of its own, that for any uplink; and a longer prefix comes before both.
    lab.router.tables.masquerades[0].1 = uplink + 1;
    lab.router.tables.flush();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((fixed, 40_000), (FAR, 53));
    let one = netns_common::abi::Prefix::new(BLUE, 32);
    lab.router.tables.masquerades[0].1 = uplink;
    let single = netns_common::abi::Masquerade { rule: 11, length: 32, to: fixed, ..rule };
    lab.router.tables.masquerades.push((one, 0, single));
    lab.blue(&ipv4(BLUE, FAR).udp(41_000, 53)).left_as((fixed, 41_000), (FAR, 53));
    assert_eq!(lab.rule(11).flows, 1);
}

/// Where a TCP connection of the host leads.
fn from_host(lab: &Lab, called: Ip4, port: u16) -> Option<Target> {
    struct Sockets<'a>(&'a Lab);

    impl ForwardTable for Sockets<'_> {
        fn port_rules(&self, protocol: u8, port: Port) -> RuleId {
            self.0.router.tables.port_rules(protocol, port)
        }

        fn address_rule(&self, address: Ip4, protocol: u8, port: Port) -> RuleId {
            self.0.router.tables.address_rule(address, protocol, port)
        }

        fn target_rule(&self, target: Ip4, protocol: u8, port: Port) -> RuleId {
            self.0.router.tables.target_rule(target, protocol, port)
        }

        fn forward(&self, rule: RuleId) -> Option<Forward> {
            self.0.router.tables.forward(rule)
        }

        fn rule_has(&self, rule: RuleId, address: Ip4) -> bool {
            self.0.router.tables.rule_has(rule, address)
        }
    }

    impl HostSockets for Sockets<'_> {
        fn is_host_address(&self, address: Ip4) -> bool {
            self.0.router.tables.host_addresses.contains(&address)
        }

        fn remember_peer(&self, _: &HostPeerKey, _: &Peer) {}

        fn host_call(&self, _: &HostCallKey) -> Option<Tick> {
            None
        }

        fn note_host_call(&self, _: &HostCallKey, _: Tick) {}

        fn is_connected(&self, _: Peer, _: Peer) -> bool {
            false
        }
    }

    let own = Peer::new(Ip4::UNSPECIFIED, Port::ZERO);
    let caller = Caller { cookie: 1, protocol: 6, own };
    datapath::host_connect(&Sockets(lab), &caller, Peer::new(called, Port::new(port)), 0)
}
