//! Arithmetic with IPv4 subnets.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Whether the first address of a subnet is its network address, and the last one its broadcast
/// address. Subnets of one or two addresses (RFC 3021) have neither.
pub(super) fn has_edges(net: Ipv4Net) -> bool {
    net.prefix_len() <= 30
}

/// The lowest address of a subnet that a host can have.
pub(super) fn first_host(net: Ipv4Net) -> u32 {
    let first = u32::from(net.network());
    if has_edges(net) { first + 1 } else { first }
}

/// The highest address of a subnet that a host can have.
pub(super) fn last_host(net: Ipv4Net) -> u32 {
    let last = u32::from(net.broadcast());
    if has_edges(net) { last - 1 } else { last }
}

/// The address that is `offset` above another, with the same subnet length. `None` where the
/// address space ends before it.
pub(super) fn address_above(first: Ipv4Net, offset: u32) -> Option<Ipv4Net> {
    let address = u32::from(first.addr()).checked_add(offset)?;
    Ipv4Net::new(Ipv4Addr::from(address), first.prefix_len()).ok()
}

/// Whether two subnets have addresses in common.
pub fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_lie_between_the_network_and_the_broadcast_address() {
        let hosts = |text| (first_host(net(text)), last_host(net(text)));
        assert_eq!(hosts("10.0.0.0/24"), (0x0a00_0001, 0x0a00_00fe));
        assert_eq!(hosts("10.0.0.0/31"), (0x0a00_0000, 0x0a00_0001));
        assert_eq!(hosts("10.0.0.7/32"), (0x0a00_0007, 0x0a00_0007));
    }

    #[test]
    fn subnets_overlap_when_one_contains_the_other() {
        assert!(overlap(net("10.0.0.0/8"), net("10.1.0.0/16")));
        assert!(overlap(net("10.1.0.0/16"), net("10.0.0.0/8")));
        assert!(!overlap(net("10.0.0.0/16"), net("10.1.0.0/16")));
    }

    #[test]
    fn no_address_lies_above_the_last_one() {
        assert_eq!(address_above(net("10.0.0.1/24"), 2), Some(net("10.0.0.3/24")));
        assert_eq!(address_above(net("255.255.255.255/32"), 1), None);
    }
}
