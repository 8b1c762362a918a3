//! Policy routing: which uplink a connection leaves by hangs on more than its destination.

use netns_common::{
    abi::{Ip4, LinkRole, Masquerade, Port, Prefix},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, Way},
};

use crate::lab::{BLUE, FAR, HOST, Lab, RED, SYN, Sent, ipv4};

/// Index of a second uplink.
const SECOND: u32 = 40;

/// The router's address there, and its gateway.
const EXTERNAL: Ip4 = Ip4::new(198, 51, 100, 2);
const GATEWAY: Ip4 = Ip4::new(198, 51, 100, 1);

const BY_SECOND: Way = Way::Via { egress: SECOND, gateway: GATEWAY, source: EXTERNAL };

/// A lab with a second uplink, by which a rule leads packets of a source to a port.
fn led(source: Ip4, port: u16, via_stack: bool) -> Lab {
    let mut lab = Lab::new();
    let tables = &mut lab.router.tables;
    tables.settings.via_stack = u8::from(via_stack);
    tables.settings.uplinks[1] = SECOND;
    tables.settings.externals[1] = EXTERNAL;
    tables.settings.uplink_count = 2;
    tables.link_roles.insert(SECOND, LinkRole::Uplink);
    tables.host_addresses.insert(EXTERNAL);
    let rule = Masquerade { rule: 30, length: 24, ..Masquerade::default() };
    tables.masquerades.push((Prefix::new(RED, 24), SECOND, rule));
    let routes = std::mem::take(&mut tables.routes).also_from(SECOND);
    tables.routes =
        routes.with(EXTERNAL, 32, Way::Local).with_rule(source, 32, Port::new(port), BY_SECOND);
    lab
}

/// It left by the second uplink, bearing these ends.
#[track_caller]
fn left_by_second(sent: &Sent, port: u16, service: u16) {
    let exit = Exit::Neighbour { link: SECOND, next_hop: GATEWAY };
    assert_eq!(sent.verdict, Verdict::Redirect(exit));
    assert_eq!(sent.ends(), ((EXTERNAL, port), (FAR, service)));
}

/// The outside sends a packet in by the second uplink.
fn in_by_second(lab: &mut Lab, packet: &Datagram) -> Sent {
    let places = lab.places;
    lab.send(Hook::FromUplink, packet.frame(places.lan_mac, places.uplink.mac, SECOND))
}

#[test]
fn an_ip_rule_for_a_source_selects_the_uplink_in_the_model() {
    let mut lab = led(BLUE, 0, false);
    lab.red(&ipv4(RED, FAR).udp(5000, 53)).left_as((HOST, 5000), (FAR, 53));
    for _ in 0..2 {
        left_by_second(&lab.blue(&ipv4(BLUE, FAR).udp(5000, 53)), 5000, 53);
        // It stays so when the route is asked for anew.
        lab.router.wait(3);
    }
    let answer = ipv4(FAR, EXTERNAL).udp(53, 5000);
    in_by_second(&mut lab, &answer).reached(BLUE, (FAR, 53), (BLUE, 5000));
}

#[test]
fn an_ip_rule_for_a_port_selects_the_uplink() {
    let mut lab = led(BLUE, 443, false);
    left_by_second(&lab.blue(&ipv4(BLUE, FAR).tcp(5000, 443, SYN)), 5000, 443);
    lab.blue(&ipv4(BLUE, FAR).tcp(5000, 80, SYN)).left_as((HOST, 5000), (FAR, 80));
}

#[test]
fn packets_routed_by_the_stack_are_translated_at_any_uplink() {
    // By a rule that the kernel is asked about, and by one that it is not.
    for source in [BLUE, Ip4::new(10, 9, 9, 9)] {
        let mut lab = led(source, 0, true);
        let places = lab.places;
        let mut frame = ipv4(BLUE, FAR).udp(5000, 53).frame([2; 6], places.lan_mac, SECOND);
        frame.ingress = places.bridge.index;
        let sent = lab.send(Hook::ToUplink, frame);
        sent.went_on_as((EXTERNAL, 5000), (FAR, 53));
    }
}

#[test]
fn answers_leave_by_the_uplink_that_the_call_came_in_by() {
    let mut lab = led(Ip4::new(10, 9, 9, 9), 0, false);
    let routes = std::mem::take(&mut lab.router.tables.routes);
    // A second default route, which the kernel would not choose: the first one counts.
    lab.router.tables.routes = routes.with_metric(BY_SECOND);
    let call = in_by_second(&mut lab, &ipv4(FAR, EXTERNAL).tcp(50_000, 80, SYN));
    call.reached(BLUE, (FAR, 50_000), (BLUE, 80));
    for _ in 0..2 {
        let answer = lab.blue(&Datagram::answer_to(&call.after).expect("an answer"));
        let exit = Exit::Neighbour { link: SECOND, next_hop: GATEWAY };
        assert_eq!(answer.verdict, Verdict::Redirect(exit));
        lab.router.wait(3);
    }
    // A call by the first uplink is answered there.
    let call = lab.outside(&ipv4(FAR, HOST).tcp(50_001, 80, SYN));
    lab.answer(&call).left_as((HOST, 80), (FAR, 50_001));
}
