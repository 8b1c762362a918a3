//! ICMP errors about translated connections (RFC 5508 section 4).
//!
//! An error quotes its packet as the sender of the error received it, so the quotation is
//! translated back along with the outer header. Errors neither refresh nor end a flow (REQ-6). The
//! quotation may have only eight bytes of the transport header.

use network_types::icmp::Icmpv4Hdr;

use crate::{
    abi::{DropReason, FlowHead, FlowKey, FlowKind, InsideKey, Limited},
    datapath::{
        conntrack::idle::is_expired,
        context::{
            packet_context::PacketContext,
            pending::ErrorTranslation,
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{access::Packet, quote::Quote, wire::icmp_type},
        tables::{flow_table::FlowRef as _, kernel::Tables},
        verifier::verifier_barrier,
    },
};

/// The code of "destination unreachable": fragmentation is needed but forbidden.
const FRAGMENTATION_NEEDED: u8 = 4;

/// Offset of the next hop's MTU in an ICMP header (RFC 1191 section 4).
const NEXT_HOP_MTU: usize = 6;

/// The smallest MTU of a link for IPv4, in bytes (RFC 791 section 3.2).
const LEAST_MTU: u16 = 68;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Handles an error that came in by an uplink: it goes to the inside end of the quoted flow, or
    /// to the host if there is no such flow.
    #[inline(always)]
    pub(crate) fn inbound_error(&mut self) -> Outcome {
        const PASS: Outcome = Outcome::Decided(Verdict::Pass);
        let headers = self.headers;
        let tables = self.tables;
        let Some(quote) = self.read_quote() else { return PASS };
        // The quoted packet was outbound: its source is the external address of the flow.
        let (remote, remote_port) = (quote.destination, quote.destination_port);
        let key =
            FlowKey::new(remote, remote_port, quote.source, quote.source_port, quote.protocol);
        let Some(flow) = tables.flow(&key) else { return PASS };
        let is_translated = match FlowKind::from_number(flow.kind) {
            FlowKind::Host => false,
            FlowKind::OtherNat => flow.is_port_translated(),
            _ => flow.egress != 0,
        };
        let is_its_own = is_translated && quote.source == headers.destination;
        if !is_its_own || is_expired(&flow, self.settings, self.now) {
            return PASS;
        }
        let (exit, mac) = self.inside_exit(flow.cable, flow.inside_mac);
        if headers.ttl <= 1 && exit.skips_stack() {
            return Outcome::Decided(self.drop(DropReason::TtlExceeded));
        }
        if let Some(reason) = self.error_fault(&quote) {
            return Outcome::Decided(self.drop(reason));
        }
        // Anybody may forge these, and they slow a connection down, so they are limited to a rate
        // that no change of a path exceeds.
        if self.is_too_big() && !tables.take_allowance(Limited::FragmentationNeededIn, self.now) {
            return Outcome::Decided(self.drop(DropReason::IcmpRateLimit));
        }
        let to = ErrorTranslation {
            source: headers.source,
            destination: flow.inside,
            quoted_source: flow.inside,
            quoted_destination: quote.destination,
            quoted_source_port: flow.inside_port,
            quoted_destination_port: flow.seen_port,
        };
        if !flow.was_of(&key) {
            return PASS;
        }
        self.translate_error(to, mac, exit, flow.rule)
    }

    /// Handles an error that a namespace sends, about a packet that reached it through the NAT or
    /// about one of the host itself.
    #[inline(always)]
    pub(crate) fn outbound_error(&mut self) -> Outcome {
        if let Some(outcome) = self.translate_outbound_error() {
            return outcome;
        }
        Outcome::Decided(if self.handoff.is_for_host {
            Verdict::Pass
        } else if self.headers.first_fragment {
            self.drop(DropReason::Fragment)
        } else {
            self.drop(DropReason::UnrelatedIcmp)
        })
    }
}

