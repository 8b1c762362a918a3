//! Datagrams of which fragments have come, and what their sources may leave unfinished.

use super::{Ip4, Mac, RuleId, Tick};

/// How many groups the sources of fragments are in, those behind our cables and those outside
/// each. Datagrams of one group take no room from another's.
pub const FRAGMENT_GROUPS: u32 = 256;

/// How many datagrams are remembered for each group. A power of two: datagrams that follow each
/// other have identifications that do, and then take different places.
pub const FRAGMENTS_OF_GROUP: u32 = 64;

/// How many datagrams are remembered in all.
pub const MAX_FRAGMENTS: u32 = 2 * FRAGMENT_GROUPS * FRAGMENTS_OF_GROUP;

/// What is known of a datagram that comes in fragments.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentState {
    /// Its first fragment was translated: the others follow it.
    Translated = 0,
    /// Its first fragment was left to the stack: the others are too.
    Passed = 1,
    /// Another fragment came before the first: all of them go to the reassembler.
    Detour = 2,
    /// Its first fragment has come back from the reassembler, and the others will in order.
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

/// Where the fragments of a datagram were met. A note stands for fragments that are met at the
/// same place: nobody outside can join a datagram of a namespace.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FragmentPlace {
    #[default]
    FromNamespace = 0,
    /// Leaving by an uplink, where the kernel's stack sends them.
    Leaving = 1,
    FromUplink = 2,
}

/// A datagram that comes in fragments (RFC 791: source, destination, protocol and
/// identification tell it from others), and what becomes of them.
///
/// What follows `state` is of use in some states only, see [`FragmentState`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    pub source: Ip4,
    pub destination: Ip4,
    /// When its first fragment, or the one that came before that, was seen.
    pub seen: Tick,
    /// Index of the link that it came in by.
    pub link: u32,
    /// As in the packet.
    pub id: u16,
    pub protocol: u8,
    /// A [`FragmentState`].
    pub state: u8,
    pub new_source: Ip4,
    pub new_destination: Ip4,
    /// Index of the link that it leaves by, or of the cable at whose far end it arrives; 0: it
    /// goes on where it was going.
    pub exit: u32,
    /// Unspecified: into the namespace at the far end of the cable.
    pub next_hop: Ip4,
    /// As in the packet.
    pub new_id: u16,
    pub rule: RuleId,
    /// The Ethernet address that it is for in the namespace.
    pub mac: Mac,
    /// The Ethernet addresses that it came with.
    pub frame_destination: Mac,
    pub frame_source: Mac,
    /// The time to live that it came with.
    pub ttl: u8,
    /// A [`FragmentPlace`].
    pub place: u8,
}

/// What the sources of one group have in the reassembler: estimates, in bytes of its memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentBudget {
    /// The period that `current` was charged in.
    pub period: u32,
    pub current: u32,
    /// Charged in the period before.
    pub previous: u32,
}

const _: () = {
    assert!(size_of::<Fragment>() == 60);
    assert!(size_of::<FragmentBudget>() == 12);
    assert!(FRAGMENTS_OF_GROUP.is_power_of_two());
};
