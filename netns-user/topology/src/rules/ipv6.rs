//! IPv6 addresses, which labs do not have yet.

use std::net::{Ipv6Addr, SocketAddrV6};

/// The beginning of the error for an IPv6 address. An example of an IPv4 address follows.
pub const NO_IPV6: &str = "labs have no IPv6 yet: write an IPv4 address";

/// Whether a text is an IPv6 address, with or without a prefix length, an interface or a port.
pub fn is_ipv6(text: &str) -> bool {
    let end = text.find(['/', '%']).unwrap_or(text.len());
    let address = text[..end].trim_start_matches('[').trim_end_matches(']');
    address.parse::<Ipv6Addr>().is_ok() || text.parse::<SocketAddrV6>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_ipv6;

    #[test]
    fn addresses_of_ipv6_are_told_from_those_of_ipv4() {
        for text in ["::1", "2001:db8::1/64", "fe80::1%eth0", "[::1]", "[2001:db8::1]:80", "::"] {
            assert!(is_ipv6(text), "{text}");
        }
        for text in ["", "10.0.0.1", "10.0.0.1/24", "10.0.0.1:80", "blue:80", "a:eth1", "[", "x"] {
            assert!(!is_ipv6(text), "{text}");
        }
    }
}
