//! What must hold, read from the bytes and not by the datapath's own eyes.

use std::collections::HashMap;

use super::steps::{DESTINATION, Passed, SOURCE, Session, address_at};
use crate::{
    abi::{FlowRecord, Ip4},
    datapath::{
        Exit, Headers, Packet as _, RouteOutcome, RouteQuery, Tables as _, Verdict, is_mapping_over,
    },
    model::{Datagram, Field, Hook, Router, VecPacket, ipv4, wrong_checksums},
};

/// More look-ups in the flow table than any packet may cost: where every port is taken, eleven attempts of
/// seventeen ports are, and two samples.
const LOOKUPS: u32 = 300;

const ETHER_TYPE: usize = 12;
const IPV4: u16 = 0x0800_u16.to_be();
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const RST: u8 = 0x04;
const PROTOCOL: usize = 9;
/// Of a TCP segment.
const TCP_FLAGS: usize = 13;

fn is_inside(router: &Router, address: Ip4) -> bool {
    let settings = &router.tables.settings;
    settings.inside.iter().take(settings.inside_count as usize).any(|net| net.contains(address))
}

/// After each packet.
pub(super) fn packet(
    router: &Router,
    hook: Hook,
    before: &VecPacket,
    after: &VecPacket,
    verdict: Verdict,
) {
    let shown = || std::format!("{hook:?}, {verdict:?}: {before:02x?} became {after:02x?}");
    let leaves = match verdict {
        Verdict::Pass => {
            assert_eq!(before.bytes(), after.bytes(), "passed untouched; {}", shown());
            hook == Hook::ToUplink && before.load(ETHER_TYPE) == Some(IPV4)
        }
        Verdict::Redirect(exit) => {
            let wrong = wrong_checksums(before.network());
            for field in wrong_checksums(after.network()) {
                assert!(wrong.contains(&field), "the checksum {field:?} is spoilt; {}", shown());
            }
            let onward = exit == Exit::Onward && hook == Hook::ToUplink;
            onward || matches!(exit, Exit::Neighbour { .. })
        }
        // An answer to its sender, in its place.
        Verdict::Answer(_, exit) => {
            // What it quotes is as its sender sent it.
            let mut wrong = wrong_checksums(after.network()).into_iter();
            assert!(wrong.all(|field| field == Field::QuotedTransport), "an answer; {}", shown());
            // One about what the stack forwarded goes back in.
            matches!(exit, Exit::Neighbour { link, .. } if is_uplink(router, link))
        }
        Verdict::Drop(_) => false,
    };
    if leaves {
        let source = address_at(after, SOURCE);
        let is_outside = source.is_some_and(|source| !is_inside(router, source));
        assert!(is_outside, "an inside source goes out; {}", shown());
    }
    let lookups = router.tables.lookups();
    assert!(lookups <= LOOKUPS, "{lookups} look-ups; {}", shown());
    let flows = router.tables.flow_count();
    assert!(flows <= router.tables.capacity, "{flows} flows; {}", shown());
}

fn is_uplink(router: &Router, link: u32) -> bool {
    let settings = &router.tables.settings;
    settings.uplinks[..settings.uplink_count as usize].contains(&link)
}

/// At the end: each inside name is that of its record, and no connection between the same ends
/// looks the same inside.
pub(super) fn inside_names(router: &Router) {
    let flows = router.tables.flows();
    for (inside, key) in router.tables.translated_flows() {
        let flow = flows.get(&key);
        let is_its =
            flow.is_some_and(|flow| FlowRecord::new(&key, flow.head).inside_key() == inside);
        assert!(is_its, "{inside:?} names {key:?}, whose record is {flow:?}");
    }
}

/// At the end: an inside end has one living mapping behind an address (RFC 4787 REQ-1).
pub(super) fn mappings(router: &Router) {
    let mut of_inside = HashMap::new();
    for (key, mapping) in router.tables.mappings() {
        if !key.is_mapping() || is_mapping_over(&mapping, router.now) {
            continue;
        }
        let end = (mapping.inside, mapping.inside_port, key.protocol(), key.address());
        let other = of_inside.insert(end, mapping);
        assert_eq!(other, None, "{end:?} has another mapping besides {mapping:?}");
    }
}

/// At the end: what is counted for each link is what the flow table has.
pub(super) fn usage(router: &Router) {
    let loads = router.tables.loads();
    for (link, usage) in router.tables.usage() {
        let load = loads.get(&link).copied().unwrap_or_default();
        assert_eq!(usage.load(), load, "of link {link}: counted, and in the table");
    }
}

