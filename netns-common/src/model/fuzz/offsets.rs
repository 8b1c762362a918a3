//! Fields of IPv4 headers, read without the datapath's parser.

use crate::{abi::Ip4, model::VecPacket};

/// Offset of the source address in an IPv4 packet, in bytes.
pub(super) const SOURCE: usize = 12;
/// Offset of the destination address in an IPv4 packet, in bytes.
pub(super) const DESTINATION: usize = 16;

/// The address at `offset` of the IPv4 packet; `None` if the packet is too short.
pub(super) fn address_at(packet: &VecPacket, offset: usize) -> Option<Ip4> {
    let octets = packet.network().get(offset..offset + 4)?;
    Some(Ip4::new(octets[0], octets[1], octets[2], octets[3]))
}
