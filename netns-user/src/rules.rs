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
    Sctp,
    /// RFC 3828.
    #[value(name = "udplite")]
    UdpLite,
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

/// A target as it is typed: `ADDRESS:PORT`.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse_target(text: &str) -> Result<SocketAddrV4, String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Err(format!("its port is missing: write it like {address}:80"));
    }
    let target: SocketAddrV4 = text
        .parse()
        .map_err(|_| "this is no address and port: write them like 192.168.15.2:80".to_owned())?;
    match target.port() {
        0 => Err("port 0 cannot be connected to: give one of 1 to 65535".into()),
        _ => Ok(target),
    }
}

/// The source of a masquerade as it is typed: `NETWORK/LENGTH`.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse_source(text: &str) -> Result<Ipv4Net, String> {
    let like = |net: Ipv4Net| format!("write it like {}", net.trunc());
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let net = Ipv4Net::new(address, 24).map_err(|error| error.to_string())?;
        return Err(format!("its length is missing: {}", like(net)));
    }
    text.parse().map_err(|_| "this is no network: write it like 192.168.15.0/24".into())
}

/// The host's address of a forward as it is typed.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse_host_address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse::<Ipv4Addr>() {
        Ok(Ipv4Addr::UNSPECIFIED) => {
            Err("leave --address out: the forward is then for every address of the host".into())
        }
        Ok(address) => Ok(address),
        Err(_) => Err("this is no IPv4 address: write it like 192.168.1.10".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_rule_is_shown_how_to_write_it() {
        let target = |text| parse_target(text).unwrap_err();
        assert!(target("192.168.15.2").ends_with("write it like 192.168.15.2:80"));
        assert!(target("blue:80").ends_with("write them like 192.168.15.2:80"));
        assert!(target("192.168.15.2:0").contains("1 to 65535"));
        let source = |text| parse_source(text).unwrap_err();
        assert!(source("192.168.15.0").ends_with("write it like 192.168.15.0/24"));
        assert!(source("10.1.2.3").ends_with("write it like 10.1.2.0/24"));
        assert!(source("192.168.15.0/33").ends_with("write it like 192.168.15.0/24"));
        assert!(parse_host_address("0.0.0.0").unwrap_err().contains("leave --address out"));
        assert!(parse_host_address("ens3").is_err());
    }

    #[test]
    fn a_well_typed_rule_is_read() {
        assert_eq!(parse_target("192.168.15.2:80"), Ok("192.168.15.2:80".parse().unwrap()));
        assert_eq!(parse_source("192.168.15.0/24"), Ok("192.168.15.0/24".parse().unwrap()));
        assert_eq!(parse_host_address("127.0.0.1"), Ok(Ipv4Addr::LOCALHOST));
    }
}
