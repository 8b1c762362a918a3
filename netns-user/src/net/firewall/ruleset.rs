//! Chains and rules of a packet filter, as far as they decide about forwarded packets.

/// The subsystem that has a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// nf_tables, by `nft` or by `iptables-nft`.
    Nftables(Family),
    /// ip_tables, by `iptables-legacy`.
    Legacy,
}

/// The packets that a table of nftables is for.
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
    /// The policy for packets that no rule decides, of a chain that the kernel calls for each
    /// forwarded packet; `None` for chains that only rules jump to.
    pub forward_policy: Option<Policy>,
    pub rules: Vec<Rule>,
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
    /// A condition that depends on the packet itself.
    Other,
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
}
