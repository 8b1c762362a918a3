//! ICMP errors that the NAT itself sends to the sender of a dropped packet.
//!
//! The host's stack sends errors for the packets that it forwards. A translated packet skips the
//! stack, which does not know the connection. So the datapath turns the frame itself into the
//! error: the packet, as its sender sent it, becomes the quotation.

use core::mem::offset_of;

use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr},
};

use crate::{
    abi::{DropReason, Ip4, Limited, Mac},
    datapath::{
        context::{
            packet_context::PacketContext,
            scratch::{Refusal, RefusedAt},
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{
            access::{ENVELOPE, LEAST_QUOTED, MOST_QUOTED, Packet, Plain},
            checksum::fold,
            headers::{destination_mac, source_mac},
            wire::{DONT_FRAGMENT, IP, Ipv4Words, L4, icmp_type},
        },
        tables::{
            kernel::Tables,
            route::{RouteOutcome, RouteQuery},
        },
    },
};

/// The TTL of the router's own packets (RFC 1700).
const TTL: u8 = 64;

/// Precedence "internetwork control" (RFC 1812 section 4.3.2.5).
const PRECEDENCE: u8 = 0xc0;

/// The bits of the type of service that an error copies from its packet: neither the precedence nor
/// ECN.
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

/// The ICMP type and code of an error.
struct Message {
    kind: u8,
    code: u8,
    limit: Limited,
}

impl Message {
    /// The error for a drop reason.
    #[inline(always)]
    const fn about(reason: DropReason) -> Self {
        match reason {
            DropReason::TtlExceeded => {
                Self { kind: icmp_type::TIME_EXCEEDED, code: 0, limit: Limited::TimeExceeded }
            }
            DropReason::TooLarge => {
                Self { kind: icmp_type::UNREACHABLE, code: 4, limit: Limited::FragmentationNeeded }
            }
            // A resource is used up: communication administratively prohibited (RFC 5508 REQ-8, RFC
            // 1812 section 5.2.7.1).
            _ => Self { kind: icmp_type::UNREACHABLE, code: 13, limit: Limited::Prohibited },
        }
    }
}

/// The exit and the source address of an ICMP error.
struct Return {
    source: Ip4,
    exit: Exit,
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::SendIcmpError`](crate::abi::Stage::SendIcmpError).
    #[inline(always)]
    pub(crate) fn send_icmp_error(&mut self) -> Outcome {
        Outcome::Decided(self.answer_refused())
    }

    /// Counts the packet as dropped, and sends the error in its place if it may.
    #[inline(always)]
    fn answer_refused(&mut self) -> Verdict {
        let Refusal { reason, mtu, at } = self.handoff.refusal;
        let reason = DropReason::from_number(reason);
        if self.headers.ttl == 0 {
            // A packet with a TTL of 0 gets no answer: no router can have forwarded it.
            return self.drop(DropReason::NoTimeToLive);
        }
        let dropped = self.drop(reason);
        let Some(way) = self.exit_to_sender(at) else { return dropped };
        let message = Message::about(reason);
        if !self.tables.take_allowance(message.limit, self.now) {
            self.drop(DropReason::IcmpRateLimit);
            return dropped;
        }
        match self.write_error(&message, mtu, way.source) {
            Some(()) => Verdict::Answer(reason, way.exit),
            None => self.drop(DropReason::RewriteFailed),
        }
    }

    /// The exit to the sender; `None` if the sender must not be answered (RFC 1122 section 3.2.2,
    /// RFC 1812 section 4.3.2.7).
    #[inline(always)]
    fn exit_to_sender(&self, at: RefusedAt) -> Option<Return> {
        let headers = self.headers;
        let tables = self.tables;
        let is_answerable = headers.kind.is_flow();
        let is_for_a_group = headers.destination.is_multicast_or_broadcast()
            || destination_mac(self.packet).is_none_or(|mac| mac[0] & 1 != 0);
        if !is_answerable
            || is_for_a_group
            || headers.source.is_martian()
            || tables.is_host_address(headers.source)
            || (headers.bytes as usize) < LEAST_QUOTED
        {
            return None;
        }
        let link = self.packet.link();
        let port = tables.bridge_port(link);
        let query = RouteQuery::to(headers.source);
        let route = tables.route(&query, port.map_or(link, |port| port.bridge));
        // The source is a broadcast address, or unreachable.
        let leads_out = self.settings.is_uplink(route.egress);
        if route.outcome != RouteOutcome::Forward || (at == RefusedAt::Egress && leads_out) {
            return None;
        }
        Some(match port {
            // The route that the stack would use for errors of its own.
            _ if at == RefusedAt::Egress => {
                // Looked up explicitly: the packet already has a route, whose next hop the kernel
                // would otherwise resolve if it does not know the neighbour yet.
                let exit = Exit::Neighbour { link: route.egress, next_hop: Ip4::UNSPECIFIED };
                Return { source: route.source, exit }
            }
            Some(_) => Return { source: route.source, exit: Exit::Peer { cable: link } },
            None => {
                // If the route back is not by an uplink, the answer returns to the ingress link.
                let (link, next_hop) =
                    if leads_out { (route.egress, route.next_hop) } else { (link, headers.source) };
                // The called address is the one by which the sender knows the router.
                Return { source: headers.destination, exit: Exit::Neighbour { link, next_hop } }
            }
        })
    }

    /// Turns the packet into the quotation of an error to its sender.
    #[inline(always)]
    fn write_error(&mut self, message: &Message, mtu: u32, source: Ip4) -> Option<()> {
        let headers = self.headers;
        let packet = &mut *self.packet;
        let sender: Mac = source_mac(packet)?;
        let receiver: Mac = destination_mac(packet)?;
        let tos: u8 = packet.load(IP + offset_of!(Ipv4Hdr, tos))?;
        let whole = headers.bytes as usize;
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
                // A packet that is never fragmented needs no identification (RFC 6864 section 4.1).
                id: 0,
                fragment: DONT_FRAGMENT.to_be(),
                ttl: TTL,
                protocol: IpProto::Icmp as u8,
                checksum: 0,
                source: source.to_network(),
                destination: headers.source.to_network(),
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
}
