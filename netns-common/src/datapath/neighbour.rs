//! From namespace to namespace on one bridge: what the bridge would carry goes straight into the
//! other end's cable.
//!
//! Nothing is rewritten, so whatever speaks against the short way leaves a packet to the bridge.

use super::{
    Exit, Verdict,
    head::destination_mac,
    oversize::FITS_EVERY_LINK,
    passage::Passage,
    source,
    traits::{Packet, Tables},
};

/// Hands a packet to its neighbour. `None` if it is for nobody on the same bridge.
#[inline(always)]
pub(super) fn reach<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    let to = tables.endpoint(head.destination)?;
    if passage.settings.via_stack != 0 || destination_mac(passage.packet) != Some(to.mac) {
        return None;
    }
    let link = passage.packet.link();
    let port = tables.bridge_port(link)?;
    // A bridge sends nothing back where it came from.
    if port.bridge != to.bridge || to.cable == link {
        return None;
    }
    if let Some(reason) = source::of_cable(passage, &port) {
        return Some(passage.drop(reason));
    }
    if head.bytes > FITS_EVERY_LINK && passage.packet.exceeds_mtu(to.cable) {
        return None;
    }
    Some(Verdict::Redirect(Exit::Peer { cable: to.cable }))
}
