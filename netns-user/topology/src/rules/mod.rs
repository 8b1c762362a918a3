//! NAT rules as a person writes them. The datapath translates them into entries of its maps.

mod forward;
mod ipv6;
mod mapping;
mod masquerade;
mod ports;
mod target;

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use schemars::{Schema, SchemaGenerator, json_schema};

pub use forward::{ForwardProtocol, ForwardRule};
pub use ipv6::{NO_IPV6, is_ipv6};
pub use mapping::{Filtering, Mapping};
pub use masquerade::{MasqueradeRule, MssClamp};
pub use ports::Ports;
pub use target::ForwardTarget;

/// The schema of a value that is a number or text.
fn number_or_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "string"] })
}

/// Networks as text, separated by commas.
pub(crate) fn list(networks: &BTreeSet<Ipv4Net>) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads the source of a masquerade: `NETWORK/LENGTH`.
///
/// # Errors
/// When it is not valid; the text says how to write it.
pub fn parse_source(text: &str) -> Result<Ipv4Net, String> {
    let example = |net: Ipv4Net| format!("write it like {}", net.trunc());
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let net = Ipv4Net::new(address, 24).map_err(|error| error.to_string())?;
        return Err(format!("its prefix length is missing: {}", example(net)));
    }
    if is_ipv6(text) {
        return Err(format!("{NO_IPV6} like 192.168.15.0/24"));
    }
    text.parse().map_err(|_| "this is not a network: write it like 192.168.15.0/24".into())
}

/// Reads the host's address of a forward.
///
/// # Errors
/// When it is not valid; the text says how to write it.
pub fn parse_host_address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse::<Ipv4Addr>() {
        Ok(Ipv4Addr::UNSPECIFIED) => {
            Err("leave --address out to forward on every address of the host".into())
        }
        Ok(address) => Ok(address),
        Err(_) if is_ipv6(text) => Err(format!("{NO_IPV6} like 192.168.1.10")),
        Err(_) => Err("this is not an IPv4 address: write it like 192.168.1.10".into()),
    }
}

/// Reads a network of a rule: `NETWORK/LENGTH`, or an address, which is a network of its own.
///
/// # Errors
/// When it is not valid; the text says how to write it.
pub fn parse_network(text: &str) -> Result<Ipv4Net, String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(address.into());
    }
    if is_ipv6(text) {
        return Err(format!("{NO_IPV6} like 192.168.1.7"));
    }
    let network: Ipv4Net = text.parse().map_err(|_| {
        "this is not a network: write it like 192.168.1.0/24, or an address like 192.168.1.7"
            .to_owned()
    })?;
    if network != network.trunc() {
        return Err(format!(
            "it is neither a network nor one address: write {} for the network or {} for the \
             address",
            network.trunc(),
            network.addr()
        ));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_mistyped_value_says_how_to_write_it() {
        let source = |text| parse_source(text).unwrap_err();
        assert!(source("192.168.15.0").ends_with("write it like 192.168.15.0/24"));
        assert!(source("10.1.2.3").ends_with("write it like 10.1.2.0/24"));
        for text in ["2001:db8::/32", "::1", "[::1]:80"] {
            let faults = [source(text), parse_host_address(text).unwrap_err()];
            for fault in faults {
                assert!(fault.starts_with(NO_IPV6), "{text}: {fault}");
            }
        }
        assert!(source("192.168.15.0/33").ends_with("write it like 192.168.15.0/24"));
        assert!(parse_host_address("0.0.0.0").unwrap_err().contains("leave --address out"));
        assert!(parse_host_address("ens3").is_err());
        let network = |text| parse_network(text).unwrap_err();
        assert!(network("10.1.2.3/8").contains("write 10.0.0.0/8 for the network"));
        assert!(network("fd00::/8").starts_with(NO_IPV6));
        assert!(network("lan").contains("write it like 192.168.1.0/24"));
    }

    #[test]
    fn valid_values_are_read() {
        assert_eq!(parse_source("192.168.15.0/24"), Ok("192.168.15.0/24".parse().unwrap()));
        assert_eq!(parse_host_address("127.0.0.1"), Ok(Ipv4Addr::LOCALHOST));
        assert_eq!(parse_network("10.1.2.3"), Ok("10.1.2.3/32".parse().unwrap()));
    }
}
