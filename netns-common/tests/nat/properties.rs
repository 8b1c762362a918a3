//! What holds for any packets in any order.

use netns_common::{
    abi::{FlowRecord, Prefix},
    datapath::{Exit, Headers, Kind, Verdict},
    model::{Datagram, Field, Generator, Hook, Places, Router, Step, VecPacket, wrong_checksums},
};
use proptest::prelude::*;

use crate::lab::{BRIDGE, Lab};

/// Lets arbitrary packets meet a router, and `check` see each of them.
fn live(
    seed: u64,
    steps: usize,
    change: impl Fn(&mut Router),
    mut check: impl FnMut(&mut Router, Hook, &VecPacket, &VecPacket, Verdict),
) {
    let mut router = Router::lecture();
    change(&mut router);
    let mut generator = Generator::new(Places::default(), seed);
    for _ in 0..steps {
        match generator.step() {
            Step::Packet(hook, before) => {
                let mut after = before.clone();
                let verdict = router.run(hook, &mut after);
                generator.observe(verdict, &after);
                check(&mut router, hook, &before, &after, verdict);
            }
            Step::Pause(length) => router.wait(45 * length),
        }
    }
}

/// A router with default settings, one with a nearly full table, and one with hardly any ports.
fn routers() -> impl Strategy<Value = fn(&mut Router)> {
    prop_oneof![
        Just((|_| {}) as fn(&mut Router)),
        Just((|router| router.tables.capacity = 5) as fn(&mut Router)),
        Just(
            (|router| {
                let settings = &mut router.tables.settings;
                (settings.port_min, settings.port_max) = (40_000, 40_003);
                settings.source_check = 0;
            }) as fn(&mut Router)
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_passes_is_untouched(seed: u64, change in routers()) {
        live(seed, 300, change, |_, _, before, after, verdict| {
            if verdict == Verdict::Pass {
                assert_eq!(before.bytes(), after.bytes());
            }
        });
    }

    #[test]
    fn no_inside_source_is_redirected_to_an_uplink(seed: u64, change in routers()) {
        let inside = Prefix::new(BRIDGE, 24);
        live(seed, 300, change, |_, _, _, after, verdict| {
            if let Verdict::Redirect(Exit::Neighbour { .. }) = verdict {
                let head = Headers::read(after).expect("an IPv4 packet");
                assert!(!inside.contains(head.source), "{head:?}");
            }
        });
    }

    #[test]
    fn no_checksum_is_spoilt(seed: u64, change in routers()) {
        live(seed, 300, change, |_, _, before, after, verdict| {
            if let Verdict::Redirect(_) = verdict {
                let wrong: Vec<Field> = wrong_checksums(before.network());
                for field in wrong_checksums(after.network()) {
                    assert!(wrong.contains(&field), "{field:?}: {before:02x?} to {after:02x?}");
                }
            }
        });
    }

    #[test]
    fn only_headers_change(seed: u64) {
        live(seed, 300, |_| {}, |_, _, before, after, verdict| {
            if let (Verdict::Redirect(_), Ok(head)) = (verdict, Headers::read(before)) {
                assert_eq!(before.bytes().len(), after.bytes().len());
                // All but the identification, which only what may be fragmented is given.
                for same in [14..18, 20..22] {
                    assert_eq!(before.bytes()[same.clone()], after.bytes()[same]);
                }
                if !head.may_be_fragmented {
                    assert_eq!(before.bytes()[18..20], after.bytes()[18..20]);
                }
                if head.kind.is_flow() {
                    let payload = usize::from(head.l4)
                        + match head.kind {
                            Kind::Portless => 0,
                            Kind::Sctp => 12,
                            _ => 18,
                        };
                    assert_eq!(before.bytes().get(payload..), after.bytes().get(payload..));
                }
            }
        });
    }

    #[test]
    fn the_answer_to_a_packet_that_left_reaches_exactly_its_sender(
        seed: u64,
        change in routers(),
    ) {
        let places = Places::default();
        live(seed, 300, change, |router, hook, before, after, verdict| {
            let Verdict::Redirect(Exit::Neighbour { .. }) = verdict else { return };
            assert_eq!(hook, Hook::FromNamespace);
            let Some(answer) = Datagram::answer_to(after) else { return };
            let Places { lan_mac, uplink, .. } = places;
            let mut answer = answer.frame(lan_mac, uplink.mac, uplink.index);
            let verdict = router.run(Hook::FromUplink, &mut answer);
            let sent = Headers::read(before).expect("an IPv4 packet");
            let got = Headers::read(&answer).expect("an IPv4 packet");
            // Without the source check, a packet may have the address of another cable or of none.
            // Its answers go back by its own cable, or where that address is.
            let is_checked = router.tables.settings.source_check != 0;
            let end = router.tables.endpoints.get(&sent.source).copied();
            let back = Exit::Peer { cable: netns_common::datapath::Packet::link(before) };
            let at_address = end.map_or(Exit::Onward, |end| Exit::Peer { cable: end.cable });
            let exits = [back, if is_checked { back } else { at_address }];
            assert!(exits.map(Verdict::Redirect).contains(&verdict), "{verdict:?}, not {exits:?}");
            assert_eq!((got.destination, got.destination_port), (sent.source, sent.source_port));
            assert_eq!((got.source, got.source_port), (sent.destination, sent.destination_port));
            // Of several Ethernet addresses behind an unchecked cable, the first one's is kept.
            if is_checked {
                assert_eq!(answer.destination_mac(), end.map(|end| end.mac));
            }
        });
    }

    #[test]
    fn every_inside_name_is_that_of_its_record_and_work_is_bounded(seed: u64, change in routers()) {
        live(seed, 300, change, |router, _, _, _, _| {
            assert!(router.tables.lookups() <= 300);
            let flows = router.tables.flows();
            assert!(flows.len() <= router.tables.capacity);
            for (inside, key) in router.tables.translated_flows() {
                let flow = flows.get(&key).expect("the record of an inside name");
                assert_eq!(FlowRecord::new(&key, flow.head).inside_key(), inside);
            }
        });
    }

    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        hook in prop::sample::select(vec![Hook::FromNamespace, Hook::FromUplink, Hook::ToUplink]),
        link in prop::sample::select(vec![3_u32, 11, 12, 99]),
        ipv4: bool,
    ) {
        let mut bytes = bytes;
        if ipv4 && bytes.len() > 14 {
            bytes[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        }
        let mut lab = Lab::new();
        let sent = lab.send(hook, VecPacket::new(bytes, link));
        if sent.verdict == Verdict::Pass {
            prop_assert_eq!(sent.before.bytes(), sent.after.bytes());
        }
    }
}
