//! Endpoint-independent mappings: one external port of an inside port for all remotes (RFC 4787
//! section 4.1).

use super::{Ip4, Port, RuleId, Tick, ticks};

/// How long a mapping is kept after its last flow is over, in ticks. A released port stays unused
/// for two minutes (RFC 6888 REQ-8), so that late packets reach nobody else. The sweeper may have
/// visited the flow last up to five seconds before its end.
pub const MAPPING_REST: Tick = ticks(125);

/// How many entries a flow has at most: its mapping by both keys, and its contact with the remote.
pub const MAPPINGS_OF_FLOW: usize = 3;

/// The key of an entry in the table of mappings.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MappingKey {
    address: Ip4,
    peer: Ip4,
    port: Port,
    protocol: u8,
    side: u8,
}

/// The mapping itself, by its external port.
const EXTERNAL: u8 = 0;
/// The entry of an inside end, which leads to its mapping.
const INSIDE: u8 = 1;
/// A contact: a remote address that was sent to (RFC 4787 section 5, address-dependent filtering).
const CONTACT: u8 = 2;

impl MappingKey {
    /// The key of the mapping of an external port; for ICMP queries, of an identifier.
    #[inline(always)]
    pub const fn external(address: Ip4, port: Port, protocol: u8) -> Self {
        Self { address, peer: Ip4::UNSPECIFIED, port, protocol, side: EXTERNAL }
    }

    /// The key of the entry that leads from an inside port to its mapping behind an external
    /// address.
    #[inline(always)]
    pub const fn inside(inside: Ip4, port: Port, protocol: u8, external: Ip4) -> Self {
        Self { address: inside, peer: external, port, protocol, side: INSIDE }
    }

    /// The key of the contact of a mapping with a remote address.
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

    /// The external address of an entry that [is a mapping](Self::is_mapping) or a contact.
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

    /// The protocol number of the IP header.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }
}

/// The inside end of an external port. Every entry of the table has this value.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub inside: Ip4,
    /// When a current flow of it was last seen, at its begin or by the sweeper.
    pub last_seen: Tick,
    pub inside_port: Port,
    pub external_port: Port,
    pub rule: RuleId,
    /// A [`Filtering`].
    pub filtering: u8,
    pub padding: u8,
}

/// Which remotes may begin a connection to a mapping (RFC 4787 section 5).
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filtering {
    /// None: only the remote address and port of a flow may answer.
    #[default]
    AddressAndPort = 0,
    /// Any port of an address that the inside end has sent to.
    Address = 1,
    /// Every remote.
    Endpoint = 2,
}

impl Filtering {
    /// The filtering with this number; the last one for an unknown number.
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
