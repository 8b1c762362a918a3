//! Packets that are larger than the MTU of the cable into their namespace.
//!
//! A packet that must not be fragmented is refused, so that its sender learns the path MTU (RFC
//! 1191, RFC 4787 REQ-13). Any other packet from outside is translated and left to the stack, which
//! fragments it (REQ-13a).

use core::mem::offset_of;

use network_types::ip::Ipv4Hdr;

use crate::datapath::tables::flow_table::FlowRef as _;
use crate::{
    abi::{Direction, DropReason},
    datapath::{
        context::{packet_context::PacketContext, pending::ParkedExit, verdict::Outcome},
        packet::{
            access::Packet,
            rewrite::{SLOW_PATH, Translation},
            wire::{DONT_FRAGMENT, IP},
        },
        tables::kernel::Tables,
    },
};

/// A packet of at most this size, in bytes, fits every link, so its MTU is not looked up (RFC 791:
/// every host must accept 576 bytes, and no link in use is smaller).
pub(crate) const FITS_EVERY_LINK: u32 = 576;

/// Whether the sender forbids fragmentation of the packet.
#[inline(always)]
pub(crate) fn is_indivisible<P: Packet>(packet: &P) -> bool {
    let fragment: Option<u16> = packet.load(IP + offset_of!(Ipv4Hdr, frags));
    fragment.is_some_and(|fragment| u16::from_be(fragment) & DONT_FRAGMENT != 0)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Whether a packet from another namespace must be refused because of its size. One that may be
    /// fragmented is delivered whole: no physical link is between the two.
    #[inline(always)]
    pub(crate) fn is_size_refused(&self, cable: u32) -> bool {
        self.headers.bytes > FITS_EVERY_LINK
            && self.packet.exceeds_mtu(cable)
            && is_indivisible(self.packet)
    }

    /// Drops the packet and sends an ICMP error with the MTU of the cable.
    #[inline(always)]
    pub(crate) fn refuse_size(&mut self, cable: u32) -> Outcome {
        let outcome = self.refuse(DropReason::TooLarge);
        self.handoff.refusal.mtu = self.packet.mtu(cable);
        outcome
    }

    /// Handles a packet of a known flow whose TTL has run out or that is too large for its cable.
    #[inline(always)]
    pub(crate) fn ttl_or_mtu(&mut self) -> Outcome {
        let headers = self.headers;
        if headers.ttl <= 1 {
            return self.refuse(DropReason::TtlExceeded);
        }
        let key = headers.inbound_key();
        let Some(flow) = self.tables.flow(&key) else {
            // Another CPU has just removed the record.
            return Outcome::Decided(self.drop(DropReason::NoFlow));
        };
        if is_indivisible(self.packet) {
            return self.refuse_size(flow.cable);
        }
        // The stack fragments it.
        let to = Translation {
            source: headers.source,
            source_port: flow.seen_port,
            destination: flow.inside,
            destination_port: flow.inside_port,
            mac: None,
        };
        if !flow.was_of(&key) {
            return Outcome::Decided(self.drop(DropReason::NoFlow));
        }
        self.update_flow::<_, SLOW_PATH>(&flow, Direction::In);
        self.rewrite_by_stage(&to, ParkedExit::NONE, flow.rule, false)
    }
}
