//! Chains and rules of a packet filter, as far as they decide about forwarded packets or translate
//! their addresses.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use ipnet::Ipv4Net;

/// The subsystem that has a chain, and the packets that its table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// ip_tables, by `iptables-legacy`.
    Legacy,
    /// nf_tables, by `nft` or by `iptables-nft`: IPv4.
    Ip,
    /// nf_tables: IPv4 and IPv6.
    Inet,
    /// nf_tables: frames between ports of a bridge.
    Bridge,
}

/// A chain with its rules in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub origin: Origin,
    pub table: String,
    pub name: String,
    /// The policy for packets that no rule decides, of a chain that the kernel calls for each
    /// forwarded packet; `None` for chains that only rules jump to.
    pub forward_policy: Option<Policy>,
    /// Where the kernel calls it to translate addresses; `None` for all other chains.
    pub nat: Option<NatHook>,
    pub rules: Vec<Rule>,
}

/// Where a chain translates addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatHook {
    /// Destinations, of packets that come in.
    Prerouting,
    /// Sources, of packets that go out.
    Postrouting,
}

/// The policy of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Drop,
}

/// A rule: an action, and the conditions for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its handle in nftables, or its number in its chain of iptables-legacy.
    pub number: u64,
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    In(Interface),
    Out(Interface),
    /// The state of its connection; the usual rules accept established ones.
    Connection,
    /// The number of the protocol.
    Protocol(u8),
    DestinationPort(RangeInclusive<u16>),
    Source(Ipv4Net),
    Destination(Ipv4Net),
    /// Any other condition that depends on the packet itself.
    Other,
}

impl Condition {
    /// Whether it depends on more than the way of the packet and the state of its connection.
    pub fn is_of_packet(&self) -> bool {
        !matches!(self, Self::In(_) | Self::Out(_) | Self::Connection)
    }

    /// Whether it is a network of all addresses, which every packet has.
    pub(super) fn is_for_all(&self) -> bool {
        matches!(self, Self::Source(net) | Self::Destination(net) if net.prefix_len() == 0)
    }
}

/// The interfaces of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: InterfaceName,
    /// Whether the condition is for every other interface.
    pub negated: bool,
}

/// The name of an interface in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceName {
    Exact(String),
    Prefix(String),
    Index(u32),
}

impl InterfaceName {
    /// The name whose bytes a rule compares. For a whole name its end is compared too, for a
    /// pattern such as "br-+" only what is before the "+".
    pub(super) fn compared(bytes: &[u8]) -> Self {
        if bytes.contains(&0) { Self::Exact(text(bytes)) } else { Self::Prefix(text(bytes)) }
    }
}

/// The action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Accept,
    /// Also rejecting with an answer.
    Drop,
    /// Returns to the chain that jumped here.
    Return,
    Jump(String),
    Goto(String),
    /// Counts, logs or marks, and continues with the next rule.
    Continue,
    Translate(Translation),
}

/// The address and port that a rule translates to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// `None`: the address of the interface.
    pub address: Option<Ipv4Addr>,
    /// `None`: the port stays.
    pub port: Option<u16>,
}

/// A text that ends at the first zero byte.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
