//! The first packet of a masqueraded flow leaves by an uplink.

use super::{
    Exit, Outcome, Verdict,
    external_port::claim,
    fragments,
    guard::is_inside,
    head::Kind,
    hop::Route,
    mapping, masquerade,
    oversize::FITS_EVERY_LINK,
    passage::{Notes, Passage, Place, Scratch},
    portless,
    rewrite::Translation,
    stages::go_on,
    traits::{Packet, Tables},
    usage,
};
use crate::abi::{DropReason, Endpoint, FlowKind, NO_RULE, Port, Stage, Tick};

/// Towards an uplink: begins a masqueraded flow of the namespace at `end`.
#[inline(always)]
pub(super) fn leave<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    route: &Route,
    end: Endpoint,
    exit: Exit,
) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    passage.notes.masquerade =
        masquerade::find(tables, route.egress, head.source).unwrap_or_default();
    // Read back from memory, whose content the verifier does not know: to it, all ways that led
    // to a rule are one from here on.
    let rule = &passage.notes.masquerade;
    let (id, to) = (rule.rule, rule.to);
    if id == NO_RULE {
        // A source outside every inside prefix is the network's own business.
        return Outcome::Decided(if is_inside(passage.settings, head.source) {
            passage.drop(DropReason::NoMasquerade)
        } else {
            Verdict::Pass
        });
    }
    if masquerade::excludes(tables, rule, head.destination) {
        // Whatever it is: the stack routes it, and the guard lets it out.
        return Outcome::Decided(Verdict::Pass);
    }
    let refusal = match head.kind {
        Kind::LaterFragment => return Outcome::Decided(fragments::detour(passage)),
        Kind::Tcp if head.is_rst() => Some(DropReason::NoFlow),
        Kind::Tcp | Kind::Udp | Kind::Sctp | Kind::Portless | Kind::Query => None,
        Kind::QueryReply | Kind::OtherIcmp => Some(DropReason::UnrelatedIcmp),
        Kind::IcmpError => return Outcome::Continue(Stage::OutboundError),
        Kind::Other => Some(DropReason::UnsupportedProtocol),
    };
    if let Some(reason) = refusal {
        return Outcome::Decided(passage.drop(reason));
    }
    let may_be_too_large = exit.skips_stack() && head.bytes > FITS_EVERY_LINK;
    if may_be_too_large && passage.packet.exceeds_mtu(route.egress) {
        return Outcome::Decided(Verdict::Pass);
    }
    if let Some(reason) = usage::refusal(tables, passage.settings, end.cable) {
        return refuse_new(passage, reason, exit);
    }
    passage.begin_draft(FlowKind::Masquerade);
    let flow = &mut passage.notes.draft;
    flow.inside = head.source;
    flow.inside_port = head.source_port;
    flow.inside_mac = end.mac;
    flow.external = masquerade::address(to, route.source);
    flow.next_hop = route.next_hop;
    flow.egress = route.egress;
    flow.cable = end.cable;
    flow.rule = id;
    let claimed = match head.kind {
        Kind::Portless => portless::claim(tables, passage.settings, head, flow),
        // Also by a rule that maps nothing: it has to keep off the ports of those that do.
        _ if passage.settings.mappings != 0 => {
            passage.notes.park(exit);
            return Outcome::Continue(Stage::Map);
        }
        _ => claim(tables, passage.settings, head, flow),
    };
    match claimed {
        Ok(port) => depart(passage, port, exit),
        Err(reason) => refuse_new(passage, reason, exit),
    }
}

/// [`Stage::Map`].
#[inline(always)]
pub fn map<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let Notes { draft, masquerade, .. } = &*passage.notes;
        let claimed =
            mapping::claim(passage.tables, passage.settings, passage.head, draft, masquerade);
        match claimed {
            Ok(port) => {
                passage.notes.claimed = port;
                Outcome::Continue(Stage::SetOut)
            }
            Err(reason) => {
                let exit = passage.notes.parked();
                refuse_new(passage, reason, exit)
            }
        }
    })
}

/// [`Stage::SetOut`].
#[inline(always)]
pub fn set_out<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let port = passage.notes.claimed;
        // A way each: the verifier refuses what only one of them has a value for.
        match passage.notes.parked() {
            Exit::Neighbour { link, next_hop } => {
                depart(passage, port, Exit::Neighbour { link, next_hop })
            }
            _ => depart(passage, port, Exit::Onward),
        }
    })
}

/// Sends the first packet of a masqueraded flow on its way by the external port that was
/// claimed for it.
#[inline(always)]
fn depart<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    external_port: Port,
    exit: Exit,
) -> Outcome {
    let head = passage.head;
    let flow = &passage.notes.draft;
    let rule = flow.rule;
    let translation = Translation {
        source: flow.external,
        source_port: external_port,
        destination: head.destination,
        destination_port: head.destination_port,
        mac: None,
    };
    let verdict = passage.translate(&translation, exit, rule, true);
    passage.go_on(verdict)
}

/// Drops the first packet of a flow that cannot begin, and has its sender told.
#[inline(always)]
fn refuse_new<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    reason: DropReason,
    exit: Exit,
) -> Outcome {
    let place = if exit.skips_stack() { Place::Entry } else { Place::Departure };
    passage.refuse_at(place, reason)
}
