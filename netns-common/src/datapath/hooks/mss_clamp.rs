//! Lowering the maximum segment size that the ends of a TCP connection announce (RFC 9293 section
//! 3.7.1), for paths that lose larger segments.

use core::mem::offset_of;

use network_types::tcp::TcpHdr;

use crate::{
    abi::{DropReason, Ip4, Masquerade},
    datapath::{
        context::{
            packet_context::PacketContext,
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{access::Packet, checksum::Diff, wire::IP_DESTINATION},
        rules::masquerade,
        tables::kernel::Tables,
        verifier::verifier_barrier,
    },
};

/// Bytes of the IPv4 and TCP headers without options, which the announced size does not count.
const HEADERS: u32 = 40;

/// The smallest size that is written, in bytes: Linux accepts none below (`TCP_MIN_MSS`).
const LEAST: u32 = 88;

/// Kinds of TCP options (RFC 9293 section 3.1).
const END: u8 = 0;

const NOTHING: u8 = 1;

const SEGMENT_SIZE: u8 = 2;

/// Bytes of the fixed TCP header, and of the longest options.
const FIXED: usize = 20;

const MOST_OPTIONS: usize = 40;

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::MssClamp`](crate::abi::Stage::MssClamp).
    #[inline(always)]
    pub(crate) fn mss_clamp(&mut self) -> Outcome {
        Outcome::Decided(match self.lower_mss() {
            Some(()) => Verdict::Redirect(self.handoff.clamp_exit.exit()),
            None => self.drop(DropReason::RewriteFailed),
        })
    }

    /// Lowers the size that a SYN or SYN-ACK announces, if the masquerade of its inside end clamps
    /// sizes. The packet has its new addresses already, and the headers are the original ones.
    #[inline(always)]
    fn lower_mss(&mut self) -> Option<()> {
        let came_by = self.packet.link();
        let (inside, uplink, cable) = match self.handoff.clamp_exit.exit() {
            Exit::Neighbour { link, .. } => (self.headers.source, link, came_by),
            Exit::Peer { cable } => {
                (Ip4::from_network(self.packet.load(IP_DESTINATION)?), came_by, cable)
            }
            // Only packets of the reassembler's hook leave so, and that hook clamps nothing.
            Exit::Ingress { .. } => return Some(()),
            // The packet enters or leaves by an uplink.
            Exit::Onward => {
                let inside = if self.settings.is_inside(self.headers.source) {
                    self.headers.source
                } else {
                    Ip4::from_network(self.packet.load(IP_DESTINATION)?)
                };
                let cable = self.tables.endpoint(inside).map_or(came_by, |end| end.cable);
                (inside, came_by, cable)
            }
        };
        // Packets between namespaces are not masqueraded.
        if !self.settings.is_uplink(uplink) {
            return Some(());
        }
        let rule = masquerade::find(self.tables, uplink, inside);
        let most = match rule.mss {
            0 => return Some(()),
            Masquerade::PATH_MTU => {
                let (one, other) = (self.packet.mtu(uplink), self.packet.mtu(cable));
                let least = if one < other { one } else { other };
                if least < LEAST + HEADERS { LEAST as u16 } else { (least - HEADERS) as u16 }
            }
            number => number,
        };
        let l4 = self.headers.l4 as usize;
        let end = self.headers.end();
        let place = &mut self.handoff.tcp_option;
        let Some((offset, announced)) = find(self.packet, l4, end, place) else { return Some(()) };
        if announced <= most {
            return Some(());
        }
        self.packet.store_at(offset, most.to_be())?;
        let (old, new) = (announced.to_be(), most.to_be());
        // At an odd offset, its bytes belong to two words of the sum.
        let diff = if (offset - l4).is_multiple_of(2) {
            Diff::NONE.half(old, new)
        } else {
            Diff::NONE.half(old.swap_bytes(), new.swap_bytes())
        };
        self.packet.update_l4_checksum(l4 + offset_of!(TcpHdr, check), diff.raw(), false, false)
    }
}

/// The offset of the announced segment size, and the size. `None` if there is none, or if the
/// options are malformed. The packet ends at `packet_end`; its frame may be longer. `place` holds
/// the current offset in memory, so that the verifier merges the paths to it.
#[inline(always)]
fn find<P: Packet>(
    packet: &P,
    l4: usize,
    packet_end: usize,
    place: &mut u8,
) -> Option<(usize, u16)> {
    let words: u8 = packet.load_at(l4 + offset_of!(TcpHdr, window) - 2)?;
    let end = usize::from(words >> 4) * 4;
    if l4 + end > packet_end {
        return None;
    }
    *place = FIXED as u8;
    // Each step reads an option, which has at least one byte.
    for _ in 0..MOST_OPTIONS {
        let at = usize::from(verifier_barrier(place));
        if at + 1 >= end {
            return None;
        }
        let [kind, length]: [u8; 2] = packet.load_at(l4 + at)?;
        match kind {
            END => return None,
            NOTHING => *place = at as u8 + 1,
            SEGMENT_SIZE => {
                let fits = length == 4 && at + 4 <= end;
                let value: u16 = packet.load_at(l4 + at + 2)?;
                return fits.then(|| (l4 + at + 2, u16::from_be(value)));
            }
            _ if length < 2 => return None,
            _ => *place = (at as u8).saturating_add(length),
        }
    }
    None
}
