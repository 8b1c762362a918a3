//! Checks of the router after each packet, which read the bytes without the datapath's parser.

use std::collections::HashMap;

use super::offsets::{SOURCE, address_at};
use crate::{
    abi::{FlowRecord, Ip4},
    datapath::{Exit, Packet as _, Verdict, is_mapping_over},
    model::{Field, Hook, Router, VecPacket, wrong_checksums},
};

/// An upper bound for the look-ups in the flow table per packet. The worst case is an allocation
/// when every port is in use, with all attempts and the samples of reclaim.
const LOOKUPS: u32 = 300;

const ETHER_TYPE: usize = 12;
const IPV4: u16 = 0x0800_u16.to_be();

fn is_inside(router: &Router, address: Ip4) -> bool {
    let settings = &router.tables.settings;
    settings.inside.iter().take(settings.inside_count as usize).any(|net| net.contains(address))
}

/// Checks one packet.
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
        // An ICMP error to its sender replaces the packet.
        Verdict::Answer(_, exit) => {
            // The quotation is the packet as its sender sent it.
            let mut wrong = wrong_checksums(after.network()).into_iter();
            assert!(wrong.all(|field| field == Field::QuotedTransport), "an answer; {}", shown());
            // An error about a packet that the stack forwarded goes back inside.
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

/// At the end: each entry by translated port belongs to its record, and no two connections have the
/// same inside key.
pub(super) fn inside_names(router: &Router) {
    let flows = router.tables.flows();
    for (inside, key) in router.tables.translated_flows() {
        let flow = flows.get(&key);
        let is_its =
            flow.is_some_and(|flow| FlowRecord::new(&key, flow.head).inside_key() == inside);
        assert!(is_its, "{inside:?} names {key:?}, whose record is {flow:?}");
    }
}

/// At the end: an inside end has one current mapping behind an address (RFC 4787 REQ-1).
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

/// At the end: the counts of each link match the flow table.
pub(super) fn usage(router: &Router) {
    let loads = router.tables.loads();
    for (link, usage) in router.tables.usage() {
        let load = loads.get(&link).copied().unwrap_or_default();
        assert_eq!(usage.load(), load, "of link {link}: counted, and in the table");
    }
}
