//! Rewriting an ICMP error: its own header, and the packet that it quotes.

use core::mem::offset_of;

use network_types::{icmp::Icmpv4Hdr, ip::Ipv4Hdr, tcp::TcpHdr, udp::UdpHdr};

use crate::{
    abi::{DropReason, Ip4, Mac, Port, RuleId, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            pending::{ErrorTranslation, ParkedExit, PendingErrorRewrite},
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{
            access::Packet,
            checksum::Diff,
            crc32c,
            quote::{ICMP, Quote, SCTP, TCP, UDP, UDP_LITE},
            rewrite,
            wire::SCTP_CHECKSUM,
        },
        tables::kernel::Tables,
        verifier::verifier_barrier,
    },
};

/// The `more fragments` bit (RFC 791).
const MORE_FRAGMENTS: u16 = 0x2000;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Leaves the rewriting of an error, whose quotation was read last, to a stage. Both the
    /// decision and the rewriting have many paths, and in one program the verifier would follow
    /// every combination.
    #[inline(always)]
    pub(crate) fn translate_error(
        &mut self,
        to: ErrorTranslation,
        mac: Option<Mac>,
        exit: Exit,
        rule: RuleId,
    ) -> Outcome {
        let error = &mut self.handoff.error_rewrite;
        error.to = to;
        error.exit = ParkedExit::park(exit);
        error.mac = mac.unwrap_or_default();
        error.has_mac = mac.is_some();
        error.rule = rule;
        Outcome::Continue(Stage::RewriteQuote)
    }

    /// [`Stage::RewriteQuote`].
    #[inline(always)]
    pub(crate) fn rewrite_quote(&mut self) -> Outcome {
        let PendingErrorRewrite { quote, to, exit, mac, has_mac, rule } =
            self.handoff.error_rewrite;
        self.tables.count_rule(rule, false, self.headers.bytes);
        let mac = has_mac.then_some(mac);
        Outcome::Decided(match self.apply_error(&quote, &to, mac, exit.skips_stack()) {
            Some(()) => {
                Verdict::Redirect(verifier_barrier(&self.handoff.error_rewrite.exit).exit())
            }
            None => self.drop(DropReason::RewriteFailed),
        })
    }
}

/// Corrects the checksum of a quoted SCTP packet if the quotation includes it, and returns the sum
/// of all edits of the message. It leaves a fragment alone, because the length of its packet is
/// unknown.
#[inline(always)]
fn sctp_checksum<P: Packet>(
    packet: &mut P,
    quote: &Quote,
    to: &ErrorTranslation,
    end: usize,
    edits: Diff,
) -> Option<Diff> {
    let field = quote.l4() + SCTP_CHECKSUM;
    let total: u16 = packet.load_at(quote.ip() + offset_of!(Ipv4Hdr, tot_len))?;
    let fragment: u16 = packet.load_at(quote.ip() + offset_of!(Ipv4Hdr, frags))?;
    let length = (quote.ip() + usize::from(u16::from_be(total))).saturating_sub(quote.l4());
    if field + size_of::<u32>() > end
        || length < SCTP_CHECKSUM + size_of::<u32>()
        || u16::from_be(fragment) & MORE_FRAGMENTS != 0
    {
        return Some(edits);
    }
    let old: u32 = packet.load_at(field)?;
    let before = rewrite::ports(quote.source_port, quote.destination_port);
    let after = rewrite::ports(to.quoted_source_port, to.quoted_destination_port);
    let new = crc32c::update(u32::from_le(old), before, after, length as u32).to_le();
    packet.store_at(field, new)?;
    Some(edits.word(old, new))
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Rewrites the outer header and the quotation; the ICMP checksum absorbs every edit.
    #[inline(always)]
    fn apply_error(
        &mut self,
        quote: &Quote,
        to: &ErrorTranslation,
        mac: Option<Mac>,
        is_hop: bool,
    ) -> Option<()> {
        let headers = self.headers;
        let id = self.id_behind(to.source);
        let packet = &mut *self.packet;
        rewrite::network(packet, headers, to.source, to.destination, id, mac, is_hop)?;

        let addresses = Diff::NONE
            .word(quote.source.to_network(), to.quoted_source.to_network())
            .word(quote.destination.to_network(), to.quoted_destination.to_network());
        let ports = |diff: Diff| {
            diff.half(quote.source_port.to_network(), to.quoted_source_port.to_network())
                .half(quote.destination_port.to_network(), to.quoted_destination_port.to_network())
        };
        let mut edits = ports(addresses);

        let source = quote.ip() + offset_of!(Ipv4Hdr, src_addr);
        packet.store_at(source, to.quoted_source.to_network())?;
        packet.store_at(source + size_of::<Ip4>(), to.quoted_destination.to_network())?;
        let field = quote.ip() + offset_of!(Ipv4Hdr, check);
        let old: u16 = packet.load_at(field)?;
        let new = addresses.apply(old);
        packet.store_at(field, new)?;
        edits = edits.half(old, new);

        let (checksum, change) = match quote.protocol {
            ICMP => {
                let identifier = if quote.source_port == Port::ZERO {
                    to.quoted_destination_port
                } else {
                    to.quoted_source_port
                };
                packet
                    .store_at(quote.l4() + offset_of!(Icmpv4Hdr, data), identifier.to_network())?;
                // A message of zeroes has the checksum 0xffff, which an edit would change.
                let is_kept = quote.source_port == to.quoted_source_port
                    && quote.destination_port == to.quoted_destination_port;
                ((!is_kept).then_some(offset_of!(Icmpv4Hdr, check)), ports(Diff::NONE))
            }
            protocol @ (TCP | UDP | UDP_LITE | SCTP) => {
                packet.store_at(quote.l4(), to.quoted_source_port.to_network())?;
                packet.store_at(quote.l4() + 2, to.quoted_destination_port.to_network())?;
                let field = match protocol {
                    TCP => Some(offset_of!(TcpHdr, check)),
                    SCTP => {
                        edits = sctp_checksum(packet, quote, to, headers.end(), edits)?;
                        None
                    }
                    _ => Some(offset_of!(UdpHdr, check)),
                };
                (field, ports(addresses))
            }
            _ => (None, Diff::NONE),
        };
        // Eight quoted bytes hold no TCP checksum; a UDP checksum of 0 means none.
        let is_udp = matches!(quote.protocol, UDP | UDP_LITE);
        if let Some(checksum) = checksum
            && quote.l4() + checksum + size_of::<u16>() <= headers.end()
            && let Some(old) = packet.load_at::<u16>(quote.l4() + checksum)
            && !(is_udp && old == 0)
        {
            let new = match change.apply(old) {
                0 if is_udp => 0xffff,
                new => new,
            };
            packet.store_at(quote.l4() + checksum, new)?;
            edits = edits.half(old, new);
        }
        packet.update_l4_checksum(
            headers.l4 as usize + offset_of!(Icmpv4Hdr, check),
            edits.raw(),
            false,
            false,
        )
    }
}
