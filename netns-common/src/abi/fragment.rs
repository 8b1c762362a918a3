//! The records of datagrams in fragments, and the budgets of their sources for unfinished ones.

use super::{Ip4, Mac, RuleId, Tick};

/// How many groups of sources there are behind cables, and as many outside. Datagrams of one group
/// take no room from those of another.
pub const FRAGMENT_GROUPS: u32 = 256;

/// How many datagrams each group can have in the table. A power of two, so that datagrams with
/// consecutive identifications take different places.
pub const FRAGMENTS_OF_GROUP: u32 = 64;

/// How many datagrams the whole table has room for.
pub const MAX_FRAGMENTS: u32 = 2 * FRAGMENT_GROUPS * FRAGMENTS_OF_GROUP;

/// The state of a datagram in fragments.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentState {
    /// Its first fragment was translated: the others are translated alike.
    Translated = 0,
    /// Its first fragment was left to the stack, and the others are too.
    Passed = 1,
    /// Another fragment came before the first: all of them go to the reassembler.
    Detour = 2,
    /// Its first fragment has come back from the reassembler; the others follow in order.
    Assembled = 3,
}

impl FragmentState {
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Translated,
            1 => Self::Passed,
            2 => Self::Detour,
            _ => Self::Assembled,
        }
    }
}

/// The side where the fragments of a datagram are seen. A record applies only to fragments of the
/// same side, so that no fragment from outside can join a datagram of a namespace.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FragmentPlace {
    #[default]
    FromNamespace = 0,
    /// Leaving by an uplink, where the kernel's stack sends them.
    Leaving = 1,
    FromUplink = 2,
}

/// The record of a datagram in fragments, and how they are forwarded. Source, destination, protocol
/// and identification identify a datagram (RFC 791).
///
/// The fields after `state` are valid in some states only, see [`FragmentState`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    pub source: Ip4,
    pub destination: Ip4,
    /// The time of its first fragment, or of the one that came before that.
    pub seen: Tick,
    /// Index of its ingress link.
    pub link: u32,
    /// As in the packet.
    pub id: u16,
    pub protocol: u8,
    /// A [`FragmentState`].
    pub state: u8,
    pub new_source: Ip4,
    pub new_destination: Ip4,
    /// Index of the link that it leaves by, or of the cable into whose namespace it goes; 0: it
    /// goes onward.
    pub exit: u32,
    /// The next hop; unspecified: into the namespace at the far end of the cable.
    pub next_hop: Ip4,
    /// As in the packet.
    pub new_id: u16,
    pub rule: RuleId,
    /// Its Ethernet destination in the namespace.
    pub mac: Mac,
    /// The Ethernet addresses of the original frame: destination and source.
    pub frame_destination: Mac,
    pub frame_source: Mac,
    /// Its original TTL.
    pub ttl: u8,
    /// A [`FragmentPlace`].
    pub place: u8,
}

/// The estimated reassembler memory in use by the sources of one group, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentBudget {
    /// The period that `current` was charged in.
    pub period: u32,
    pub current: u32,
    /// The bytes charged in the period before.
    pub previous: u32,
}

const _: () = {
    assert!(size_of::<Fragment>() == 60);
    assert!(size_of::<FragmentBudget>() == 12);
    assert!(FRAGMENTS_OF_GROUP.is_power_of_two());
};
