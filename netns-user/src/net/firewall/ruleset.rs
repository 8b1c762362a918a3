//! Chains and rules of a packet filter, as far as they decide about forwarded packets.

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

impl Condition {
    /// The condition of a match of iptables; `None` for a comment, which matches everything.
    pub(super) fn of_match(name: &str) -> Option<Self> {
        match name {
            "conntrack" | "state" => Some(Self::Connection),
            "comment" => None,
            _ => Some(Self::Other),
        }
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
}

/// A text that ends at the first zero byte.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
