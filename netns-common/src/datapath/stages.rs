//! Running the stages one after the other.

use super::{
    Outcome, Verdict, calls, clamp, departure, egress, evict, fragments, guard, hairpin, inbound,
    neighbour,
    notes::Scratch,
    other_nat, outbound, oversize,
    passage::Passage,
    reclaim, refusal, requote,
    traits::{Packet, Tables},
};
use crate::abi::{Stage, Tick};

/// Runs a stage. The kernel side has a program for each instead.
pub fn run<P: Packet, T: Tables>(
    stage: Stage,
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    match stage {
        Stage::OutboundMoved => outbound::outbound_moved(packet, tables, scratch, now),
        Stage::OutboundBegin => outbound::outbound_begin(packet, tables, scratch, now),
        Stage::OutboundError => outbound::outbound_error(packet, tables, scratch, now),
        Stage::Map => departure::map(packet, tables, scratch, now),
        Stage::Claim => departure::claim(packet, tables, scratch, now),
        Stage::Reclaim => reclaim::reclaim(packet, tables, scratch, now),
        Stage::Evict => evict::evict(packet, tables, scratch, now),
        Stage::Hairpin => hairpin::hairpin(packet, tables, scratch, now),
        Stage::Meet => hairpin::meet(packet, tables, scratch, now),
        Stage::InboundBegin => inbound::inbound_begin(packet, tables, scratch, now),
        Stage::InboundError => inbound::inbound_error(packet, tables, scratch, now),
        Stage::Neighbour => neighbour::neighbour(packet, tables, scratch, now),
        Stage::OutboundRare => outbound::outbound_rare(packet, tables, scratch, now),
        Stage::InboundRare => inbound::inbound_rare(packet, tables, scratch, now),
        Stage::OtherFrame => outbound::other_frame(packet, tables, scratch, now),
        Stage::Admit => inbound::admit(packet, tables, scratch, now),
        Stage::Enter => calls::enter(packet, tables, scratch, now),
        Stage::OutboundFragment => outbound::outbound_fragment(packet, tables, scratch, now),
        Stage::InboundFragment => inbound::inbound_fragment(packet, tables, scratch, now),
        Stage::EgressMoved => egress::egress_moved(packet, tables, scratch, now),
        Stage::EgressGuard => guard::egress_guard(packet, tables, scratch, now),
        Stage::EgressBegin => egress::egress_begin(packet, tables, scratch, now),
        Stage::EgressError => egress::egress_error(packet, tables, scratch, now),
        Stage::OwnError => egress::own_error(packet, tables, scratch, now),
        Stage::HostQuery => guard::host_query(packet, tables, scratch, now),
        Stage::OtherNatOut => other_nat::other_nat_out(packet, tables, scratch, now),
        Stage::OtherNatIn => other_nat::other_nat_in(packet, tables, scratch, now),
        Stage::FirstFragment => fragments::first_fragment(packet, tables, scratch, now),
        Stage::Translate => translate(packet, tables, scratch, now),
        Stage::Requote => requote::requote(packet, tables, scratch, now),
        Stage::Clamp => clamp::mss_clamp(packet, tables, scratch, now),
        Stage::Held => oversize::held(packet, tables, scratch, now),
        Stage::Refuse => refusal::refuse(packet, tables, scratch, now),
    }
}

/// [`Stage::Translate`].
#[inline(always)]
pub fn translate<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| passage.do_translation())
}

/// Goes on with a packet whose headers, and whatever else an earlier part found out, are in
/// `scratch`.
#[inline(always)]
pub(super) fn go_on<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
    work: impl FnOnce(&mut Passage<'_, P, T>) -> Outcome,
) -> Outcome {
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { head, notes } = scratch;
    work(&mut Passage { packet, tables, settings, head, now, notes })
}
