//! Single values: addresses, subnets, ports and numbers with their ranges.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    ops::RangeInclusive,
};

use ipnet::Ipv4Net;
use toml::Spanned;

use crate::{
    rules::{ForwardTarget, NO_IPV6, Ports, is_ipv6, parse_network},
    topology::{
        error::Fault,
        file::{Number, NumberOrText, PortsFile, Text},
        limits::MTU,
        subnets::has_edges,
        targets::NamedTargets,
    },
};

/// Reads an optional value. The outer `None` means that it could not be read.
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

/// A number of the range. `name` names it in the error: `a flow table of 5 connections`.
pub(super) fn number(
    number: &Number,
    range: &RangeInclusive<u32>,
    faults: &mut Vec<Fault>,
    name: impl FnOnce(i64) -> String,
) -> Option<u32> {
    let asked = *number.get_ref();
    let found = u32::try_from(asked).ok().filter(|number| range.contains(number));
    if found.is_none() {
        let (least, most) = (range.start(), range.end());
        let message = format!("{}: use {least} to {most}", name(asked));
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

/// Networks of a rule. An address is a network of its own.
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
    // Every element is read, so that all faults are reported.
    let networks: Vec<_> = texts.iter().map(&mut read).collect();
    networks.into_iter().collect()
}

/// The target of a forward; `None` also where a namespace could not be read that may be meant.
pub(super) fn target(
    text: &Text,
    named: &NamedTargets<'_>,
    faults: &mut Vec<Fault>,
) -> Option<SocketAddrV4> {
    let written = text.get_ref();
    let message = match written.parse::<ForwardTarget>() {
        Ok(target) => match named.resolve(&target) {
            Ok(address) => return Some(address),
            Err(_) if !named.is_complete() => return None,
            Err(fault) => format!("forward: the target \"{written}\": {fault}"),
        },
        Err(fault) => format!("forward: the target \"{written}\": {fault}"),
    };
    faults.push(Fault::new(text.span(), message));
    None
}

pub(super) fn ips(texts: &[Text], owner: &str, faults: &mut Vec<Fault>) -> Option<Vec<Ipv4Addr>> {
    // Every element is read, so that all faults are reported.
    let read: Vec<_> = texts.iter().map(|text| ip(text, owner, faults)).collect();
    read.into_iter().collect()
}

pub(super) fn ip(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Addr> {
    let written = text.get_ref();
    let address = written.parse().ok();
    if address.is_none() {
        let message = if is_ipv6(written) {
            format!("{owner}: \"{written}\": {NO_IPV6} like 192.168.15.1")
        } else {
            format!("{owner}: \"{written}\" is not an IPv4 address: write it like 192.168.15.1")
        };
        faults.push(Fault::new(text.span(), message));
    }
    address
}

pub(super) fn cidr(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    let written = text.get_ref();
    let message = match (written.parse::<Ipv4Net>(), written.parse::<Ipv4Addr>()) {
        (Ok(net), _) => return Some(net),
        (Err(_), Ok(address)) => format!(
            "{owner}: {address} has no prefix length: write it like {address}/24, or \
             {address}/32 for the address alone"
        ),
        (Err(_), Err(_)) if is_ipv6(written) => {
            format!("{owner}: \"{written}\": {NO_IPV6} like 192.168.15.1/24")
        }
        (Err(_), Err(_)) => format!(
            "{owner}: \"{written}\" is not an IPv4 address with a prefix length: write it like \
             192.168.15.1/24"
        ),
    };
    faults.push(Fault::new(text.span(), message));
    None
}

/// An address of a host, with its subnet.
pub(super) fn host(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    let net = cidr(text, owner, faults)?;
    let address = net.addr();
    let fault = if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        "no host can have it"
    } else if has_edges(net) && address == net.network() {
        "it is the network address of its subnet"
    } else if has_edges(net) && address == net.broadcast() {
        "it is the broadcast address of its subnet"
    } else {
        return Some(net);
    };
    let message = format!("{owner}: the address {net} cannot be used: {fault}: choose another");
    faults.push(Fault::new(text.span(), message));
    None
}
