//! The first packet of a masqueraded flow leaves by an uplink.

use super::{
    Exit, Outcome, Verdict, detour, evict,
    external_port::{self, Refused, TRIES, Wanted},
    forwards::{self, Published},
    head::Kind,
    hop::Route,
    inside::{allow_external, is_routed},
    mapping, masquerade,
    notes::{Notes, Place, Scratch},
    other_nat,
    oversize::FITS_EVERY_LINK,
    parked::forget_ways,
    passage::Passage,
    portless,
    rewrite::Translation,
    stages::go_on,
    traits::{Packet, Tables},
    usage::{self, BegunBy},
};
use crate::abi::{DropReason, Endpoint, FlowKind, Ip4, NO_RULE, Port, Stage, Tick};

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
    if is_routed(tables, passage.settings, route.egress, head.source) {
        // Whatever it is: the stack routes it, and the guard lets it out.
        return Outcome::Decided(Verdict::Pass);
    }
    passage.notes.masquerade = masquerade::find(tables, route.egress, head.source);
    // Read back from memory, whose content the verifier does not know: to it, all ways that led
    // to a rule are one from here on.
    let rule = &passage.notes.masquerade;
    let (id, to) = (rule.rule, rule.to);
    if id == NO_RULE {
        return refuse_new(passage, DropReason::NoMasquerade, exit.skips_stack());
    }
    if masquerade::excludes(tables, rule, head.destination) {
        return Outcome::Decided(Verdict::Pass);
    }
    let refusal = match head.kind {
        Kind::LaterFragment => return Outcome::Decided(detour::detour(passage)),
        Kind::Tcp if head.begins_nothing() => Some(DropReason::NoFlow),
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
    if let Some(reason) = usage::refusal(passage, end.cable, BegunBy::Inside) {
        let stage = if exit.skips_stack() { Stage::OutboundBegin } else { Stage::EgressBegin };
        return evict::make_room(passage, reason, end.cable, stage)
            .unwrap_or_else(|| refuse_new(passage, reason, exit.skips_stack()));
    }
    // Read back from memory, as above.
    passage.notes.published =
        forwards::published(tables, head.protocol, head.source, head.source_port)
            .unwrap_or(Published::NONE);
    let published = forget_ways(&passage.notes.published);
    let external = masquerade::address(tables, passage.settings, to, published.address, route);
    if external == Ip4::UNSPECIFIED || !allow_external(tables, passage.settings, external) {
        return refuse_new(passage, DropReason::NoMasquerade, exit.skips_stack());
    }
    passage.begin_draft(FlowKind::Masquerade);
    let flow = &mut passage.notes.draft;
    flow.inside = head.source;
    flow.inside_port = head.source_port;
    flow.seen_port = head.destination_port;
    flow.tos = head.tos;
    flow.inside_mac = end.mac;
    flow.external = external;
    flow.next_hop = route.next_hop;
    flow.egress = route.egress;
    flow.cable = end.cable;
    flow.rule = id;
    let is_mapped = passage.settings.mappings != 0 && head.kind != Kind::Portless;
    // Also by a rule that maps nothing: it has to keep off the ports of those that do.
    let stage = if is_mapped { Stage::Map } else { Stage::Claim };
    begin_to_claim(passage, stage, exit, published.port)
}

/// Has a stage find an external port for the flow that is drafted, whose first packet then leaves
/// by `exit`: the one that its inside end is `published` by, if there is one, before its own.
#[inline(always)]
pub(super) fn begin_to_claim<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    stage: Stage,
    exit: Exit,
    published: Port,
) -> Outcome {
    passage.notes.published.port = published;
    passage.notes.park(exit);
    passage.notes.attempt = 0;
    Outcome::Continue(stage)
}

/// [`Stage::Claim`].
#[inline(always)]
pub fn claim<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let Passage { tables, settings, head, .. } = *passage;
        let Notes { draft, attempt, claimed, published, .. } = &mut *passage.notes;
        external_port::search(tables, settings, head, draft.external, *attempt, claimed);
        let claimed = match head.kind {
            Kind::Portless => portless::claim(tables, settings, head, draft),
            _ => {
                let wanted =
                    Wanted { attempt: *attempt, published: published.port, found: *claimed };
                external_port::claim(tables, settings, head, draft, &wanted)
            }
        };
        go_on_with(passage, Stage::Claim, claimed)
    })
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
        let Passage { tables, settings, head, .. } = *passage;
        let Notes { draft, masquerade, attempt, published, .. } = &*passage.notes;
        let wanted = Wanted { attempt: *attempt, published: published.port, found: Port::ZERO };
        let claimed = mapping::claim(tables, settings, head, draft, masquerade, &wanted);
        go_on_with(passage, Stage::Map, claimed)
    })
}

/// Goes on once an attempt is made: with the packet, or by the same stage with the next attempt.
/// A loop would be as good, but for the verifier, which follows each round of it.
#[inline(always)]
fn go_on_with<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    stage: Stage,
    claimed: Result<Port, Refused>,
) -> Outcome {
    let reason = match claimed {
        Ok(port) => return depart(passage, port),
        Err(Refused::Taken) if passage.notes.attempt + 1 < TRIES => {
            passage.notes.attempt += 1;
            return Outcome::Continue(stage);
        }
        // A mapped port stands for more than this remote: none gives way.
        Err(Refused::Taken) if stage as u32 == Stage::Claim as u32 => {
            passage.notes.attempt = 0;
            return Outcome::Continue(Stage::Reclaim);
        }
        Err(Refused::Taken) => DropReason::PortsExhausted,
        Err(Refused::Because(reason)) => reason,
    };
    evict::make_room(passage, reason, 0, stage).unwrap_or_else(|| give_up(passage, reason))
}

/// Ends the search for an external port of the flow that is drafted.
#[inline(always)]
pub(super) fn give_up<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    reason: DropReason,
) -> Outcome {
    if passage.notes.draft.kind == FlowKind::OtherNat as u8 {
        return other_nat::pass_unrecorded(passage);
    }
    let skips_stack = passage.notes.parked().skips_stack();
    refuse_new(passage, reason, skips_stack)
}

/// Sends the first packet of a flow on its way by the external port that was claimed for it.
#[inline(always)]
pub(super) fn depart<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    external_port: Port,
) -> Outcome {
    let head = passage.head;
    let notes = &mut passage.notes;
    if notes.draft.kind == FlowKind::Hairpin as u8 {
        notes.claimed = external_port;
        notes.attempt = 0;
        return Outcome::Continue(Stage::Meet);
    }
    let (exit, rule) = (notes.exit, notes.draft.rule);
    let translation = Translation {
        source: notes.draft.external,
        source_port: external_port,
        destination: head.destination,
        destination_port: head.destination_port,
        mac: None,
    };
    passage.translate(&translation, exit, rule, true)
}

/// Drops the first packet of a flow that cannot begin, and has its sender told.
#[inline(always)]
fn refuse_new<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    reason: DropReason,
    skips_stack: bool,
) -> Outcome {
    let place = if skips_stack { Place::Entry } else { Place::Departure };
    passage.refuse_at(place, reason)
}
