//! ICMP errors that the NAT itself sends: to the sender of a packet that it drops.
//!
//! The stack of the host sends them for what it forwards. A translated packet never meets the
//! stack, which would not know the connection, so the datapath makes the error of the very
//! frame: the packet as its sender sent it becomes the content of an answer to it.

use core::mem::offset_of;

use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr},
};

use super::{
    Exit, Outcome, Verdict,
    checksum::fold,
    head::{destination_mac, source_mac},
    hop::{RouteOutcome, RouteQuery},
    inside::is_uplink,
    notes::{Place, Refusal, Scratch},
    passage::Passage,
    stages::go_on,
    traits::{ENVELOPE, LEAST_QUOTED, MOST_QUOTED, Packet, Plain, Tables},
    words::{DONT_FRAGMENT, IP, Ipv4Words, L4, icmp_type},
};
use crate::abi::{DropReason, Ip4, Limited, Mac, Tick};

/// Time to live of what the router sends (RFC 1700).
const TTL: u8 = 64;

/// Precedence "internetwork control" (RFC 1812 section 4.3.2.5).
const PRECEDENCE: u8 = 0xc0;

/// What an error has of the type of service of the packet that it is about: neither the
/// precedence nor the bits of congestion notification.
const TYPE_OF_SERVICE: u8 = 0x1c;

/// The header of an ICMP error.
#[repr(C)]
#[derive(Clone, Copy)]
struct IcmpWords {
    kind: u8,
    code: u8,
    checksum: u16,
    unused: u16,
    /// Network byte order; 0 where the type has none.
    mtu: u16,
}

// SAFETY: repr(C) with naturally aligned integers and no padding: 1 + 1 + 2 + 2 + 2 bytes.
unsafe impl Plain for IcmpWords {}

const _: () = assert!(size_of::<IcmpWords>() + Ipv4Hdr::LEN == ENVELOPE);

/// An error, as type and code of ICMP.
struct Message {
    kind: u8,
    code: u8,
    limit: Limited,
}

impl Message {
    /// The error that tells a sender why its packet was dropped.
    #[inline(always)]
    const fn about(reason: DropReason) -> Self {
        match reason {
            DropReason::TtlExceeded => {
                Self { kind: icmp_type::TIME_EXCEEDED, code: 0, limit: Limited::TimeExceeded }
            }
            DropReason::TooLarge => {
                Self { kind: icmp_type::UNREACHABLE, code: 4, limit: Limited::FragmentationNeeded }
            }
            // Something is used up: communication administratively prohibited (RFC 5508
            // REQ-8, RFC 1812 section 5.2.7.1).
            _ => Self { kind: icmp_type::UNREACHABLE, code: 13, limit: Limited::Prohibited },
        }
    }
}

/// Where an answer goes, and which address it is from.
struct Return {
    source: Ip4,
    exit: Exit,
}

/// [`Stage::Refuse`](crate::abi::Stage::Refuse): drops a packet and tells its sender why, in
/// its place.
#[inline(always)]
pub fn refuse<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| Outcome::Decided(answer(passage)))
}

/// The packet is counted as dropped in any case; it is the error that is sent on.
#[inline(always)]
fn answer<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Verdict {
    let Refusal { reason, mtu, place } = passage.notes.refusal;
    let reason = DropReason::from_number(reason);
    if passage.head.ttl == 0 {
        // No router on the way can have let it pass.
        return passage.drop(DropReason::NoTimeToLive);
    }
    let dropped = passage.drop(reason);
    let Some(way) = way_back(passage, place) else { return dropped };
    let message = Message::about(reason);
    if !passage.tables.take_allowance(message.limit, passage.now) {
        passage.drop(DropReason::IcmpRateLimit);
        return dropped;
    }
    match write(passage, &message, mtu, way.source) {
        Some(()) => Verdict::Answer(reason, way.exit),
        None => passage.drop(DropReason::RewriteFailed),
    }
}

