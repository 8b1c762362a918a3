//! Packets that are larger than the cable into their namespace carries.
//!
//! One that must not be fragmented is refused, so that its sender learns the size of the way
//! (RFC 1191, RFC 4787 REQ-13). Another one from outside is translated and left to the stack,
//! which fragments it (REQ-13a).

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

/// A packet no larger than this fits every link; larger ones are held against the MTU of
/// theirs (RFC 791: every host must accept 576 bytes, and no link in use is smaller).
pub(crate) const FITS_EVERY_LINK: u32 = 576;

/// Whether its sender forbids that it is fragmented.
#[inline(always)]
pub(crate) fn is_indivisible<P: Packet>(packet: &P) -> bool {
    let fragment: Option<u16> = packet.load(IP + offset_of!(Ipv4Hdr, frags));
    fragment.is_some_and(|fragment| u16::from_be(fragment) & DONT_FRAGMENT != 0)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Whether a packet from another namespace is to be refused for its size. One that may be
    /// fragmented goes on whole: it meets no link on its way.
    #[inline(always)]
    pub(crate) fn is_size_refused(&self, cable: u32) -> bool {
        self.headers.bytes > FITS_EVERY_LINK
            && self.packet.exceeds_mtu(cable)
            && is_indivisible(self.packet)
    }

    /// Drops the packet and has its sender told which size would have passed.
    #[inline(always)]
    pub(crate) fn refuse_size(&mut self, cable: u32) -> Outcome {
        let outcome = self.refuse(DropReason::TooLarge);
        self.handoff.refusal.mtu = self.packet.mtu(cable);
        outcome
    }

    /// A packet of a known flow whose time is up or that is too large for its cable.
    #[inline(always)]
    pub(crate) fn ttl_or_mtu(&mut self) -> Outcome {
        let headers = self.headers;
        if headers.ttl <= 1 {
            return self.refuse(DropReason::TtlExceeded);
        }
        let key = headers.inbound_key();
        let Some(flow) = self.tables.flow(&key) else {
            // Another CPU has removed it this very moment.
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
