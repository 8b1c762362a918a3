//! Applying a decision: the addresses, ports, TTL and checksums of one packet.

use core::mem::offset_of;

use network_types::{eth::EthHdr, icmp::Icmpv4Hdr, ip::Ipv4Hdr, tcp::TcpHdr, udp::UdpHdr};

use crate::{
    abi::{Ip4, Mac, Port},
    datapath::packet::{
        access::{Packet, Plain},
        checksum::Diff,
        crc32c,
        headers::{Headers, Kind},
        wire::{IP, L4, SCTP_CHECKSUM},
    },
};

/// Fast path: the entry programs handle only the packets that [`Headers::is_plain`] accepts and
/// that keep their identification. This keeps the programs small.
pub(crate) const FAST_PATH: bool = true;

/// Slow path: the stages handle every packet.
pub(crate) const SLOW_PATH: bool = false;

/// The addresses and ports of a packet after translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    pub source: Ip4,
    pub source_port: Port,
    pub destination: Ip4,
    pub destination_port: Port,
    /// The Ethernet destination, if the packet goes directly into a namespace.
    pub mac: Option<Mac>,
}

/// The second half of the IPv4 header, written at once.
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

/// Writes the IPv4 header, with the identification `id`, and the Ethernet addresses. Returns the
/// change of the pseudo-header by the addresses. `is_hop`: decrement the TTL.
#[inline(always)]
pub(crate) fn network<P: Packet>(
    packet: &mut P,
    headers: &Headers,
    source: Ip4,
    destination: Ip4,
    id: u16,
    mac: Option<Mac>,
    is_hop: bool,
) -> Option<Diff> {
    let addresses = Diff::NONE
        .word(headers.source.to_network(), source.to_network())
        .word(headers.destination.to_network(), destination.to_network());
    let ttl = if is_hop { headers.ttl - 1 } else { headers.ttl };
    let checksum = addresses
        .half(
            u16::from_ne_bytes([headers.ttl, headers.protocol]),
            u16::from_ne_bytes([ttl, headers.protocol]),
        )
        .half(headers.id, id)
        .apply(headers.ip_checksum);
    packet.store(
        TAIL,
        Ipv4Tail {
            ttl,
            protocol: headers.protocol,
            checksum,
            source: source.to_network(),
            destination: destination.to_network(),
        },
    )?;
    if id != headers.id {
        packet.store(ID, id)?;
    }
    if let Some(mac) = mac {
        // The frame was for the router's own Ethernet address, which is now its source.
        let router: Mac = packet.load(offset_of!(EthHdr, dst_addr))?;
        packet.store(offset_of!(EthHdr, src_addr), router)?;
        packet.store(offset_of!(EthHdr, dst_addr), mac)?;
    }
    Some(addresses)
}

/// Writes another TTL.
#[inline(always)]
pub(crate) fn time_to_live<P: Packet>(packet: &mut P, headers: &Headers, ttl: u8) -> Option<()> {
    let old = u16::from_ne_bytes([headers.ttl, headers.protocol]);
    let new = u16::from_ne_bytes([ttl, headers.protocol]);
    packet.store(TAIL, new)?;
    let checksum = Diff::NONE.half(old, new).apply(headers.ip_checksum);
    packet.store(IP + offset_of!(Ipv4Hdr, check), checksum)
}

/// Rewrites a packet of a flow.
///
/// `is_hop`: decrement the TTL; the caller has checked that it is above 1. After `None` the packet
/// is half written and must be dropped.
#[inline(always)]
pub(crate) fn apply<P: Packet, const PATH: bool>(
    packet: &mut P,
    headers: &Headers,
    to: &Translation,
    id: u16,
    is_hop: bool,
) -> Option<()> {
    let addresses = network(packet, headers, to.source, to.destination, id, to.mac, is_hop)?;
    let l4 = headers.l4 as usize;
    match headers.kind {
        Kind::Tcp | Kind::Udp => {
            let ports = Diff::NONE
                .half(headers.source_port.to_network(), to.source_port.to_network())
                .half(headers.destination_port.to_network(), to.destination_port.to_network());
            let moved = headers.source_port != to.source_port
                || headers.destination_port != to.destination_port;
            if moved {
                let both = [to.source_port.to_network(), to.destination_port.to_network()];
                store_l4(packet, headers, 0, both[0])?;
                store_l4(packet, headers, 2, both[1])?;
            }
            let (field, zero_is_none) = match headers.kind {
                Kind::Tcp => (offset_of!(TcpHdr, check), false),
                _ => (offset_of!(UdpHdr, check), true),
            };
            packet.update_l4_checksum(l4 + field, addresses.raw(), true, zero_is_none)?;
            if moved {
                packet.update_l4_checksum(l4 + field, ports.raw(), false, zero_is_none)?;
            }
            Some(())
        }
        Kind::Sctp if PATH == SLOW_PATH => sctp(packet, headers, to),
        // Only the addresses are known.
        Kind::Portless if PATH == SLOW_PATH => Some(()),
        // ICMP has no pseudo-header: only the identifier changes the checksum.
        _ => {
            let (old, new) = match headers.kind {
                Kind::Query => (headers.source_port, to.source_port),
                _ => (headers.destination_port, to.destination_port),
            };
            if old == new {
                return Some(());
            }
            store_l4(packet, headers, offset_of!(Icmpv4Hdr, data), new.to_network())?;
            let diff = Diff::NONE.half(old.to_network(), new.to_network());
            packet.update_l4_checksum(l4 + offset_of!(Icmpv4Hdr, check), diff.raw(), false, false)
        }
    }
}

/// Writes the ports of an SCTP packet. Its checksum covers the whole packet, so the caller never
/// changes the ports of a fragment.
#[inline(always)]
fn sctp<P: Packet>(packet: &mut P, headers: &Headers, to: &Translation) -> Option<()> {
    let old = ports(headers.source_port, headers.destination_port);
    let new = ports(to.source_port, to.destination_port);
    if old == new {
        return Some(());
    }
    let l4 = headers.l4 as usize;
    let field: u32 = packet.load_at(l4 + SCTP_CHECKSUM)?;
    let length = headers.end() - l4;
    let sum = crc32c::update(u32::from_le(field), old, new, length as u32);
    packet.store_at(l4, new.to_le_bytes())?;
    packet.store_at(l4 + SCTP_CHECKSUM, sum.to_le())
}

/// Two ports as the first word of a packet, in little-endian order.
#[inline(always)]
pub(crate) const fn ports(source: Port, destination: Port) -> u32 {
    let [a, b] = source.to_network().to_ne_bytes();
    let [c, d] = destination.to_network().to_ne_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[inline(always)]
fn store_l4<P: Packet>(packet: &mut P, headers: &Headers, offset: usize, value: u16) -> Option<()> {
    if headers.l4 as usize == L4 {
        packet.store(L4 + offset, value)
    } else {
        packet.store_at(headers.l4 as usize + offset, value)
    }
}
