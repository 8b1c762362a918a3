//! From the file's text to the model. What cannot be read is reported and left out, so that
//! the rest of the file can still be checked.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use toml::Spanned;

use super::{
    check,
    error::Fault,
    file::{
        BridgeFile, ForwardFile, MasqueradeFile, NamespaceFile, NatFile, OutsideFile, Text,
        TopologyFile, UplinkFile,
    },
    model::{Bridge, Far, Namespace, NamespacePlug, NatOptions, Outside, Router, Topology, Uplink},
};
use crate::rules::{ForwardProtocol, ForwardRule, MasqueradeRule};

/// Fewest and most connections of a flow table: below, the sweeper has no room to work;
/// above, the table takes gigabytes of kernel memory.
const FLOW_TABLE: std::ops::RangeInclusive<u32> = 64..=16_777_216;

/// The file's parts in the file's order; `None` for those that could not be read.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) uplinks: Vec<Option<Uplink>>,
    pub(super) bridges: Vec<Option<Bridge>>,
    pub(super) namespaces: Vec<Option<Namespace>>,
    pub(super) masquerades: Vec<Option<MasqueradeRule>>,
    pub(super) forwards: Vec<Option<ForwardRule>>,
}

/// Reads and checks the whole file. `None` only when there are faults.
pub(super) fn parse(text: &str, file: &TopologyFile, faults: &mut Vec<Fault>) -> Option<Topology> {
    let nat = nat(&file.nat, faults);
    let bridges: Vec<_> = file.bridges.iter().map(|part| bridge(part, file, faults)).collect();
    let namespaces = file.namespaces.iter().map(|part| namespace(part, &bridges, faults)).collect();
    let parts = Parts {
        uplinks: file.uplinks.iter().map(|part| uplink(part, file, faults)).collect(),
        bridges,
        namespaces,
        masquerades: file.masquerades.iter().map(|part| masquerade(part, faults)).collect(),
        forwards: file.forwards.iter().map(|part| forward(part, faults)).collect(),
    };
    check::check(text, file, &parts, faults);
    Some(Topology {
        name: file.name.get_ref().clone(),
        nat: nat?,
        routers: vec![Router {
            namespace: file.router.namespace.as_ref().map(|name| name.get_ref().clone()),
            routes: Vec::new(),
        }],
        uplinks: parts.uplinks.into_iter().collect::<Option<_>>()?,
        bridges: parts.bridges.into_iter().collect::<Option<_>>()?,
        namespaces: parts.namespaces.into_iter().collect::<Option<_>>()?,
        cables: Vec::new(),
        masquerades: parts.masquerades.into_iter().collect::<Option<_>>()?,
        forwards: parts.forwards.into_iter().collect::<Option<_>>()?,
    })
}

fn router_name(file: &TopologyFile) -> Option<String> {
    file.router.namespace.as_ref().map(|name| name.get_ref().clone())
}

/// Name of a namespace's interface when the file gives none.
pub(super) fn interface_name(file: &NamespaceFile) -> String {
    match &file.interface {
        Some(interface) => interface.get_ref().clone(),
        None => format!("veth-{}", file.name.get_ref()),
    }
}

/// Name of a namespace's bridge port when the file gives none. Made from the namespace's
/// name: interfaces in two namespaces may have one name, ports of one router may not.
pub(super) fn port_name(file: &NamespaceFile) -> String {
    match &file.port {
        Some(port) => port.get_ref().clone(),
        None => format!("veth-{}-br", file.name.get_ref()),
    }
}

fn nat(file: &NatFile, faults: &mut Vec<Fault>) -> Option<NatOptions> {
    let default = NatOptions::default();
    let flow_table = match &file.flow_table {
        None => default.flow_table,
        Some(asked) => {
            let size = u32::try_from(*asked.get_ref()).ok();
            let size = size.filter(|size| FLOW_TABLE.contains(size));
            if size.is_none() {
                let (least, most) = (FLOW_TABLE.start(), FLOW_TABLE.end());
                let message = format!(
                    "nat: a flow table of {} connections: use {least} to {most}",
                    asked.get_ref()
                );
                faults.push(Fault::new(asked.span(), message));
            }
            size?
        }
    };
    let source_check = file.source_check.unwrap_or(default.source_check);
    Some(NatOptions { flow_table, source_check })
}

fn bridge(file: &BridgeFile, whole: &TopologyFile, faults: &mut Vec<Fault>) -> Option<Bridge> {
    let name = file.name.get_ref().clone();
    let address = host(&file.address, &format!("bridge \"{name}\""), faults)?;
    Some(Bridge { name, router: router_name(whole), address, mtu: None })
}

