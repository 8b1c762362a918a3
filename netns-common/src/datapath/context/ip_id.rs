//! The identification of IPv4 packets behind a shared address (RFC 6864 section 5.3).
//!
//! A receiver puts fragments together by source, destination, protocol and identification.
//! Behind the NAT several senders have one source, so that what may be in fragments is given
//! a new identification, which is unique for those three. An atomic packet (not to be
//! fragmented, and no fragment) keeps its own, which nobody asks for.

use crate::{
    abi::{IP_ID_COUNTERS, Ip4, Settings},
    datapath::{siphash::siphash13, tables::kernel::Tables},
};

/// Tells these hashes from those that ports are drawn from.
const DOMAIN: u64 = 1 << 63;

/// Takes identifications, in network byte order, for the `count` packets that a datagram will
/// become (more than 1 with segmentation offload); they follow on the one that is returned.
///
/// Counted on from a place that only the holder of the seed can tell, by a counter that some
/// destinations share: an observer of one learns little about the others.
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
