//! The packet filters of the calling thread's namespace, as far as they decide about packets
//! that are passed on: nftables (iptables-nft too), and iptables of the older kind.
//!
//! They are only read, and nothing comes to be by looking: a kernel that has no nftables or no
//! table of iptables yet is not asked for them.

mod legacy;
mod nft;

use super::NetError;

/// Who holds a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// nf_tables, by `nft` or by `iptables-nft`.
    Nftables(Family),
    /// ip_tables, by `iptables-legacy`.
    Legacy,
}

/// What packets a table of nftables is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Ip,
    /// IPv4 and IPv6.
    Inet,
    /// Frames between ports of a bridge.
    Bridge,
}

/// A chain with its rules in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub origin: Origin,
    pub table: String,
    pub name: String,
    /// What becomes of a packet that no rule decides about, for a chain that the kernel itself
    /// calls for each packet that is passed on; `None` for chains that only rules jump to.
    pub forward_policy: Option<Policy>,
    pub rules: Vec<Rule>,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Drop,
}

/// A rule: what it does when all its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// What a rule asks of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    In(Interface),
    Out(Interface),
    /// The state of its connection, of which the usual rules want an old one.
    Connection,
    /// What only the packet itself can tell.
    Other,
}

/// Which interfaces a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: InterfaceName,
    /// Every interface but that one.
    pub negated: bool,
}

/// How an interface is named in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceName {
    Exact(String),
    Prefix(String),
    Index(u32),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Accept,
    /// Refusing with an answer as well.
    Drop,
    /// Back to the chain that jumped here.
    Return,
    Jump(String),
    Goto(String),
    /// Counts, logs or marks, and goes on with the next rule.
    Continue,
}

/// All chains that packets which are passed on may come by.
///
/// # Errors
/// When they are there and cannot be read, as without CAP_NET_ADMIN.
pub fn chains() -> Result<Vec<Chain>, NetError> {
    let mut chains = legacy::chains()?;
    chains.extend(nft::chains()?);
    Ok(chains)
}
