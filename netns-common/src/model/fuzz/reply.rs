//! Checks that answers and ICMP errors come back to the sender of a packet.

use super::{
    offsets::{DESTINATION, SOURCE, address_at},
    session::{Passed, Session},
};
use crate::{
    datapath::{Exit, Headers, Packet as _, RouteOutcome, RouteQuery, Tables as _},
    model::{Datagram, Hook, VecPacket, ipv4},
};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const RST: u8 = 0x04;
const PROTOCOL: usize = 9;
/// Offset of the flags in a TCP header, in bytes.
const TCP_FLAGS: usize = 13;

/// Whether a packet to the source address of this packet would reach its real sender.
fn is_sincere(session: &Session, passed: &Passed) -> bool {
    // A packet to the reassembler has not reached a receiver yet.
    if matches!(passed.exit, Exit::Peer { cable } if cable == session.places.reassembler) {
        return false;
    }
    let Some(source) = address_at(&passed.before, SOURCE) else { return false };
    let tables = &session.router.tables;
    // The stack fragments the packet for a host behind a namespace. The answer comes by the cable
    // of that namespace, which the model does not know.
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

/// Whether `exit` leads back to where the packet came from.
fn leads_back(session: &Session, passed: &Passed, exit: Exit) -> bool {
    match (passed.hook, exit) {
        (Hook::FromNamespace, Exit::Peer { cable }) => cable == passed.before.link(),
        (Hook::FromUplink, Exit::Neighbour { link, .. }) => link == session.places.uplink.index,
        (Hook::FromUplink | Hook::ToUplink, Exit::Onward) => true,
        // A cable without a source check may get the answers to others' addresses.
        (Hook::ToUplink, Exit::Peer { .. }) if session.router.tables.settings.source_check == 0 => {
            true
        }
        (Hook::ToUplink, Exit::Peer { cable }) => address_at(&passed.before, SOURCE)
            .and_then(|source| session.router.tables.endpoint(source))
            .is_some_and(|end| end.cable == cable),
        _ => false,
    }
}

/// Whether it is a TCP segment with RST; later packets of its connection may be refused.
fn resets(packet: &VecPacket) -> bool {
    let ip = packet.network();
    let header = ip.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    ip.get(PROTOCOL) == Some(&TCP) && ip.get(header + TCP_FLAGS).is_some_and(|all| all & RST != 0)
}

/// Checks that the answer to a redirected packet reaches its sender, from the called address and
/// port.
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
    assert!(leads_back(session, passed, returned.exit), "to {:?}; {}", returned.exit, shown());
    let ends = |packet: &VecPacket| {
        let head = Headers::read(packet).expect("an IPv4 packet was let through");
        ((head.source, head.source_port), (head.destination, head.destination_port))
    };
    let (called, caller) = ends(&returned.after);
    assert_eq!((caller, called), ends(before), "comes back as {returned:02x?}; {}", shown());
}

/// Checks that an error about a redirected packet reaches its sender, and quotes the packet as
/// sent.
pub(super) fn error_returns(session: &mut Session, passed: &Passed) {
    const QUOTE: usize = 28;
    let Passed { before, after, .. } = passed;
    let protocol = after.network().get(PROTOCOL).copied();
    let is_flow = Headers::read(after).is_ok_and(|head| head.kind.is_flow());
    if !is_flow || resets(after) || !is_sincere(session, passed) {
        return;
    }
    // No error is sent about an echo reply. With IP options, an error quotes more bytes than this
    // check reads.
    let is_plain = |packet: &VecPacket| packet.network().first() == Some(&0x45);
    let is_reported = matches!(protocol, Some(TCP | UDP))
        || (protocol == Some(ICMP) && after.network().get(20) == Some(&8));
    if !is_reported || !is_plain(after) {
        return;
    }
    let (Some(by), Some(to)) = (address_at(after, DESTINATION), address_at(after, SOURCE)) else {
        return;
    };
    // Packets to an unused address may leave, but errors from there may not enter.
    if by.is_martian() {
        return;
    }
    let (hook, error) = session.back(passed, &ipv4(by, to).error(3, 1, after, 8));
    let shown = || std::format!("{before:02x?} became {after:02x?}, the error is {error:02x?}");
    let returned = session.run(hook, error.clone());
    let returned = returned.unwrap_or_else(|verdict| {
        panic!("the error is not let through, but {verdict:?}; {}", shown())
    });
    assert!(leads_back(session, passed, returned.exit), "to {:?}; {}", returned.exit, shown());
    assert_eq!(address_at(&returned.after, DESTINATION), address_at(before, SOURCE), "{}", shown());
    for (field, bytes) in [(SOURCE, 8), (20, 4)] {
        let quoted = returned.after.network().get(QUOTE + field..QUOTE + field + bytes);
        let sent = before.network().get(field..field + bytes);
        assert_eq!(quoted, sent, "{bytes} bytes at {field} of what it quotes; {}", shown());
    }
}
