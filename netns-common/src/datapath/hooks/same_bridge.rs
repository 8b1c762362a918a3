//! Packets between namespaces on one bridge, which are redirected into the receiver's cable.
//!
//! Nothing is rewritten, so every packet that does not qualify passes to the bridge.

use crate::{
    abi::{Settings, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            verdict::{Exit, Outcome, Verdict},
        },
        hooks::source_check,
        icmp::mtu::FITS_EVERY_LINK,
        packet::{
            access::Packet,
            headers::{Headers, destination_mac, is_from},
        },
        tables::kernel::{PortState, Tables},
    },
};

/// Whether a packet is for the first inside prefix, the only one of most labs: then the neighbour
/// is looked up before the flow.
#[inline(always)]
pub(crate) fn is_likely(settings: &Settings, headers: &Headers) -> bool {
    settings.inside_count != 0 && settings.inside[0].contains(headers.destination)
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// [`Stage::SameBridge`].
    #[inline(always)]
    pub(crate) fn same_bridge(&mut self) -> Outcome {
        match self.forward_on_bridge() {
            Some(verdict) => Outcome::Decided(verdict),
            // The slow path adds next to no cost to the usual packets.
            None => Outcome::Continue(Stage::OutboundSlow),
        }
    }

    /// Redirects a packet to its receiver. `None` if the receiver is not on the same bridge.
    #[inline(always)]
    pub(crate) fn forward_on_bridge(&mut self) -> Option<Verdict> {
        let headers = self.headers;
        let tables = self.tables;
        // Most packets are for the outside.
        if !self.settings.is_inside(headers.destination) {
            return None;
        }
        let to = tables.endpoint(headers.destination)?;
        if self.goes_by_stack() || destination_mac(self.packet) != Some(to.mac) {
            return None;
        }
        let link = self.packet.link();
        let bridge = match self.bridge_of_sender(link) {
            0 => {
                let port = tables.bridge_port(link)?;
                if let Some(reason) = self.source_fault(&port) {
                    return Some(self.drop(reason));
                }
                port.bridge
            }
            bridge => bridge,
        };
        // A bridge sends no frame back to its own port.
        if bridge != to.bridge || to.cable == link {
            return None;
        }
        let are_open = self.handoff.port_state == PortState::Open
            && tables.receiver_state(to.cable) == PortState::Open;
        if !are_open {
            return None;
        }
        if headers.bytes > FITS_EVERY_LINK && self.packet.exceeds_mtu(to.cable) {
            return None;
        }
        Some(Verdict::Redirect(Exit::Peer { cable: to.cable }))
    }

    /// The bridge of a packet's sender if its source addresses are those of its cable; 0 if the
    /// full source check has to decide.
    #[inline(always)]
    fn bridge_of_sender(&self, link: u32) -> u32 {
        let headers = self.headers;
        let Some(from) = self.tables.endpoint(headers.source) else { return 0 };
        let is_itself = from.cable == link && is_from(self.packet, &from.mac);
        if !is_itself || source_check::address_fault(headers).is_some() {
            return 0;
        }
        from.bridge
    }
}
