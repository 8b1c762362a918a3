//! The forward rules in the maps.

use crate::abi::{Forward, Ip4, Port, RuleId};

/// The forward rules in the maps.
pub trait ForwardTable {
    /// The entry of a port in [`FORWARD_PORTS`](crate::abi::maps::FORWARD_PORTS): the rule for any
    /// address, and the bit [`OF_ADDRESS`](crate::abi::OF_ADDRESS).
    fn port_rules(&self, protocol: u8, port: Port) -> RuleId;
    /// The rule of a port for exactly this address.
    fn address_rule(&self, address: Ip4, protocol: u8, port: Port) -> RuleId;
    /// The rule that publishes a port of a target, from
    /// [`TARGET_PORTS`](crate::abi::maps::TARGET_PORTS).
    fn target_rule(&self, target: Ip4, protocol: u8, port: Port) -> RuleId;
    fn forward(&self, rule: RuleId) -> Option<Forward>;
    /// Whether an address belongs to one of the rule's CIDRs.
    fn rule_has(&self, rule: RuleId, address: Ip4) -> bool;
}

/// The target of a forwarded packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub address: Ip4,
    pub port: Port,
    pub rule: RuleId,
}

/// A port of the host that leads to a port of a target.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// Unspecified: any address of the host.
    pub(crate) address: Ip4,
    /// 0: no port does.
    pub(crate) port: Port,
}

impl Published {
    pub(crate) const NONE: Self = Self { address: Ip4::UNSPECIFIED, port: Port::ZERO };
}
