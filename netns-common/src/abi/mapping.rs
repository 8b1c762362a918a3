//! Endpoint-independent mappings: one external port for an inside port, whatever it talks to
//! (RFC 4787 section 4.1).

use super::{Ip4, Port, RuleId, Tick, ticks};

/// How long a mapping is kept after the last of its flows is over, in ticks: a port that is
/// given back rests for two minutes (RFC 6888 REQ-8), and what still comes for it meets nobody
/// else. The sweeper last saw the flow up to five seconds before its end.
pub const MAPPING_REST: Tick = ticks(125);

/// How many entries a flow has at most: its mapping, seen from both sides, and that its remote
/// was sent to.
pub const MAPPINGS_OF_FLOW: usize = 3;

/// What an entry of the table of mappings is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MappingKey {
    address: Ip4,
    peer: Ip4,
    port: Port,
    protocol: u8,
    side: u8,
}

/// Seen from outside: the mapping itself.
const EXTERNAL: u8 = 0;
/// Seen from inside: leads to the mapping.
const INSIDE: u8 = 1;
/// An address that was sent to (RFC 4787 section 5, address-dependent filtering).
const CONTACT: u8 = 2;

impl MappingKey {
    /// The mapping of an external port; of ICMP queries, the identifier.
    #[inline(always)]
    pub const fn external(address: Ip4, port: Port, protocol: u8) -> Self {
        Self { address, peer: Ip4::UNSPECIFIED, port, protocol, side: EXTERNAL }
    }

    /// Which mapping an inside port has behind an external address.
    #[inline(always)]
    pub const fn inside(inside: Ip4, port: Port, protocol: u8, external: Ip4) -> Self {
        Self { address: inside, peer: external, port, protocol, side: INSIDE }
    }

    /// That something was sent from a mapping to an address.
    #[inline(always)]
    pub const fn contact(external: Ip4, port: Port, protocol: u8, remote: Ip4) -> Self {
        Self { address: external, peer: remote, port, protocol, side: CONTACT }
    }

    /// Whether the entry is a mapping itself.
    #[inline(always)]
    pub const fn is_mapping(&self) -> bool {
        self.side == EXTERNAL
    }

    /// Whether the entry leads from an inside end to its mapping.
    #[inline(always)]
    pub const fn is_inside(&self) -> bool {
        self.side == INSIDE
    }

    /// The address that the mapping is behind; of an entry that [is a
    /// mapping](Self::is_mapping) or a contact.
    #[inline(always)]
    pub const fn address(&self) -> Ip4 {
        self.address
    }

    /// The key of the mapping that an entry of an inside end leads to.
    #[inline(always)]
    pub const fn mapping_of(&self, mapping: &Mapping) -> Self {
        Self::external(self.peer, mapping.external_port, self.protocol)
    }

    /// The key of the entry by which the inside end finds this mapping.
    #[inline(always)]
    pub const fn inside_of(&self, mapping: &Mapping) -> Self {
        Self::inside(mapping.inside, mapping.inside_port, self.protocol, self.address)
    }

    /// A number of the IP header.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }
}

/// Which inside end an external port leads to. Every entry of the table holds one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub inside: Ip4,
    /// When a living flow of it was last met, by its begin or by the sweeper.
    pub last_seen: Tick,
    pub inside_port: Port,
    pub external_port: Port,
    pub rule: RuleId,
    /// A [`Filtering`].
    pub filtering: u8,
    pub padding: u8,
}

/// Who outside may begin a connection to a mapping (RFC 4787 section 5).
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filtering {
    /// Nobody: only the remote address and port that a flow is with may answer.
    #[default]
    AddressAndPort = 0,
    /// Any port of an address that was sent to.
    Address = 1,
    /// Anybody.
    Endpoint = 2,
}

impl Filtering {
    /// The last one for a number that none has.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::AddressAndPort,
            1 => Self::Address,
            _ => Self::Endpoint,
        }
    }
}

const _: () = {
    assert!(size_of::<MappingKey>() == 12);
    assert!(size_of::<Mapping>() == 16);
};
