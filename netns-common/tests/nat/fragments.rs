//! Datagrams in fragments: in order, out of order, among others, and in floods.

use std::collections::BTreeMap;

use netns_common::{
    abi::{DropReason, Ip4},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, Places, Random, VecPacket, join, split},
};

use crate::{
    lab::{ACK, BLUE, BRIDGE, FAR, HOST, LAN, RED, SYN, ipv4},
    way::{PIECE, SHORT, VIA_STACK, Way},
};

/// All orders of a few.
fn orders(frames: &[VecPacket]) -> Vec<Vec<VecPacket>> {
    if frames.len() <= 1 {
        return vec![frames.to_vec()];
    }
    let mut all = Vec::new();
    for at in 0..frames.len() {
        let mut others = frames.to_vec();
        let first = others.remove(at);
        all.extend(orders(&others).into_iter().map(|order| {
            let mut whole = vec![first.clone()];
            whole.extend(order);
            whole
        }));
    }
    all
}

fn shuffle(random: &mut Random, frames: &mut [VecPacket]) {
    for at in (1..frames.len()).rev() {
        frames.swap(at, random.below(at + 1));
    }
}

fn large(source: Ip4, destination: Ip4) -> [Datagram; 3] {
    let packet = || ipv4(source, destination).payload(3 * PIECE - 20);
    [
        packet().udp(40_000, 53),
        packet().tcp(40_000, 443, SYN).payload(3 * PIECE),
        packet().echo_request(40_000),
    ]
}

/// A packet of each kind in each mode.
fn each_way(check: impl Fn(Datagram, u8)) {
    for via_stack in [SHORT, VIA_STACK] {
        for packet in large(RED, FAR) {
            check(packet, via_stack);
        }
    }
}

#[test]
fn rfc4787_req14_datagrams_in_fragments_leave_in_any_order() {
    each_way(|packet, via_stack| {
        let way = Way::in_mode(via_stack);
        let whole = way.red(&packet);
        let expected = way.alone(Hook::FromNamespace, std::slice::from_ref(&whole));
        let fragments = split(&whole, PIECE);
        assert!(fragments.len() >= 3);
        for order in orders(&fragments) {
            let mut way = Way::in_mode(via_stack);
            way.send(Hook::FromNamespace, order);
            let (exit, whole) = way.whole();
            assert_eq!((exit, whole.bytes()), (expected[0].0, expected[0].1.bytes()));
            assert_eq!(way.reassembler.waiting(), 0);
            assert_eq!(way.lab.flow_count(), 1);
        }
    });
}

#[test]
fn rfc4787_req14_answers_in_fragments_arrive_in_any_order() {
    each_way(|packet, via_stack| {
        let mut way = Way::in_mode(via_stack);
        way.send(Hook::FromNamespace, [way.red(&packet)]);
        let sent = way.out.remove(0).1;
        let answer = Datagram::answer_to(&sent).expect("an answer").payload(4 * PIECE);
        let Places { red_port, red_mac, uplink, .. } = way.lab.places;
        let (expected, mac) = match via_stack {
            VIA_STACK => (Exit::Onward, uplink.mac),
            _ => (Exit::Peer { cable: red_port }, red_mac),
        };
        for order in orders(&split(&way.outside(&answer), PIECE)) {
            way.send(Hook::FromUplink, order);
            let (exit, whole) = way.whole();
            assert_eq!(exit, expected);
            assert_eq!(whole.destination_mac(), Some(mac));
            assert_eq!(&whole.network()[16..20], RED.octets());
            assert_eq!(whole.network().len(), way.outside(&answer).network().len());
        }
    });
}

/// What is too large for the uplink and may be cut goes to the stack whole, or in the pieces that
/// it came in.
#[test]
fn rfc4787_req14_fragments_made_by_the_stack_leave_translated() {
    let mut way = Way::new();
    let whole = way.red(&ipv4(RED, FAR).udp(40_000, 53).payload(4 * PIECE));
    let at = way.lab.places.uplink.index;
    let pieces = split(&whole, PIECE);
    way.send(
        Hook::ToUplink,
        pieces.into_iter().map(|piece| VecPacket::new(piece.bytes().to_vec(), at)),
    );
    let (exit, whole) = way.whole();
    assert_eq!(exit, Exit::Onward);
    assert_eq!(&whole.network()[12..20], [HOST.octets(), FAR.octets()].concat());
    assert_eq!(way.lab.flow_count(), 1);
}

