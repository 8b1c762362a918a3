//! The identification of IPv4 packets behind a shared address (RFC 6864 section 5.3).
//!
//! A receiver puts fragments together by source, destination, protocol and identification. Behind
//! the NAT several senders share one source address. So a packet that is or may become fragments
//! gets a new identification, which is unique for the other three. An atomic packet (no fragment,
//! and fragmentation forbidden) keeps its own, which no receiver reads.

use crate::{
    abi::{IP_ID_COUNTERS, Ip4, Settings},
    datapath::{siphash::siphash13, tables::kernel::Tables},
};

/// Separates these hashes from the ones that ports are drawn from.
const DOMAIN: u64 = 1 << 63;

/// Allocates consecutive identifications for the `count` packets that a datagram becomes (more than
/// 1 with segmentation offload), and returns the first, in network byte order.
///
/// The seed determines a secret start for each destination, and several destinations share a
/// counter. So an observer of one destination learns little about the others.
#[inline(always)]
pub(crate) fn new_id<T: Tables>(
    tables: &T,
    settings: &Settings,
    external: Ip4,
    remote: Ip4,
    protocol: u8,
    count: u32,
) -> u16 {
    let addresses = (u64::from(external.to_network()) << 32) | u64::from(remote.to_network());
    let hash = siphash13(settings.seed, [addresses, DOMAIN | u64::from(protocol)]);
    let counter = (hash >> 32) as u32 % IP_ID_COUNTERS;
    let taken = tables.take_ids(counter, count.max(1));
    (hash as u16).wrapping_add(taken as u16).to_be()
}
