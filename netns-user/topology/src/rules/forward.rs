//! Destination translation.

use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    str::FromStr,
};

use ipnet::Ipv4Net;
use netns_common::abi::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ports, list, number_or_text};

/// A protocol with ports, which can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForwardProtocol {
    Tcp,
    Udp,
    Sctp,
    /// RFC 3828.
    UdpLite,
}

impl From<ForwardProtocol> for Protocol {
    fn from(protocol: ForwardProtocol) -> Self {
        match protocol {
            ForwardProtocol::Tcp => Self::Tcp,
            ForwardProtocol::Udp => Self::Udp,
            ForwardProtocol::Sctp => Self::Sctp,
            ForwardProtocol::UdpLite => Self::UdpLite,
        }
    }
}

impl fmt::Display for ForwardProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::UdpLite => "udplite",
        })
    }
}

impl FromStr for ForwardProtocol {
    type Err = String;

    /// In lower or upper case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            "udplite" => Ok(Self::UdpLite),
            _ => Err(format!(
                "unknown protocol \"{text}\": use tcp, udp, sctp or udplite, or several, such as \
                 tcp,udp"
            )),
        }
    }
}

/// Destination translation: packets to `ports` of the host go to `target`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct ForwardRule {
    /// The protocol whose ports it forwards.
    pub protocol: ForwardProtocol,
    /// The address of the router that it is for; `None`: every address of the router.
    pub address: Option<Ipv4Addr>,
    /// The port of the router as a number, or a range of ports as text: `"8000-8099"`.
    #[serde(rename = "port")]
    #[schemars(schema_with = "number_or_text")]
    pub ports: Ports,
    /// Address and port in a namespace. The first port of a range leads there, the other ports lead
    /// to the ports after it.
    pub target: SocketAddrV4,
    /// The networks of the clients that it is for; `None`: it is for all clients.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub from: BTreeSet<Ipv4Net>,
}

impl ForwardRule {
    /// A rule for one port of every address and for all sources.
    pub fn new(protocol: ForwardProtocol, port: u16, target: SocketAddrV4) -> Self {
        Self { protocol, address: None, ports: port.into(), target, from: BTreeSet::new() }
    }

    /// The ports of the target; `None` where the last one would be above 65535.
    pub fn target_ports(&self) -> Option<Ports> {
        self.ports.moved_to(self.target.port())
    }

    /// Whether it has a port in common with another rule on the same address. A rule for every
    /// address overlaps only another such rule: a rule for one address has precedence over it.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.address == other.address
            && self.ports.overlaps(other.ports)
    }

    /// The host's ports, with its address if the rule has one: `192.168.1.10:80`.
    pub fn listens(&self) -> String {
        let address = self.address.map_or(String::new(), |address| format!("{address}:"));
        format!("{address}{}", self.ports)
    }

    /// The target's address and its ports: `192.168.15.2:8000-8099`.
    pub fn leads_to(&self) -> String {
        let ports = self.target_ports().unwrap_or(self.target.port().into());
        format!("{}:{ports}", self.target.ip())
    }
}

impl fmt::Display for ForwardRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward {} {} -> {}", self.protocol, self.listens(), self.leads_to())?;
        if !self.from.is_empty() {
            write!(f, " from {}", list(&self.from))?;
        }
        Ok(())
    }
}
