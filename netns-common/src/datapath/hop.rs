//! The answer of the kernel's routing table.

use crate::abi::Ip4;

/// What the kernel would do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteOutcome {
    /// Forward it out of [`Route::egress`].
    Forward,
    /// Deliver it to the host itself, or it has no route: the kernel's answer is one for both.
    Local,
    /// Refuse it: a blackhole, an unreachable or prohibited route, or forwarding is off.
    Refused,
}

/// Where a packet would leave, and with which source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub outcome: RouteOutcome,
    pub egress: u32,
    pub next_hop: Ip4,
    pub source: Ip4,
}
