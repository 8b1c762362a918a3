//! Single values: addresses, subnets, ports and numbers with their ranges.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    ops::RangeInclusive,
};

use ipnet::Ipv4Net;
use toml::Spanned;

use crate::{
    rules::{Ports, parse_network},
    topology::{
        choices::{NumberOrText, PortsFile},
        error::Fault,
        file::{Number, Text},
    },
};

/// Fewest bytes that IPv4 asks of a link (RFC 791), and the most that a cable of Linux carries.
pub(in crate::topology) const MTU: RangeInclusive<u32> = 68..=65_535;

/// Reads what is there; the outer `None` says that it could not be read.
#[expect(clippy::option_option, reason = "absent and unreadable are two things")]
pub(super) fn optional<S, T>(
    part: Option<&S>,
    read: impl FnOnce(&S) -> Option<T>,
) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => read(part).map(Some),
    }
}

pub(super) fn text(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.get_ref().clone())
}

/// A number of the range; `what` names it: `a flow table of 5 connections`.
pub(super) fn number(
    number: &Number,
    range: &RangeInclusive<u32>,
    faults: &mut Vec<Fault>,
    what: impl FnOnce(i64) -> String,
) -> Option<u32> {
    let asked = *number.get_ref();
    let found = u32::try_from(asked).ok().filter(|number| range.contains(number));
    if found.is_none() {
        let (least, most) = (range.start(), range.end());
        let message = format!("{}: use {least} to {most}", what(asked));
        faults.push(Fault::new(number.span(), message));
    }
    found
}

#[expect(clippy::option_option, reason = "absent and unreadable are two things")]
pub(super) fn mtu(
    asked: Option<&Number>,
    owner: &str,
    faults: &mut Vec<Fault>,
) -> Option<Option<u32>> {
    optional(asked, |asked| {
        number(asked, &MTU, faults, |bytes| format!("{owner}: an MTU of {bytes} bytes"))
    })
}

pub(super) fn ports(
    asked: &Spanned<PortsFile>,
    owner: &str,
    faults: &mut Vec<Fault>,
) -> Option<Ports> {
    let written = asked.get_ref().0.to_string();
    let fault = match (&asked.get_ref().0, written.parse()) {
        (_, Ok(ports)) => return Some(ports),
        (NumberOrText::Number(_), Err(_)) => {
            format!("the port {written} does not exist: use 1 to 65535")
        }
        (NumberOrText::Text(_), Err(fault)) => fault,
    };
    faults.push(Fault::new(asked.span(), format!("{owner}: {fault}")));
    None
}

/// Networks of a rule; an address is one of its own.
pub(super) fn networks<C: FromIterator<Ipv4Net>>(
    texts: &[Text],
    owner: &str,
    faults: &mut Vec<Fault>,
) -> Option<C> {
    let mut read = |text: &Text| {
        let network = parse_network(text.get_ref());
        network
            .map_err(|fault| {
                let message = format!("{owner}: \"{}\": {fault}", text.get_ref());
                faults.push(Fault::new(text.span(), message));
            })
            .ok()
    };
    // All of them are read before the first failure counts.
    let networks: Vec<_> = texts.iter().map(&mut read).collect();
    networks.into_iter().collect()
}

pub(super) fn target(text: &Text, faults: &mut Vec<Fault>) -> Option<SocketAddrV4> {
    let written = text.get_ref();
    let message = match written.parse::<SocketAddrV4>() {
        Ok(target) if target.port() != 0 => return Some(target),
        Ok(_) => format!("forward: the target {written} has the port 0: use 1 to 65535"),
        Err(_) => format!(
            "forward: the target \"{written}\" is not ADDRESS:PORT: write it like 192.168.15.2:80"
        ),
    };
    faults.push(Fault::new(text.span(), message));
    None
}

pub(super) fn ips(texts: &[Text], owner: &str, faults: &mut Vec<Fault>) -> Option<Vec<Ipv4Addr>> {
    // All of them are read before the first failure counts.
    let read: Vec<_> = texts.iter().map(|text| ip(text, owner, faults)).collect();
    read.into_iter().collect()
}

pub(super) fn ip(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Addr> {
    let written = text.get_ref();
    let address = written.parse().ok();
    if address.is_none() {
        faults.push(Fault::new(text.span(), no_ip(written, owner)));
    }
    address
}

pub(super) fn no_ip(written: &str, owner: &str) -> String {
    format!("{owner}: \"{written}\" is no IPv4 address: write it like 192.168.15.1")
}

pub(super) fn cidr(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    let written = text.get_ref();
    let message = match (written.parse::<Ipv4Net>(), written.parse::<Ipv4Addr>()) {
        (Ok(net), _) => return Some(net),
        (Err(_), Ok(address)) => format!(
            "{owner}: {address} has no prefix length: write it like {address}/24, or \
             {address}/32 for the address alone"
        ),
        (Err(_), Err(_)) => format!(
            "{owner}: \"{written}\" is no IPv4 address with a prefix length: write it like \
             192.168.15.1/24"
        ),
    };
    faults.push(Fault::new(text.span(), message));
    None
}

/// Whether the subnet's first and last address are no host's. Subnets of one or two addresses
/// (RFC 3021) have neither.
pub(in crate::topology) fn has_edges(net: Ipv4Net) -> bool {
    net.prefix_len() <= 30
}

/// An address that a host can have, with its subnet.
pub(super) fn host(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    let net = cidr(text, owner, faults)?;
    let address = net.addr();
    let fault = if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        "no host can have it"
    } else if has_edges(net) && address == net.network() {
        "it is the subnet's own (the network address)"
    } else if has_edges(net) && address == net.broadcast() {
        "it is the subnet's broadcast address"
    } else {
        return Some(net);
    };
    let message = format!("{owner}: the address {net} is of no use, {fault}: choose another");
    faults.push(Fault::new(text.span(), message));
    None
}