#[test]
fn rfc4787_req14_a_forwards_datagrams_pass_in_any_order_both_ways() {
    let mut way = Way::new();
    let request = way.outside(&ipv4(FAR, HOST).udp(50_000, 5353).payload(4 * PIECE));
    for order in orders(&split(&request, PIECE)) {
        way.send(Hook::FromUplink, order);
        let (exit, whole) = way.whole();
        assert_eq!(exit, Exit::Peer { cable: way.lab.places.blue_port });
        let answer = Datagram::answer_to(&whole).expect("an answer").payload(3 * PIECE);
        let mut fragments = split(&way.blue(&answer), PIECE);
        fragments.reverse();
        way.send(Hook::FromNamespace, fragments);
        let (_, whole) = way.whole();
        assert_eq!(&whole.network()[12..20], [HOST.octets(), FAR.octets()].concat());
        assert_eq!(&whole.network()[20..24], [20, 233, 195, 80]);
    }
    assert_eq!(way.lab.flow_count(), 1);
}

#[test]
fn rfc4787_req14_fragments_of_a_hairpin_pass_in_any_order_in_the_model() {
    let mut way = Way::new();
    let request = way.red(&ipv4(RED, HOST).udp(40_000, 5353).payload(4 * PIECE));
    for order in orders(&split(&request, PIECE)) {
        way.send(Hook::FromNamespace, order);
        let (exit, whole) = way.whole();
        assert_eq!(exit, Exit::Peer { cable: way.lab.places.blue_port });
        assert_eq!(&whole.network()[12..20], [HOST.octets(), BLUE.octets()].concat());
    }
}

#[test]
fn rfc4787_req14_the_hosts_own_datagrams_reach_it_untouched_in_any_order() {
    let echo = ipv4(LAN, HOST).echo_request(7).payload(4 * PIECE);
    let far = ipv4(LAN, HOST).udp(53, 33_333).payload(4 * PIECE);
    for packet in [echo, far] {
        let frame = Way::new().outside(&packet);
        for order in orders(&split(&frame, PIECE)) {
            let mut way = Way::new();
            way.send(Hook::FromUplink, order);
            assert_eq!(way.out.len(), 0);
            let whole = join(&way.passed).expect("all of it");
            assert_eq!(whole.bytes(), frame.bytes());
        }
    }
    let frame = Way::new().red(&ipv4(RED, BRIDGE).echo_request(7).payload(4 * PIECE));
    for order in orders(&split(&frame, PIECE)) {
        let mut way = Way::new();
        way.send(Hook::FromNamespace, order);
        assert_eq!(join(&way.passed).expect("all of it").bytes(), frame.bytes());
    }
}

#[test]
fn rfc4787_req14_interleaved_datagrams_are_kept_apart() {
    let mut random = Random::new(14);
    for round in 0..200 {
        let mut way = Way::new();
        let mut all = Vec::new();
        let mut expected = Vec::new();
        for number in 0..6_u16 {
            let packet = ipv4(RED, if number % 2 == 0 { FAR } else { LAN })
                .udp(40_000 + number, 53)
                .id(number / 2 + round)
                .payload(PIECE * 3 + usize::from(number));
            let frame = way.red(&packet);
            expected.extend(way.alone(Hook::FromNamespace, std::slice::from_ref(&frame)));
            let mut fragments = split(&frame, PIECE);
            // Now and then the network brings something twice.
            if random.one_in(2) {
                fragments.push(fragments[random.below(fragments.len())].clone());
            }
            all.extend(fragments);
        }
        shuffle(&mut random, &mut all);
        way.send(Hook::FromNamespace, all);
        // The NAT chooses the identification: the fragments of a datagram have the same one.
        let mut datagrams: BTreeMap<_, Vec<VecPacket>> = BTreeMap::new();
        for (_, frame) in &way.out {
            let ip = frame.network();
            datagrams.entry((&ip[4..6], &ip[16..20])).or_default().push(frame.clone());
        }
        let ends = |frame: &VecPacket| frame.network()[12..].to_vec();
        let mut joined: Vec<_> = datagrams
            .values()
            .map(|own| ends(&join(own).unwrap_or_else(|| panic!("round {round}: {own:?}"))))
            .collect();
        let mut expected: Vec<_> = expected.iter().map(|(_, frame)| ends(frame)).collect();
        joined.sort();
        expected.sort();
        assert_eq!(joined, expected, "round {round}");
    }
}

#[test]
fn a_fragment_entry_does_not_apply_to_the_next_datagram_with_the_same_id() {
    let mut way = Way::new();
    let frame = way.red(&ipv4(RED, FAR).udp(40_000, 53).payload(3 * PIECE));
    let fragments = split(&frame, PIECE);
    way.send(Hook::FromNamespace, fragments.clone());
    way.whole();
    way.lab.router.wait(5);
    // Without its first one nothing leaves any more.
    way.send(Hook::FromNamespace, fragments[1..].to_vec());
    assert_eq!(way.out.len(), 0);
    assert_eq!(way.reassembler.waiting(), fragments.len() - 1);
    way.send(Hook::FromNamespace, [fragments[0].clone()]);
    way.whole();
}

