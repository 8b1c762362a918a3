//! The limits of a topology file: ranges of its numbers, lengths of names, and how many there can
//! be of each part.

use std::ops::RangeInclusive;

use netns_common::abi::{self, MAX_FLOWS};

/// Members of one entry. The upper limit is more than any bridge of Linux has ports for.
pub(super) const COUNT: RangeInclusive<u32> = 1..=65_536;

/// Bytes of a packet. IPv4 requires 68 of a link (RFC 791), and a cable of Linux carries 65535.
pub(super) const MTU: RangeInclusive<u32> = 68..=65_535;

/// Connections of a flow table. With fewer the sweeper has no room to work, and with more the
/// table takes gigabytes of kernel memory.
pub(super) const FLOW_TABLE: RangeInclusive<u32> = 64..=MAX_FLOWS;

/// Connections of one namespace. A namespace that may have none needs no NAT.
pub(super) const QUOTA: RangeInclusive<u32> = 1..=*FLOW_TABLE.end();

/// Seconds that a connection may be idle. The upper limit is a week.
pub(super) const TIMEOUT: RangeInclusive<u32> = 1..=604_800;

/// Namespaces of a lab, together with the routes and the name servers of each.
pub(super) const MAX_PARTS: u64 = 1 << 17;

/// Ports of a bridge. Linux numbers them with ten bits, and no port has the number 0
/// (BR_PORT_BITS in net/bridge/br_private.h).
pub(super) const MAX_PORTS: usize = 1023;

/// Bridges of a router.
pub(super) const MAX_BRIDGES: usize = abi::MAX_INSIDE_PREFIXES;

/// Uplinks of a router.
pub(super) const MAX_UPLINKS: usize = abi::MAX_UPLINKS;

/// Addresses of a router's uplinks. The datapath has room for 1024 addresses of the router and
/// broadcast addresses of its subnets together (`HOST_ADDRESSES`).
pub(super) const MAX_ADDRESSES: usize = 256;

/// Rules of a router: the map has one place more, which no rule uses.
pub(super) const MAX_RULES: usize = abi::MAX_RULES as usize - 1;

/// Bytes of an interface's name: IFNAMSIZ of Linux without the final zero.
pub(super) const INTERFACE_NAME: usize = 15;

/// Bytes of a namespace's name, which is the name of a file.
pub(super) const NAMESPACE_NAME: usize = 255;

/// Bytes of a lab's name. Longer paths in bpffs would still fit.
pub(super) const LAB_NAME: usize = 64;