/// Whether what is sent to the sender of this packet would come to him: he is who he says.
fn is_sincere(session: &Session, passed: &Passed) -> bool {
    // What goes to the reassembler has reached nobody yet.
    if matches!(passed.exit, Exit::Peer { cable } if cable == session.places.reassembler) {
        return false;
    }
    let Some(source) = address_at(&passed.before, SOURCE) else { return false };
    let tables = &session.router.tables;
    // What the stack cuts for somebody behind a namespace is answered by that one's cable, which
    // this model does not know.
    let is_known = address_at(&passed.after, DESTINATION)
        .is_some_and(|destination| tables.endpoint(destination).is_some());
    let is_onward = passed.hook == Hook::FromUplink && passed.exit == Exit::Onward;
    if is_onward && tables.settings.via_stack == 0 && !is_known {
        return false;
    }
    match passed.hook {
        Hook::FromNamespace => {
            tables.endpoint(source).is_some_and(|end| end.cable == passed.before.link())
        }
        Hook::FromUplink => {
            let route = tables.route(&RouteQuery::to(source), session.places.bridge.index);
            route.outcome == RouteOutcome::Forward && route.egress == session.places.uplink.index
        }
        Hook::ToUplink => tables.endpoint(source).is_some(),
        Hook::FromReassembler => false,
    }
}

/// The way back to where a packet came from.
fn way_back(session: &Session, passed: &Passed, exit: Exit) -> bool {
    match (passed.hook, exit) {
        (Hook::FromNamespace, Exit::Peer { cable }) => cable == passed.before.link(),
        (Hook::FromUplink, Exit::Neighbour { link, .. }) => link == session.places.uplink.index,
        (Hook::FromUplink | Hook::ToUplink, Exit::Onward) => true,
        // Who may bear others' addresses takes their answers, too.
        (Hook::ToUplink, Exit::Peer { .. }) if session.router.tables.settings.source_check == 0 => {
            true
        }
        (Hook::ToUplink, Exit::Peer { cable }) => address_at(&passed.before, SOURCE)
            .and_then(|source| session.router.tables.endpoint(source))
            .is_some_and(|end| end.cable == cable),
        _ => false,
    }
}

/// Whether it is a TCP segment that resets; what follows such a one may be refused.
fn resets(packet: &VecPacket) -> bool {
    let ip = packet.network();
    let header = ip.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    ip.get(PROTOCOL) == Some(&TCP) && ip.get(header + TCP_FLAGS).is_some_and(|all| all & RST != 0)
}

/// The answer to a packet that was let through reaches its sender, from whom he called.
pub(super) fn answer_returns(session: &mut Session, passed: &Passed) {
    let Passed { before, after, .. } = passed;
    if resets(after) || !is_sincere(session, passed) {
        return;
    }
    let Some(answer) = Datagram::answer_to(after) else { return };
    let (hook, answer) = session.back(passed, &answer);
    let shown = || std::format!("{before:02x?} became {after:02x?}, the answer is {answer:02x?}");
    let returned = session.run(hook, answer.clone());
    let returned = returned.unwrap_or_else(|verdict| {
        panic!("the answer is not let through, but {verdict:?}; {}", shown())
    });
    assert!(way_back(session, passed, returned.exit), "to {:?}; {}", returned.exit, shown());
    let ends = |packet: &VecPacket| {
        let head = Headers::read(packet).expect("an IPv4 packet was let through");
        ((head.source, head.source_port), (head.destination, head.destination_port))
    };
    let (called, caller) = ends(&returned.after);
    assert_eq!((caller, called), ends(before), "comes back as {returned:02x?}; {}", shown());
}

/// An error about a packet that was let through reaches its sender, and is about what he sent.
pub(super) fn error_returns(session: &mut Session, passed: &Passed) {
    const QUOTE: usize = 28;
    let Passed { before, after, .. } = passed;
    let protocol = after.network().get(PROTOCOL).copied();
    let is_flow = Headers::read(after).is_ok_and(|head| head.kind.is_flow());
    if !is_flow || resets(after) || !is_sincere(session, passed) {
        return;
    }
    // Nobody reports an answer to an echo; and of options a report quotes more than we read.
    let is_plain = |packet: &VecPacket| packet.network().first() == Some(&0x45);
    let is_reported = matches!(protocol, Some(TCP | UDP))
        || (protocol == Some(ICMP) && after.network().get(20) == Some(&8));
    if !is_reported || !is_plain(after) {
        return;
    }
    let (Some(by), Some(to)) = (address_at(after, DESTINATION), address_at(after, SOURCE)) else {
        return;
    };
    // Packets to an address that nobody has are let out, errors from there are not let in.
    if by.is_martian() {
        return;
    }
    let (hook, error) = session.back(passed, &ipv4(by, to).error(3, 1, after, 8));
    let shown = || std::format!("{before:02x?} became {after:02x?}, the error is {error:02x?}");
    let returned = session.run(hook, error.clone());
    let returned = returned.unwrap_or_else(|verdict| {
        panic!("the error is not let through, but {verdict:?}; {}", shown())
    });
    assert!(way_back(session, passed, returned.exit), "to {:?}; {}", returned.exit, shown());
    assert_eq!(address_at(&returned.after, DESTINATION), address_at(before, SOURCE), "{}", shown());
    for (field, bytes) in [(SOURCE, 8), (20, 4)] {
        let quoted = returned.after.network().get(QUOTE + field..QUOTE + field + bytes);
        let sent = before.network().get(field..field + bytes);
        assert_eq!(quoted, sent, "{bytes} bytes at {field} of what it quotes; {}", shown());
    }
}
