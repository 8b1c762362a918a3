//! The source check: which sender addresses a cable and an uplink accept.

use core::mem::offset_of;

use network_types::{
    arp::ArpHdr,
    eth::{EthHdr, EtherType},
    tcp::TcpHdr,
    udp::UdpHdr,
};

use crate::{
    abi::{BridgePort, DropReason, Ip4, Mac, Port, Settings},
    datapath::{
        context::{known_flow::KnownFlow, packet_context::PacketContext, verdict::Verdict},
        packet::{
            access::Packet,
            headers::{Headers, Kind, is_from},
            wire::{IP, SCTP_CHECKSUM},
        },
        tables::kernel::Tables,
    },
};

/// ARP over Ethernet about IPv4 (RFC 826): hardware 1, protocol 0x0800, lengths 6 and 4.
const ARP_ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0, 6, 4];

/// The DHCP server's port.
const DHCP_SERVER: Port = Port::new(67);

/// The DHCP client's port.
const DHCP_CLIENT: Port = Port::new(68);

/// IGMP (RFC 3376), whose senders may have no address yet.
const IGMP: u8 = 2;

/// The verdict on a frame without an IPv4 packet, or with one in a VLAN. From a cable it is
/// bridged, never translated; from an uplink it passes to the stack.
#[inline(always)]
pub(crate) fn of_other_frame<P: Packet, T: Tables>(packet: &P, tables: &T) -> Verdict {
    let port = tables.bridge_port(packet.link());
    let refusal = match (tables.settings(), port) {
        (Some(settings), Some(port)) => frame_fault(packet, tables, settings, &port),
        _ => is_hidden(packet).then_some(DropReason::Malformed),
    };
    refusal.map_or(Verdict::Pass, |reason| {
        tables.count_drop(reason, packet.length());
        Verdict::Drop(reason)
    })
}

/// The reason why a cable does not accept a frame.
#[inline(always)]
fn frame_fault<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    settings: &Settings,
    port: &BridgePort,
) -> Option<DropReason> {
    let ether_type: u16 = packet.load(offset_of!(EthHdr, ether_type))?;
    if ether_type == EtherType::Ipv6 as u16 {
        return Some(DropReason::Ipv6);
    }
    if is_hidden(packet) {
        return Some(DropReason::Malformed);
    }
    if !port.is_checked(settings) {
        return None;
    }
    if !is_from(packet, &port.mac) {
        return Some(DropReason::SpoofedMac);
    }
    if ether_type == EtherType::Arp as u16 && !packet.is_tagged() {
        return arp_fault(packet, tables, port);
    }
    None
}

/// Whether the frame hides a packet behind a second VLAN tag. The kernel has removed one tag before
/// the hook; if that was a priority tag (VLAN 0), the stack also removes the next.
#[inline(always)]
fn is_hidden<P: Packet>(packet: &P) -> bool {
    let ether_type: Option<u16> = packet.load(offset_of!(EthHdr, ether_type));
    let is_vlan = |ether_type| {
        ether_type == EtherType::Ieee8021q as u16 || ether_type == EtherType::Ieee8021ad as u16
    };
    ether_type.is_some_and(is_vlan) && !packet.is_tagged()
}

/// The reason why a cable does not accept an ARP message. The sender address must be the
/// namespace's own, or 0.0.0.0 in a probe for a conflict (RFC 5227 section 2.1.1).
#[inline(always)]
fn arp_fault<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    port: &BridgePort,
) -> Option<DropReason> {
    const KIND: usize = IP;
    const SENDER_MAC: usize = IP + offset_of!(ArpHdr, sha);
    const SENDER: usize = IP + offset_of!(ArpHdr, spa);
    // Read one after the other: otherwise the compiler computes with values that were not read,
    // which the verifier refuses.
    let Some(ARP_ETHERNET_IPV4) = packet.load(KIND) else { return Some(DropReason::Malformed) };
    let Some(sender) = packet.load(SENDER) else { return Some(DropReason::Malformed) };
    let mac: Option<Mac> = packet.load(SENDER_MAC);
    if mac != Some(port.mac) {
        return Some(DropReason::SpoofedArp);
    }
    let sender = Ip4::from_network(sender);
    let is_own = sender == Ip4::UNSPECIFIED
        || tables.endpoint(sender).is_some_and(|endpoint| endpoint.cable == packet.link());
    (!is_own).then_some(DropReason::SpoofedArp)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// The reason why a cable does not accept a packet; `port` is its host side.
    #[inline(always)]
    pub(crate) fn source_fault(&self, port: &BridgePort) -> Option<DropReason> {
        let headers = self.headers;
        let is_checked = port.is_checked(self.settings);
        if is_checked && !is_from(self.packet, &port.mac) {
            return Some(DropReason::SpoofedMac);
        }
        if let Some(reason) = address_fault(headers) {
            return Some(reason);
        }
        if is_checked && headers.source != Ip4::UNSPECIFIED {
            let endpoint = self.tables.endpoint(headers.source);
            let link = self.packet.link();
            if endpoint.is_none_or(|endpoint| endpoint.cable != link) {
                return Some(DropReason::SpoofedSource);
            }
        }
        None
    }

    /// Judges a packet of a known flow whose Ethernet source is not the one that the flow began
    /// with; `None` if the packet may go on.
    #[inline(always)]
    pub(crate) fn foreign_mac(&mut self) -> Option<KnownFlow> {
        let port = self.tables.bridge_port(self.packet.link())?;
        let is_foreign = port.is_checked(self.settings) && !is_from(self.packet, &port.mac);
        is_foreign.then(|| self.drop_known(DropReason::SpoofedMac))
    }
}

/// The fault in the addresses or the TTL of a packet without a flow, from any side.
#[inline(always)]
pub(crate) fn address_fault(headers: &Headers) -> Option<DropReason> {
    if headers.source.is_martian() && !is_without_address(headers) {
        return Some(DropReason::Martian);
    }
    if headers.destination.is_loopback() || headers.destination.first_octet() == 0 {
        return Some(DropReason::MartianDestination);
    }
    if headers.ttl == 0 {
        return Some(DropReason::NoTimeToLive);
    }
    None
}

/// Whether the pending checksum of a packet would overwrite its IPv4 header or its ports. The
/// kernel would write it when the packet leaves, after the egress guard. The pending checksum of a
/// packet inside a tunnel is further back.
#[inline(always)]
pub(crate) fn misplaces_checksum<P: Packet>(
    packet: &P,
    settings: &Settings,
    headers: &Headers,
) -> bool {
    let Some((start, offset)) = packet.pending_checksum(settings.checksum_partial) else {
        return false;
    };
    let field = match headers.kind {
        Kind::Tcp => offset_of!(TcpHdr, check) as u32,
        Kind::Udp => offset_of!(UdpHdr, check) as u32,
        Kind::Sctp => SCTP_CHECKSUM as u32,
        _ => u32::MAX,
    };
    let transport = u32::from(headers.l4);
    start < transport || (start == transport && offset != field)
}

/// Whether a sender without an address may send this packet on its own link: DHCP (RFC 2131 section
/// 4.1) and IGMP (RFC 3376 section 4.2.13).
#[inline(always)]
fn is_without_address(headers: &Headers) -> bool {
    let is_dhcp = headers.kind == Kind::Udp
        && headers.source_port == DHCP_CLIENT
        && headers.destination_port == DHCP_SERVER;
    headers.source == Ip4::UNSPECIFIED
        && headers.destination.is_multicast_or_broadcast()
        && (is_dhcp || headers.protocol == IGMP)
}