#[test]
fn a_first_fragment_leaves_without_waiting_for_the_others() {
    let mut way = Way::new();
    let frame = way.red(&ipv4(RED, FAR).udp(40_000, 53).payload(3 * PIECE));
    way.send(Hook::FromNamespace, [split(&frame, PIECE)[0].clone()]);
    assert_eq!((way.out.len(), way.reassembler.waiting()), (1, 0));
}

#[test]
fn fragments_that_hide_the_ports_or_flags_are_dropped() {
    let mut way = Way::new();
    let frame = way.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN).payload(40));
    // RFC 1858: a first fragment without the flags, and a second one that would overwrite them.
    for fragment in &split(&frame, 8)[..2] {
        way.lab.send(Hook::FromNamespace, fragment.clone()).dropped(DropReason::Malformed);
    }
    let frame = way.outside(&ipv4(FAR, HOST).tcp(40_000, 80, ACK).payload(40));
    way.lab.send(Hook::FromUplink, split(&frame, 8)[0].clone()).dropped(DropReason::Malformed);
    assert_eq!(way.lab.flow_count(), 0);
}

#[test]
fn a_later_fragment_is_checked_like_any_packet() {
    let mut way = Way::new();
    let frame = way.blue(&ipv4(BLUE, FAR).udp(40_000, 53).payload(3 * PIECE));
    let fragments = split(&frame, PIECE);
    way.send(Hook::FromNamespace, [fragments[0].clone()]);
    // Blue's datagram is no way out for red.
    let forged = VecPacket::new(fragments[1].bytes().to_vec(), way.lab.places.red_port);
    way.lab.send(Hook::FromNamespace, forged).dropped(DropReason::SpoofedMac);
    let inward = |source, destination| {
        let packet = ipv4(source, destination).udp(1, 2).payload(3 * PIECE);
        split(&Way::new().outside(&packet), PIECE)[1].clone()
    };
    way.lab.send(Hook::FromUplink, inward(FAR, RED)).dropped(DropReason::InsideDestination);
    way.lab.send(Hook::FromUplink, inward(RED, HOST)).dropped(DropReason::InsideSource);
    way.lab.send(Hook::FromUplink, inward(LAN, FAR)).passed();
}

#[test]
fn times_to_live_of_later_fragments_count_down() {
    let mut way = Way::new();
    let packet = |ttl| ipv4(RED, FAR).ttl(ttl).udp(40_000, 53).payload(3 * PIECE);
    way.send(Hook::FromNamespace, split(&way.red(&packet(9)), PIECE));
    assert!(way.out.iter().all(|(_, frame)| frame.network()[8] == 8), "{:?}", way.out);
    way.send(Hook::FromNamespace, [split(&way.red(&packet(1)), PIECE)[1].clone()]);
    assert_eq!(way.passed.len(), 1);
    let answer = ipv4(FAR, HOST).udp(53, 40_000).payload(3 * PIECE);
    way.send(Hook::FromUplink, [split(&way.outside(&answer), PIECE)[0].clone()]);
    let late = split(&way.outside(&answer.ttl(1)), PIECE)[1].clone();
    way.lab.send(Hook::FromUplink, late).dropped(DropReason::TtlExceeded);
}

#[test]
fn without_a_reassembler_only_fragments_in_order_pass() {
    let mut way = Way::new();
    way.lab.router.tables.settings.reassembler = 0;
    let frame = way.red(&ipv4(RED, FAR).udp(40_000, 53).payload(3 * PIECE));
    way.send(Hook::FromNamespace, split(&frame, PIECE));
    way.whole();
    let other = way.red(&ipv4(RED, FAR).id(9).udp(40_000, 53).payload(3 * PIECE));
    way.lab
        .send(Hook::FromNamespace, split(&other, PIECE)[1].clone())
        .dropped(DropReason::Fragment);
}

#[test]
fn a_packet_forged_as_coming_from_the_reassembler_is_dropped() {
    let mut way = Way::new();
    let stray = |packet: &Datagram| VecPacket::new(way.red(packet).bytes().to_vec(), 20);
    let whole = stray(&ipv4(RED, FAR).udp(40_000, 53));
    let error = stray(&ipv4(FAR, RED).icmp(11, 1, [0; 4]));
    let fragment = split(&stray(&ipv4(RED, FAR).udp(1, 2).payload(3 * PIECE)), PIECE)[0].clone();
    for frame in [whole, error, fragment] {
        way.lab.send(Hook::FromReassembler, frame).dropped(DropReason::Fragment);
    }
}

