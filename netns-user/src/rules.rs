//! NAT rules as a person writes them; the datapath translates them to map entries.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    str::FromStr,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// A protocol that can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ForwardProtocol {
    Tcp,
    Udp,
}

impl fmt::Display for ForwardProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for ForwardProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            other => Err(format!("unknown protocol \"{other}\": use tcp or udp")),
        }
    }
}

/// Source translation: what `source` sends out of `uplink` bears the uplink's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MasqueradeRule {
    pub source: Ipv4Net,
    /// `None`: every uplink of the lab.
    pub uplink: Option<String>,
}

impl fmt::Display for MasqueradeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.uplink {
            Some(uplink) => write!(f, "masquerade {} out of {uplink}", self.source),
            None => write!(f, "masquerade {} out of any uplink", self.source),
        }
    }
}

/// Destination translation: what reaches `port` of the host goes to `target`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ForwardRule {
    pub protocol: ForwardProtocol,
    /// `None`: every address of the host.
    pub address: Option<Ipv4Addr>,
    pub port: u16,
    pub target: SocketAddrV4,
}

impl fmt::Display for ForwardRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward {} ", self.protocol)?;
        if let Some(address) = self.address {
            write!(f, "{address}:")?;
        }
        write!(f, "{} -> {}", self.port, self.target)
    }
}