/// The flow of a quoted inbound packet, whose destination is the inside end of the flow.
/// `may_tell`: whether the sender may report errors about such a flow.
#[inline(always)]
pub(crate) fn about<'a, P: Packet, T: Tables>(
    context: &PacketContext<'a, P, T>,
    quote: &Quote,
    may_tell: impl Fn(&FlowHead) -> bool,
) -> Option<T::FlowRef<'a>> {
    let tables = context.tables;
    let (inside, inside_port) = (quote.destination, quote.destination_port);
    let key = InsideKey::new(inside, inside_port, quote.source, quote.source_port, quote.protocol);
    let is_current = |flow: &FlowHead| {
        may_tell(flow)
            && context.headers.destination == quote.source
            && !is_expired(flow, context.settings, context.now)
    };
    // As for packets, the record of a flow that kept its ports comes first, unless it is over.
    if let Some(flow) = tables.flow_with_kept_port(&key)
        && is_current(&flow)
    {
        return Some(flow);
    }
    tables.flow_with_translated_port(&key).filter(|flow| is_current(flow))
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Translates an error about an inbound packet. `None` if the error is about no flow.
    #[inline(always)]
    fn translate_outbound_error(&mut self) -> Option<Outcome> {
        let headers = self.headers;
        let tables = self.tables;
        let quote = self.read_quote()?;
        let link = self.packet.link();
        let flow = about(self, &quote, |flow| flow.cable == link)?;
        if headers.ttl <= 1 {
            return Some(Outcome::Decided(self.drop(DropReason::TtlExceeded)));
        }
        if let Some(reason) = self.error_fault(&quote) {
            return Some(Outcome::Decided(self.drop(reason)));
        }
        let mut to = ErrorTranslation {
            source: flow.external,
            destination: headers.destination,
            quoted_source: quote.source,
            quoted_destination: flow.external,
            quoted_source_port: flow.remote_port,
            quoted_destination_port: flow.external_port,
        };
        if flow.egress != 0 {
            let exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
            return Some(self.translate_error(to, None, exit, flow.rule));
        }
        // The other end is a namespace too: its own record translates the error for it (REQ-7).
        let other_key = flow.hairpin_peer_key();
        let other = tables.flow(&other_key)?;
        to.destination = other.inside;
        to.quoted_source = other.inside;
        to.quoted_source_port = other.inside_port;
        to.quoted_destination_port = other.seen_port;
        let exit = Exit::Peer { cable: other.cable };
        let mac = other.inside_mac;
        if !other.was_of(&other_key) {
            return None;
        }
        Some(self.translate_error(to, Some(mac), exit, flow.rule))
    }

    /// The packet that this ICMP error quotes; `None` if the quotation is too short or no IPv4
    /// packet.
    #[inline(always)]
    pub(crate) fn read_quote(&mut self) -> Option<Quote> {
        let headers = self.headers;
        if headers.first_fragment {
            return None;
        }
        let ip = headers.l4 as usize + Icmpv4Hdr::LEN;
        self.handoff.error_rewrite.quote = Quote::read(self.packet, ip, headers.end())?;
        Some(verifier_barrier(&self.handoff.error_rewrite.quote))
    }

    /// The reason why an error about a known flow must not be translated.
    #[inline(always)]
    pub(crate) fn error_fault(&self, quote: &Quote) -> Option<DropReason> {
        if !self.has_right_checksums(quote) {
            return Some(DropReason::BadIcmpChecksum);
        }
        if self.is_too_big() && !self.has_possible_mtu() {
            return Some(DropReason::ForgedTooBig);
        }
        None
    }

    /// Whether the checksums of the message and of the quoted IPv4 header are right (RFC 5508
    /// REQ-3). That of the quoted transport header covers what is not quoted.
    #[inline(always)]
    fn has_right_checksums(&self, quote: &Quote) -> bool {
        const RIGHT: Option<u16> = Some(0xffff);
        let message = self.headers.l4 as usize;
        let length = self.headers.end() - message;
        self.packet.sum(quote.ip(), quote.header()) == RIGHT
            && self.packet.sum(message, length) == RIGHT
    }

    /// Whether the error is "fragmentation needed".
    #[inline(always)]
    fn is_too_big(&self) -> bool {
        let type_and_code: Option<[u8; 2]> = self.packet.load_at(self.headers.l4 as usize);
        type_and_code == Some([icmp_type::UNREACHABLE, FRAGMENTATION_NEEDED])
    }

    /// Whether such an error names a possible MTU. Routers older than RFC 1191 name 0.
    #[inline(always)]
    fn has_possible_mtu(&self) -> bool {
        let mtu: Option<u16> = self.packet.load_at(self.headers.l4 as usize + NEXT_HOP_MTU);
        mtu.map(u16::from_be).is_some_and(|mtu| mtu == 0 || mtu >= LEAST_MTU)
    }
}