/// Fragments that no first one ever follows.
fn flood(way: &mut Way, count: u16, frame: impl Fn(&Way, u16) -> VecPacket, hook: Hook) -> u32 {
    let mut waiting = 0;
    for number in 0..count {
        let fragment = split(&frame(way, number), PIECE)[1].clone();
        let sent = way.lab.send(hook, fragment);
        if sent.verdict == Verdict::Redirect(Exit::Peer { cable: way.lab.places.reassembler }) {
            waiting += 1;
        }
    }
    waiting
}

#[test]
fn rfc4787_req14a_a_fragment_flood_of_red_does_not_displace_datagrams_of_blue() {
    [SHORT, VIA_STACK].into_iter().for_each(a_flood_from_red_leaves_others_alone);
}

fn a_flood_from_red_leaves_others_alone(via_stack: u8) {
    let mut way = Way::in_mode(via_stack);
    let waiting = flood(
        &mut way,
        5000,
        |way, id| {
            let packet = ipv4(RED, FAR).id(id).udp(1, 2).payload(2 * PIECE);
            way.red(&packet)
        },
        Hook::FromNamespace,
    );
    assert!(way.lab.drops(DropReason::FragmentFlood) > 4000);
    // Bounded in the reassembler: 128 KiB, of which each takes 884 bytes.
    assert!(waiting <= 150, "{waiting}");
    let frame = way.blue(&ipv4(BLUE, FAR).udp(40_000, 53).payload(9 * PIECE));
    let mut fragments = split(&frame, PIECE);
    fragments.reverse();
    way.send(Hook::FromNamespace, fragments);
    way.whole();
    // Red's own in order pass too, wherever the notes about them have their places.
    for id in 9000..9064 {
        let frame = way.red(&ipv4(RED, FAR).id(id).udp(9, 9).payload(9 * PIECE));
        way.send(Hook::FromNamespace, split(&frame, PIECE));
        way.whole();
    }
    // And when it ends, all.
    way.lab.router.wait(9);
    let frame = way.red(&ipv4(RED, FAR).id(9).udp(40_000, 53).payload(9 * PIECE));
    let mut fragments = split(&frame, PIECE);
    fragments.reverse();
    way.send(Hook::FromNamespace, fragments);
    way.whole();
}

#[test]
fn rfc4787_req14a_a_fragment_flood_from_outside_does_not_displace_a_pending_datagram() {
    let mut way = Way::new();
    way.send(Hook::FromNamespace, [way.red(&ipv4(RED, FAR).udp(40_000, 53))]);
    way.out.clear();
    let answer = ipv4(FAR, HOST).udp(53, 40_000).id(7).payload(3 * PIECE);
    let fragments = split(&way.outside(&answer), PIECE);
    way.send(Hook::FromUplink, [fragments[0].clone()]);
    // First fragments of the host's own, from everywhere.
    for number in 0..20_000_u32 {
        let source = Ip4::new(20, (number >> 16) as u8, (number >> 8) as u8, number as u8);
        let packet = ipv4(source, HOST).udp(1, 2).id(number as u16).payload(99);
        way.send(Hook::FromUplink, [split(&way.outside(&packet), PIECE)[0].clone()]);
    }
    way.send(Hook::FromUplink, fragments[1..].to_vec());
    way.whole();
}

#[test]
fn rfc4787_req14a_the_fragment_table_and_its_budgets_are_bounded() {
    let mut way = Way::new();
    flood(
        &mut way,
        u16::MAX,
        |way, number| {
            let [a, b] = number.to_be_bytes();
            let source = Ip4::new(20, a, b, 1);
            let packet = ipv4(source, HOST).id(number).udp(1, 2).payload(2 * PIECE);
            way.outside(&packet)
        },
        Hook::FromUplink,
    );
    let (notes, budgets) =
        (way.lab.router.tables.fragments().len(), way.lab.router.tables.fragment_budgets());
    assert!(notes <= netns_common::abi::MAX_FRAGMENTS as usize);
    assert!(budgets.len() <= 256, "{}", budgets.len());
    // Inside ones are apart from all of them.
    let frame = way.red(&ipv4(RED, FAR).udp(40_000, 53).payload(9 * PIECE));
    let mut fragments = split(&frame, PIECE);
    fragments.reverse();
    way.send(Hook::FromNamespace, fragments);
    way.whole();
}
