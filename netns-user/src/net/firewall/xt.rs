//! Matches and targets of iptables, which both of its variants pass to the kernel as structures
//! (linux/netfilter/xt_tcpudp.h, linux/netfilter/nf_nat.h).

use std::net::Ipv4Addr;

use super::ruleset::{Action, Condition, Translation};

/// `NF_NAT_RANGE_MAP_IPS` and `NF_NAT_RANGE_PROTO_SPECIFIED`.
const HAS_ADDRESS: u32 = 1;
const HAS_PORT: u32 = 2;

/// Bytes of `struct nf_nat_range2`. The older structure is shorter.
const RANGE2: usize = 42;

/// The condition of a match; `None` for a comment, which matches everything.
pub(super) fn condition(name: &str, data: &[u8]) -> Option<Condition> {
    match name {
        "tcp" | "udp" => Some(destination_port(data, name == "tcp").unwrap_or(Condition::Other)),
        "conntrack" | "state" => Some(Condition::Connection),
        "comment" => None,
        _ => Some(Condition::Other),
    }
}

/// The only condition of a `struct xt_tcp` or `struct xt_udp`, if it is for the destination port.
fn destination_port(data: &[u8], tcp: bool) -> Option<Condition> {
    let port = |at: usize| Some(u16::from_ne_bytes(data.get(at..at + 2)?.try_into().ok()?));
    // The option and the flags of TCP, and the inverting flags.
    let others = data.get(8..if tcp { 12 } else { 9 })?;
    let any_source = (port(0)?, port(2)?) == (0, u16::MAX);
    let plain = any_source && others.iter().all(|byte| *byte == 0);
    Some(if plain { Condition::DestinationPort(port(4)?..=port(6)?) } else { Condition::Other })
}

/// The action of a target that is not one of the chain's own.
pub(super) fn action(name: &str, data: &[u8]) -> Action {
    match name {
        "REJECT" | "DROP" => Action::Drop,
        "DNAT" | "REDIRECT" | "SNAT" | "MASQUERADE" => Action::Translate(translation(data)),
        _ => Action::Continue,
    }
}

/// `struct nf_nat_range2`, or `struct nf_nat_ipv4_multi_range_compat`.
fn translation(data: &[u8]) -> Translation {
    // Flags, address and port.
    let places = if data.len() < RANGE2 { (4, 8, 16) } else { (0, 4, 36) };
    let bytes = |at: usize| data.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let flags = bytes(places.0).map_or(0, u32::from_ne_bytes);
    let port = data.get(places.2..places.2 + 2).and_then(|bytes| bytes.try_into().ok());
    Translation {
        address: bytes(places.1).filter(|_| flags & HAS_ADDRESS != 0).map(Ipv4Addr::from),
        port: port.filter(|_| flags & HAS_PORT != 0).map(u16::from_be_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_of_only_a_destination_port_is_understood() {
        let mut data = [0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];
        data[4..6].copy_from_slice(&80_u16.to_ne_bytes());
        data[6..8].copy_from_slice(&90_u16.to_ne_bytes());
        let ports = Some(Condition::DestinationPort(80..=90));
        assert_eq!(condition("tcp", &data), ports);
        assert_eq!(condition("udp", &data[..9]), ports);
        // An inverted match, a flag of TCP, a source port.
        for at in [11, 10, 0] {
            let mut other = data;
            other[at] = 1;
            assert_eq!(condition("tcp", &other), Some(Condition::Other));
        }
        assert_eq!(condition("tcp", &data[..5]), Some(Condition::Other));
        assert_eq!(condition("comment", &[]), None);
    }

    #[test]
    fn the_target_of_a_translation_is_read_from_both_structures() {
        let target = |data: &[u8]| match action("DNAT", data) {
            Action::Translate(translation) => (translation.address, translation.port),
            other => panic!("{other:?}"),
        };
        let address = Some(Ipv4Addr::new(10, 9, 3, 2));
        let mut new = [0; 48];
        new[..8].copy_from_slice(&[3, 0, 0, 0, 10, 9, 3, 2]);
        new[36..38].copy_from_slice(&80_u16.to_be_bytes());
        let mut old = [0; 24];
        old[..12].copy_from_slice(&[1, 0, 0, 0, 3, 0, 0, 0, 10, 9, 3, 2]);
        old[16..18].copy_from_slice(&80_u16.to_be_bytes());
        if cfg!(target_endian = "little") {
            assert_eq!(target(&new), (address, Some(80)));
            assert_eq!(target(&old), (address, Some(80)));
        }
        assert_eq!(target(&[]), (None, None));
    }
}
