//! Destination translation.

use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    str::FromStr,
};

use ipnet::Ipv4Net;
use netns_common::abi::Protocol;
use serde::{Deserialize, Serialize};

use super::{Ports, list};

/// A protocol that can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ForwardProtocol {
    Tcp,
    Udp,
    Sctp,
    /// RFC 3828.
    #[value(name = "udplite")]
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

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            "udplite" => Ok(Self::UdpLite),
            other => Err(format!("unknown protocol \"{other}\": use tcp, udp, sctp or udplite")),
        }
    }
}

/// Destination translation: what reaches `ports` of the host goes to `target`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ForwardRule {
    pub protocol: ForwardProtocol,
    /// `None`: every address of the host.
    pub address: Option<Ipv4Addr>,
    #[serde(rename = "port")]
    pub ports: Ports,
    /// Where the first port leads; the others lead to those after it.
    pub target: SocketAddrV4,
    /// Whom it is for; empty: everybody.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub from: BTreeSet<Ipv4Net>,
}

impl ForwardRule {
    /// The plain rule: one port of every address, for everybody.
    pub fn new(protocol: ForwardProtocol, port: u16, target: SocketAddrV4) -> Self {
        Self { protocol, address: None, ports: port.into(), target, from: BTreeSet::new() }
    }

    /// Where the ports lead; `None` where the target has no ports left for the last.
    pub fn target_ports(&self) -> Option<Ports> {
        self.ports.moved_to(self.target.port())
    }

    /// Whether one of its ports is one of the other's, on the same address; no address is one
    /// of its own, since a rule for an address comes before that for all.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.address == other.address
            && self.ports.overlaps(other.ports)
    }

    /// The ports and the address of the host, as far as it is said: `192.168.1.10:80`.
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
