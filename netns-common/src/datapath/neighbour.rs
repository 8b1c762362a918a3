//! From namespace to namespace on one bridge: what the bridge would carry goes straight into the
//! other end's cable.
//!
//! Nothing is rewritten, so whatever speaks against the short way leaves a packet to the bridge.

use super::{
    Exit, Outcome, Verdict,
    head::{Head, destination_mac, is_from},
    inside::is_inside,
    notes::Scratch,
    oversize::FITS_EVERY_LINK,
    passage::Passage,
    source,
    stages::go_on,
    traits::{Packet, PortState, Tables},
};
use crate::abi::{Settings, Stage, Tick};

/// Whether a packet is for the first of the inside prefixes, which is all that most labs have:
/// then a neighbour is looked for before a flow is.
#[inline(always)]
pub(super) fn is_likely(settings: &Settings, head: &Head) -> bool {
    settings.inside_count != 0 && settings.inside[0].contains(head.destination)
}

/// [`Stage::Neighbour`].
#[inline(always)]
pub fn neighbour<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| match reach(passage) {
        Some(verdict) => Outcome::Decided(verdict),
        // With what is as it should be, the rare work costs next to nothing.
        None => Outcome::Continue(Stage::OutboundRare),
    })
}

/// Hands a packet to its neighbour. `None` if it is for nobody on the same bridge.
#[inline(always)]
pub(super) fn reach<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    // Most are for the outside.
    if !is_inside(passage.settings, head.destination) {
        return None;
    }
    let to = tables.endpoint(head.destination)?;
    if passage.goes_by_stack() || destination_mac(passage.packet) != Some(to.mac) {
        return None;
    }
    let link = passage.packet.link();
    let bridge = match bridge_of_sender(passage, link) {
        0 => {
            let port = tables.bridge_port(link)?;
            if let Some(reason) = source::of_cable(passage, &port) {
                return Some(passage.drop(reason));
            }
            port.bridge
        }
        bridge => bridge,
    };
    // A bridge sends nothing back where it came from.
    if bridge != to.bridge || to.cable == link {
        return None;
    }
    let are_open =
        passage.notes.port == PortState::Open && tables.receiver_state(to.cable) == PortState::Open;
    if !are_open {
        return None;
    }
    if head.bytes > FITS_EVERY_LINK && passage.packet.exceeds_mtu(to.cable) {
        return None;
    }
    Some(Verdict::Redirect(Exit::Peer { cable: to.cable }))
}

/// The bridge on which a packet's sender is that who it says it is, as each cable would find;
/// 0 if that has to be looked at more closely.
#[inline(always)]
fn bridge_of_sender<P: Packet, T: Tables>(passage: &Passage<'_, P, T>, link: u32) -> u32 {
    let head = passage.head;
    let Some(from) = passage.tables.endpoint(head.source) else { return 0 };
    let is_itself = from.cable == link && is_from(passage.packet, &from.mac);
    if !is_itself || source::address_fault(head).is_some() {
        return 0;
    }
    from.bridge
}
