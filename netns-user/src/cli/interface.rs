//! How interfaces, destinations and addresses are typed. The part before a colon is the namespace;
//! without a colon, the machine's own namespace is meant.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    net::{Interface, Netns},
    rules::{NO_IPV6, is_ipv6},
};

/// An interface to make, with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInterface {
    pub interface: Interface,
    pub address: Option<Ipv4Net>,
}

/// The destination of a route, and the namespace that has the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub netns: Netns,
    /// 0.0.0.0/0: the default route.
    pub to: Ipv4Net,
}

/// `[NAMESPACE:]INTERFACE`
///
/// # Errors
/// A message for the user: the fault and the right form.
pub(super) fn parse_interface(text: &str) -> Result<Interface, String> {
    let (netns, name) = split(text)?;
    if name.is_empty() {
        return Err("the interface is missing: write it like red:veth-red".into());
    }
    Ok(Interface { netns, name: name.to_owned() })
}

/// `[NAMESPACE:]INTERFACE[=ADDRESS/LENGTH]`
///
/// # Errors
/// A message for the user: the fault and the right form.
pub(super) fn parse_new_interface(text: &str) -> Result<NewInterface, String> {
    Ok(match text.rsplit_once('=') {
        Some((interface, address)) => NewInterface {
            interface: parse_interface(interface)?,
            address: Some(parse_address(address)?),
        },
        None => NewInterface { interface: parse_interface(text)?, address: None },
    })
}

/// `[NAMESPACE:]default` or `[NAMESPACE:]NETWORK/LENGTH`; an address alone has the length 32.
///
/// # Errors
/// A message for the user: the fault and the right form.
pub(super) fn parse_destination(text: &str) -> Result<Destination, String> {
    if is_ipv6(text) {
        return Err(format!("{NO_IPV6} or network like 192.168.1.0/24"));
    }
    let (netns, to) = split(text)?;
    if to == "default" {
        return Ok(Destination { netns, to: Ipv4Net::default() });
    }
    let network = to.parse().or_else(|_| to.parse().map(|address: Ipv4Addr| address.into()));
    let to: Ipv4Net = network.map_err(|_| {
        format!("\"{to}\" is not a network: write it like 192.168.1.0/24, or \"default\"")
    })?;
    if to != to.trunc() {
        return Err(format!("{to} is an address, not a network: did you mean {}?", to.trunc()));
    }
    Ok(Destination { netns, to })
}

/// `ADDRESS/LENGTH`, of an interface.
///
/// # Errors
/// A message for the user: the fault and the right form.
pub(super) fn parse_address(text: &str) -> Result<Ipv4Net, String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Err(format!(
            "{address} has no prefix length: write {address}/24, or {address}/32 for a single \
             address"
        ));
    }
    if is_ipv6(text) {
        return Err(format!("{NO_IPV6} like 192.168.15.1/24"));
    }
    let net: Ipv4Net = text.parse().map_err(|_| {
        format!(
            "\"{text}\" is not an IPv4 address with a prefix length: write it like 192.168.15.1/24"
        )
    })?;
    let address = net.addr();
    // Subnets of one or two addresses (RFC 3021) have neither a network nor a broadcast address.
    let has_edges = net.prefix_len() <= 30;
    let fault = if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        "no host can have this address"
    } else if has_edges && address == net.network() {
        "it is the network address of the subnet"
    } else if has_edges && address == net.broadcast() {
        "it is the broadcast address of the subnet"
    } else {
        return Ok(net);
    };
    Err(format!("an interface cannot have {net}: {fault}; choose another address"))
}

/// The MTU of an interface that is still to be made, in bytes.
///
/// # Errors
/// A message for the user: the fault and the right form.
pub(super) fn parse_mtu(text: &str) -> Result<u32, String> {
    let fault = || "the MTU must be 68 to 65535 bytes (1500 is usual)".to_owned();
    let mtu = text.parse().map_err(|_| fault())?;
    if (68..=65_535).contains(&mtu) { Ok(mtu) } else { Err(fault()) }
}

/// The name of a namespace may have a colon; the name of an interface and a network have none.
fn split(text: &str) -> Result<(Netns, &str), String> {
    match text.rsplit_once(':') {
        None => Ok((Netns::Machine, text)),
        Some(("", _)) => {
            Err("the namespace before the colon is missing: for this machine, leave the colon out"
                .into())
        }
        Some((namespace, rest)) => Ok((Netns::named(namespace), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_before_the_colon_is_the_namespace() {
        let red = Netns::named("red");
        assert_eq!(parse_interface("red:veth-red"), Ok(Interface::new(red.clone(), "veth-red")));
        assert_eq!(parse_interface("v-net-0"), Ok(Interface::new(Netns::Machine, "v-net-0")));
        let to = "192.168.1.0/24".parse().unwrap();
        assert_eq!(parse_destination("red:192.168.1.0/24"), Ok(Destination { netns: red, to }));
        let to = Ipv4Net::default();
        assert_eq!(parse_destination("default"), Ok(Destination { netns: Netns::Machine, to }));
        for text in [":veth-red", "red:", "", ":"] {
            assert!(parse_interface(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_end_may_have_an_address() {
        let new = parse_new_interface("red:veth-red=192.168.15.1/24").unwrap();
        assert_eq!(new.interface.to_string(), "red:veth-red");
        assert_eq!(new.address, Some("192.168.15.1/24".parse().unwrap()));
        assert_eq!(parse_new_interface("veth-red").unwrap().address, None);
    }

    #[test]
    fn an_error_says_what_is_wrong_with_an_address() {
        for (text, told) in [
            ("192.168.15.1", "192.168.15.1/24"),
            ("192.168.15.0/24", "network address"),
            ("192.168.15.255/24", "broadcast address"),
            ("192.168.15.1/33", "not an IPv4 address"),
            ("red", "not an IPv4 address"),
            ("224.0.0.1/24", "no host"),
            ("fd00::1/64", "no IPv6 yet"),
        ] {
            let fault = parse_address(text).unwrap_err();
            assert!(fault.contains(told), "{text}: {fault}");
        }
        for text in ["8.8.8.8/32", "10.0.0.0/31", "127.0.0.2/8"] {
            parse_address(text).unwrap();
        }
    }

    #[test]
    fn a_destination_is_a_network_and_not_an_address_in_it() {
        let fault = parse_destination("red:192.168.1.7/24").unwrap_err();
        assert!(fault.ends_with("did you mean 192.168.1.0/24?"), "{fault}");
        assert_eq!(parse_destination("8.8.8.8").unwrap().to.prefix_len(), 32);
        assert!(parse_destination("red:defualt").is_err());
        assert!(parse_destination("2001:db8::/32").unwrap_err().contains("no IPv6 yet"));
    }
}
