//! Rewriting an ICMP error: its own header, and the packet that it quotes.

use core::mem::offset_of;

use network_types::{icmp::Icmpv4Hdr, ip::Ipv4Hdr, tcp::TcpHdr, udp::UdpHdr};

use super::{
    Exit, Outcome, Verdict,
    checksum::Diff,
    crc32c,
    notes::Scratch,
    parked::{ParkedExit, forget_ways},
    passage::Passage,
    quote::{ICMP, Quote, SCTP, TCP, UDP, UDP_LITE},
    rewrite,
    stages::go_on,
    traits::{Packet, Tables},
    words::SCTP_CHECKSUM,
};
use crate::abi::{DropReason, Ip4, Mac, NO_RULE, Port, RuleId, Stage, Tick};

/// The bit of a fragment that others follow (RFC 791).
const MORE_FRAGMENTS: u16 = 0x2000;

/// What an error is to bear after translation, outside and in the quotation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation {
    pub(super) source: Ip4,
    pub(super) destination: Ip4,
    pub(super) quoted_source: Ip4,
    pub(super) quoted_destination: Ip4,
    pub(super) quoted_source_port: Port,
    pub(super) quoted_destination_port: Port,
}

/// How an error is to be translated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedError {
    pub(super) quote: Quote,
    to: Translation,
    exit: ParkedExit,
    mac: Mac,
    has_mac: bool,
    rule: RuleId,
}

impl ParkedError {
    pub(super) const NONE: Self = Self {
        quote: Quote {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            source_port: Port::ZERO,
            destination_port: Port::ZERO,
            ip: 0,
            words: 0,
            protocol: 0,
        },
        to: Translation {
            source: Ip4::UNSPECIFIED,
            destination: Ip4::UNSPECIFIED,
            quoted_source: Ip4::UNSPECIFIED,
            quoted_destination: Ip4::UNSPECIFIED,
            quoted_source_port: Port::ZERO,
            quoted_destination_port: Port::ZERO,
        },
        exit: ParkedExit::NONE,
        mac: [0; 6],
        has_mac: false,
        rule: NO_RULE,
    };
}

/// Leaves it to a stage to translate the error whose quotation was read last: the ways to the
/// decision are many, and the rewriting has as many, each of which the verifier follows.
#[inline(always)]
pub(super) fn finish<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    to: Translation,
    mac: Option<Mac>,
    exit: Exit,
    rule: RuleId,
) -> Outcome {
    let error = &mut passage.notes.error;
    error.to = to;
    error.exit = ParkedExit::park(exit);
    error.mac = mac.unwrap_or_default();
    error.has_mac = mac.is_some();
    error.rule = rule;
    Outcome::Continue(Stage::Requote)
}

/// [`Stage::Requote`].
#[inline(always)]
pub fn requote<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let ParkedError { quote, to, exit, mac, has_mac, rule } = passage.notes.error;
        passage.tables.count_rule(rule, false, passage.head.bytes);
        let mac = has_mac.then_some(mac);
        Outcome::Decided(match apply(passage, &quote, &to, mac, exit.skips_stack()) {
            Some(()) => Verdict::Redirect(forget_ways(&passage.notes.error.exit).exit()),
            None => passage.drop(DropReason::RewriteFailed),
        })
    })
}

/// Corrects the checksum of a quoted SCTP packet, if it is quoted, and returns the edits of
/// the message with this one. A fragment does not tell how long its packet was.
#[inline(always)]
fn sctp_checksum<P: Packet>(
    packet: &mut P,
    quote: &Quote,
    to: &Translation,
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

/// Rewrites the outer header and the quotation; the ICMP checksum absorbs every edit.
#[inline(always)]
fn apply<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    quote: &Quote,
    to: &Translation,
    mac: Option<Mac>,
    is_hop: bool,
) -> Option<()> {
    let head = passage.head;
    let id = passage.id_behind(to.source);
    let packet = &mut *passage.packet;
    rewrite::network(packet, head, to.source, to.destination, id, mac, is_hop)?;

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
            packet.store_at(quote.l4() + offset_of!(Icmpv4Hdr, data), identifier.to_network())?;
            // Of a message that is all zero the checksum is 0xffff, which no edit would leave alone.
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
                    edits = sctp_checksum(packet, quote, to, head.end(), edits)?;
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
        && quote.l4() + checksum + size_of::<u16>() <= head.end()
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
        head.l4 as usize + offset_of!(Icmpv4Hdr, check),
        edits.raw(),
        false,
        false,
    )
}