/// The way to the sender; `None` if it must not be answered (RFC 1122 section 3.2.2, RFC 1812
/// section 4.3.2.7).
#[inline(always)]
fn way_back<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, place: Place) -> Option<Return> {
    let head = passage.head;
    let tables = passage.tables;
    let is_answerable = head.kind.is_flow();
    let is_for_a_group = head.destination.is_multicast_or_broadcast()
        || destination_mac(passage.packet).is_none_or(|mac| mac[0] & 1 != 0);
    if !is_answerable
        || is_for_a_group
        || head.source.is_martian()
        || tables.is_host_address(head.source)
        || (head.bytes as usize) < LEAST_QUOTED
    {
        return None;
    }
    let link = passage.packet.link();
    let port = tables.bridge_port(link);
    let query = RouteQuery::to(head.source);
    let route = tables.route(&query, port.map_or(link, |port| port.bridge));
    // A broadcast address, or one that no answer would reach.
    let leads_out = is_uplink(passage.settings, route.egress);
    if route.outcome != RouteOutcome::Forward || (place == Place::Departure && leads_out) {
        return None;
    }
    Some(match port {
        // The way that the stack would send errors of its own.
        _ if place == Place::Departure => {
            // By a route of its own: the packet has one already, whose next hop the kernel would ask
            // for if it does not know the neighbour yet.
            let exit = Exit::Neighbour { link: route.egress, next_hop: Ip4::UNSPECIFIED };
            Return { source: route.source, exit }
        }
        Some(_) => Return { source: route.source, exit: Exit::Peer { cable: link } },
        None => {
            // Where the way back is not by an uplink, the answer goes where the packet came
            // from.
            let (link, next_hop) =
                if leads_out { (route.egress, route.next_hop) } else { (link, head.source) };
            // The address that was called: the one that the sender knows the router by.
            Return { source: head.destination, exit: Exit::Neighbour { link, next_hop } }
        }
    })
}

/// Makes the packet the content of an error to its sender.
#[inline(always)]
fn write<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    message: &Message,
    mtu: u32,
    source: Ip4,
) -> Option<()> {
    let head = passage.head;
    let packet = &mut *passage.packet;
    let sender: Mac = source_mac(packet)?;
    let receiver: Mac = destination_mac(packet)?;
    let tos: u8 = packet.load(IP + offset_of!(Ipv4Hdr, tos))?;
    let whole = head.bytes as usize;
    let quoted = if whole < MOST_QUOTED { whole } else { MOST_QUOTED };
    packet.enclose(quoted)?;

    packet.store(offset_of!(EthHdr, dst_addr), sender)?;
    packet.store(offset_of!(EthHdr, src_addr), receiver)?;
    packet.store(
        IP,
        Ipv4Words {
            version_length: 0x45,
            tos: PRECEDENCE | (tos & TYPE_OF_SERVICE),
            total_length: ((ENVELOPE + quoted) as u16).to_be(),
            // One that is never fragmented needs no number (RFC 6864 section 4.1).
            id: 0,
            fragment: DONT_FRAGMENT.to_be(),
            ttl: TTL,
            protocol: IpProto::Icmp as u8,
            checksum: 0,
            source: source.to_network(),
            destination: head.source.to_network(),
        },
    )?;
    let sum = packet.sum(IP, Ipv4Hdr::LEN)?;
    packet.store(IP + offset_of!(Ipv4Hdr, check), fold(u32::from(sum)))?;

    let mtu = if mtu > 0xffff { 0xffff } else { mtu as u16 };
    let mut words = IcmpWords {
        kind: message.kind,
        code: message.code,
        checksum: 0,
        unused: 0,
        mtu: mtu.to_be(),
    };
    packet.store(L4, words)?;
    let sum = packet.sum(L4, size_of::<IcmpWords>() + quoted)?;
    words.checksum = fold(u32::from(sum));
    packet.store(L4, words)
}