fn namespace(
    file: &NamespaceFile,
    bridges: &[Option<Bridge>],
    faults: &mut Vec<Fault>,
) -> Option<Namespace> {
    let name = file.name.get_ref().clone();
    let owner = format!("namespace \"{name}\"");
    let address = host(&file.address, &owner, faults);
    let gateway = match &file.gateway {
        Some(gateway) => ip(gateway, &owner, faults),
        // A bridge that is not there, or not readable, is reported for itself.
        None => bridges
            .iter()
            .flatten()
            .find(|bridge| bridge.name == *file.bridge.get_ref())
            .map(|bridge| bridge.address.addr()),
    };
    let dns = ips(&file.dns, &owner, faults);
    let plug = NamespacePlug {
        bridge: file.bridge.get_ref().clone(),
        address: address?,
        interface: interface_name(file),
        port: port_name(file),
        gateway: Some(gateway?),
        mtu: None,
    };
    Some(Namespace { name, plug: Some(plug), forwarding: false, routes: Vec::new(), dns: dns? })
}

fn uplink(file: &UplinkFile, whole: &TopologyFile, faults: &mut Vec<Fault>) -> Option<Uplink> {
    let name = file.name.get_ref().clone();
    let owner = format!("uplink \"{name}\"");
    let address = optional(file.address.as_ref(), |text| host(text, &owner, faults));
    let gateway = optional(file.gateway.as_ref(), |text| ip(text, &owner, faults));
    let outside = optional(file.outside.as_ref(), |part| outside(part.get_ref(), faults));
    Some(Uplink {
        name,
        router: router_name(whole),
        address: address?,
        gateway: gateway?,
        mtu: None,
        far: outside?.map(Far::Outside),
    })
}

fn outside(file: &OutsideFile, faults: &mut Vec<Fault>) -> Option<Outside> {
    let namespace = file.namespace.get_ref().clone();
    let owner = format!("outside \"{namespace}\"");
    let address = host(&file.address, &owner, faults);
    let answers = ips(&file.answers, &owner, faults);
    Some(Outside {
        namespace,
        interface: file.interface.get_ref().clone(),
        address: address?,
        answers: answers?,
    })
}

fn masquerade(file: &MasqueradeFile, faults: &mut Vec<Fault>) -> Option<MasqueradeRule> {
    let source = cidr(&file.source, "masquerade", faults)?;
    if source.addr() != source.network() {
        let message = format!(
            "masquerade: the source {source} is neither a subnet nor one address: write {} for \
             the subnet or {}/32 for the address",
            source.trunc(),
            source.addr()
        );
        faults.push(Fault::new(file.source.span(), message));
        return None;
    }
    let uplink = file.uplink.as_ref().map(|name| name.get_ref().clone());
    Some(MasqueradeRule { source, uplink })
}

fn forward(file: &ForwardFile, faults: &mut Vec<Fault>) -> Option<ForwardRule> {
    let protocol = file.protocol.get_ref().parse::<ForwardProtocol>();
    if let Err(fault) = &protocol {
        faults.push(Fault::new(file.protocol.span(), format!("forward: {fault}")));
    }
    let address = optional(file.address.as_ref(), |text| ip(text, "forward", faults));
    let port = port(&file.port, faults);
    let target = target(&file.target, faults);
    Some(ForwardRule { protocol: protocol.ok()?, address: address?, port: port?, target: target? })
}

fn port(number: &Spanned<i64>, faults: &mut Vec<Fault>) -> Option<u16> {
    let port = u16::try_from(*number.get_ref()).ok().filter(|port| *port != 0);
    if port.is_none() {
        let message =
            format!("forward: the port {} does not exist: use 1 to 65535", number.get_ref());
        faults.push(Fault::new(number.span(), message));
    }
    port
}

fn target(text: &Text, faults: &mut Vec<Fault>) -> Option<SocketAddrV4> {
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

/// Reads what is there; the outer `None` says that it could not be read.
#[expect(clippy::option_option, reason = "absent and unreadable are two things")]
fn optional<S, T>(part: Option<&S>, read: impl FnOnce(&S) -> Option<T>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => read(part).map(Some),
    }
}

fn ips(texts: &[Text], owner: &str, faults: &mut Vec<Fault>) -> Option<Vec<Ipv4Addr>> {
    // All of them are read before the first failure counts.
    let read: Vec<_> = texts.iter().map(|text| ip(text, owner, faults)).collect();
    read.into_iter().collect()
}

fn ip(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Addr> {
    let written = text.get_ref();
    let address = written.parse().ok();
    if address.is_none() {
        let message =
            format!("{owner}: \"{written}\" is no IPv4 address: write it like 192.168.15.1");
        faults.push(Fault::new(text.span(), message));
    }
    address
}

fn cidr(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
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

/// An address that a host can have, with its subnet.
fn host(text: &Text, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    let net = cidr(text, owner, faults)?;
    let address = net.addr();
    // Subnets of one or two addresses (RFC 3021) have neither.
    let has_edges = net.prefix_len() <= 30;
    let fault = if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        "no host can have it"
    } else if has_edges && address == net.network() {
        "it is the subnet's own (the network address)"
    } else if has_edges && address == net.broadcast() {
        "it is the subnet's broadcast address"
    } else {
        return Some(net);
    };
    let message = format!("{owner}: the address {net} is of no use, {fault}: choose another");
    faults.push(Fault::new(text.span(), message));
    None
}
