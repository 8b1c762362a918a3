//! Applying a decision: addresses, ports, time to live and checksums of one packet.

use core::mem::offset_of;

use network_types::{eth::EthHdr, icmp::Icmpv4Hdr, ip::Ipv4Hdr, tcp::TcpHdr, udp::UdpHdr};

use super::{
    checksum::Diff,
    crc32c,
    head::{Head, Kind},
    passage::ANY,
    traits::{Packet, Plain},
    words::{IP, L4, SCTP_CHECKSUM},
};
use crate::abi::{Ip4, Mac, Port};

/// The addresses and ports that a packet is to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Translation {
    pub source: Ip4,
    pub source_port: Port,
    pub destination: Ip4,
    pub destination_port: Port,
    /// The Ethernet address it is for, when it goes straight into a namespace.
    pub mac: Option<Mac>,
}

/// The second half of the IPv4 header, written as one.
#[repr(C)]
#[derive(Clone, Copy)]
struct Ipv4Tail {
    ttl: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

// SAFETY: repr(C) with naturally aligned integers and no padding: 1 + 1 + 2 + 4 + 4 bytes.
unsafe impl Plain for Ipv4Tail {}

const TAIL: usize = IP + offset_of!(Ipv4Hdr, ttl);
const ID: usize = IP + offset_of!(Ipv4Hdr, id);

/// Writes the IPv4 header, with the identification `id`, and the Ethernet addresses. Returns
/// what the addresses change in a pseudo-header. `is_hop`: one hop further.
#[inline(always)]
pub(super) fn network<P: Packet>(
    packet: &mut P,
    head: &Head,
    source: Ip4,
    destination: Ip4,
    id: u16,
    mac: Option<Mac>,
    is_hop: bool,
) -> Option<Diff> {
    let addresses = Diff::NONE
        .word(head.source.to_network(), source.to_network())
        .word(head.destination.to_network(), destination.to_network());
    let ttl = if is_hop { head.ttl - 1 } else { head.ttl };
    let checksum = addresses
        .half(
            u16::from_ne_bytes([head.ttl, head.protocol]),
            u16::from_ne_bytes([ttl, head.protocol]),
        )
        .half(head.id, id)
        .apply(head.ip_checksum);
    packet.store(
        TAIL,
        Ipv4Tail {
            ttl,
            protocol: head.protocol,
            checksum,
            source: source.to_network(),
            destination: destination.to_network(),
        },
    )?;
    if id != head.id {
        packet.store(ID, id)?;
    }
    if let Some(mac) = mac {
        // The frame came in for one of the router's own addresses; it goes on from there.
        let router: Mac = packet.load(offset_of!(EthHdr, dst_addr))?;
        packet.store(offset_of!(EthHdr, src_addr), router)?;
        packet.store(offset_of!(EthHdr, dst_addr), mac)?;
    }
    Some(addresses)
}

/// Writes another time to live.
#[inline(always)]
pub(super) fn time_to_live<P: Packet>(packet: &mut P, head: &Head, ttl: u8) -> Option<()> {
    let old = u16::from_ne_bytes([head.ttl, head.protocol]);
    let new = u16::from_ne_bytes([ttl, head.protocol]);
    packet.store(TAIL, new)?;
    let checksum = Diff::NONE.half(old, new).apply(head.ip_checksum);
    packet.store(IP + offset_of!(Ipv4Hdr, check), checksum)
}

/// Rewrites a packet of a flow.
///
/// `is_hop`: one hop further; the caller has checked that the time to live is above 1. `None`
/// leaves the packet half written: it must then be dropped.
#[inline(always)]
pub(super) fn apply<P: Packet, const WHICH: bool>(
    packet: &mut P,
    head: &Head,
    to: &Translation,
    id: u16,
    is_hop: bool,
) -> Option<()> {
    let addresses = network(packet, head, to.source, to.destination, id, to.mac, is_hop)?;
    let l4 = head.l4 as usize;
    match head.kind {
        Kind::Tcp | Kind::Udp => {
            let ports = Diff::NONE
                .half(head.source_port.to_network(), to.source_port.to_network())
                .half(head.destination_port.to_network(), to.destination_port.to_network());
            let moved =
                head.source_port != to.source_port || head.destination_port != to.destination_port;
            if moved {
                let both = [to.source_port.to_network(), to.destination_port.to_network()];
                store_l4(packet, head, 0, both[0])?;
                store_l4(packet, head, 2, both[1])?;
            }
            let (field, zero_is_none) = match head.kind {
                Kind::Tcp => (offset_of!(TcpHdr, check), false),
                _ => (offset_of!(UdpHdr, check), true),
            };
            packet.update_l4_checksum(l4 + field, addresses.raw(), true, zero_is_none)?;
            if moved {
                packet.update_l4_checksum(l4 + field, ports.raw(), false, zero_is_none)?;
            }
            Some(())
        }
        Kind::Sctp if WHICH == ANY => sctp(packet, head, to),
        // Nothing but the addresses is known.
        Kind::Portless if WHICH == ANY => Some(()),
        // ICMP has no pseudo-header: only the identifier counts.
        _ => {
            let (old, new) = match head.kind {
                Kind::Query => (head.source_port, to.source_port),
                _ => (head.destination_port, to.destination_port),
            };
            if old == new {
                return Some(());
            }
            store_l4(packet, head, offset_of!(Icmpv4Hdr, data), new.to_network())?;
            let diff = Diff::NONE.half(old.to_network(), new.to_network());
            packet.update_l4_checksum(l4 + offset_of!(Icmpv4Hdr, check), diff.raw(), false, false)
        }
    }
}

/// Writes the ports of an SCTP packet. Its checksum covers all of it, so the caller gives no
/// fragment other ports.
#[inline(always)]
fn sctp<P: Packet>(packet: &mut P, head: &Head, to: &Translation) -> Option<()> {
    let old = ports(head.source_port, head.destination_port);
    let new = ports(to.source_port, to.destination_port);
    if old == new {
        return Some(());
    }
    let l4 = head.l4 as usize;
    let field: u32 = packet.load_at(l4 + SCTP_CHECKSUM)?;
    let length = head.end() - l4;
    let sum = crc32c::update(u32::from_le(field), old, new, length as u32);
    packet.store_at(l4, new.to_le_bytes())?;
    packet.store_at(l4 + SCTP_CHECKSUM, sum.to_le())
}

/// Two ports as the first word of a packet, in little-endian order.
#[inline(always)]
pub(super) const fn ports(source: Port, destination: Port) -> u32 {
    let [a, b] = source.to_network().to_ne_bytes();
    let [c, d] = destination.to_network().to_ne_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[inline(always)]
fn store_l4<P: Packet>(packet: &mut P, head: &Head, offset: usize, value: u16) -> Option<()> {
    if head.l4 as usize == L4 {
        packet.store(L4 + offset, value)
    } else {
        packet.store_at(head.l4 as usize + offset, value)
    }
}
