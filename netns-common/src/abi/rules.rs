//! The NAT rules as the kernel looks them up, and their counters.

use super::{Ip4, Port};

/// Index of a rule in the counters; given out by userspace, from 1.
pub type RuleId = u16;

/// The id of no rule.
pub const NO_RULE: RuleId = 0;

/// How many rules one lab may have, [`NO_RULE`] included.
pub const MAX_RULES: u32 = 4096;

/// Source translation for the prefix it is keyed by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masquerade {
    /// The uplink it applies to; 0 means any.
    pub uplink: u32,
    pub rule: RuleId,
    pub padding: [u8; 2],
}

/// What a forward is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ForwardKey {
    /// The host address it listens on; unspecified means any address of the host.
    pub address: Ip4,
    pub port: Port,
    pub protocol: u8,
    pub padding: u8,
}

impl ForwardKey {
    #[inline(always)]
    pub const fn new(protocol: u8, address: Ip4, port: Port) -> Self {
        Self { address, port, protocol, padding: 0 }
    }
}

/// Where a forward leads.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    pub target: Ip4,
    pub target_port: Port,
    pub rule: RuleId,
}

/// What passed: flows begun, packets and bytes (of IP, as iptables counts them).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

const _: () = {
    assert!(size_of::<Masquerade>() == 8);
    assert!(size_of::<ForwardKey>() == 8);
    assert!(size_of::<Forward>() == 8);
    assert!(size_of::<Counter>() == 24);
};
