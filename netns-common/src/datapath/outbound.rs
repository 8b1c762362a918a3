//! tcx ingress of a cable's host side: what a namespace sends.

use super::{
    Exit, Outcome, Verdict, clamp,
    external_port::{claim, claim_mapped, forget, record},
    forwards, fragments,
    guard::is_inside,
    head::{Kind, destination_mac, is_from, source_mac},
    hop::{Route, RouteOutcome},
    icmp,
    inbound::is_taken_inside,
    mapping, masquerade, neighbour, options,
    oversize::{self, FITS_EVERY_LINK},
    passage::{ANY, Notes, PLAIN, Passage, Scratch, read_head},
    portless,
    rewrite::Translation,
    source,
    stages::go_on,
    state::Direction,
    traits::{FlowRef, Packet, Tables},
    usage,
};
use crate::abi::{
    DropReason, Endpoint, FlowKey, FlowKind, MAX_UPLINKS, NO_RULE, Port, Sequences, Settings,
    Stage, Tick,
};

/// How often a flow in use asks the routing table anew, in ticks: about once a second.
pub(super) const REROUTE: Tick = 8;

/// Decides about a packet that a namespace sent, and applies it.
#[inline(always)]
pub fn from_namespace<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    let head = match read_head(packet, tables) {
        Ok(head) => head,
        Err(Verdict::Pass) => return Outcome::Continue(Stage::OtherFrame),
        Err(verdict) => return Outcome::Decided(verdict),
    };
    let Some(settings) = tables.settings() else { return Outcome::Decided(Verdict::Pass) };
    let Scratch { head: parked, notes } = scratch;
    let mut passage = Passage::new(packet, tables, settings, &head, notes, now);
    let is_plain = head.is_plain() && !head.may_be_fragmented;
    if is_plain && let Some(verdict) = carry::<_, _, PLAIN>(&mut passage, &head.outbound_key()) {
        let outcome = clamp::go_on(&mut passage, verdict);
        if let Outcome::Continue(_) = outcome {
            *parked = head;
        }
        return outcome;
    }
    let is_refused = passage.notes.is_refused;
    let is_rare = !is_plain || passage.notes.is_unsteady;
    *parked = head;
    Outcome::Continue(if is_refused {
        Stage::Refuse
    } else if is_rare {
        Stage::OutboundRare
    } else {
        Stage::OutboundMoved
    })
}

/// [`Stage::OutboundRare`].
#[inline(always)]
pub fn outbound_rare<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let head = passage.head;
        if let Some(reason) = options::fault(passage.packet, head) {
            return Outcome::Decided(passage.drop(reason));
        }
        if head.is_fragment() {
            return Outcome::Continue(Stage::OutboundFragment);
        }
        if head.kind.is_flow()
            && let Some(verdict) = carry::<_, _, ANY>(passage, &head.outbound_key())
        {
            return passage.go_on(verdict);
        }
        let is_refused = passage.notes.is_refused;
        Outcome::Continue(if is_refused { Stage::Refuse } else { Stage::OutboundMoved })
    })
}

/// [`Stage::OutboundFragment`].
#[inline(always)]
pub fn outbound_fragment<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| match resume(passage) {
        Some(verdict) => passage.go_on(verdict),
        None => Outcome::Continue(Stage::OutboundMoved),
    })
}

/// As its datagram began, or of a known flow.
#[inline(always)]
fn resume<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    if let Some(verdict) = fragments::resume(passage, true) {
        return Some(verdict);
    }
    let key = passage.head.outbound_key();
    if passage.head.kind.is_flow() { carry::<_, _, ANY>(passage, &key) } else { None }
}

/// [`Stage::OtherFrame`].
#[inline(always)]
pub fn other_frame<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    _: &mut Scratch,
    _: Tick,
) -> Outcome {
    Outcome::Decided(source::of_other_frame(packet, tables))
}

/// [`Stage::OutboundMoved`].
#[inline(always)]
pub fn outbound_moved<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        if let Some(verdict) = neighbour::reach(passage) {
            return Outcome::Decided(verdict);
        }
        match carry_moved(passage) {
            Some(verdict) => passage.go_on(verdict),
            None if passage.notes.is_refused => Outcome::Continue(Stage::Refuse),
            None => Outcome::Continue(Stage::OutboundBegin),
        }
    })
}

/// [`Stage::OutboundBegin`].
#[inline(always)]
pub fn outbound_begin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| {
        let outcome = begin(passage);
        passage.note_if_passed(outcome)
    })
}

/// [`Stage::OutboundError`].
#[inline(always)]
pub fn outbound_error<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, |passage| Outcome::Decided(icmp::outbound(passage)))
}

/// [`Stage::Hairpin`].
#[inline(always)]
pub fn hairpin<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, call_forward)
}

/// Carries a packet of a known flow; `None` if the record is not this packet's.
#[inline(always)]
fn carry<P: Packet, T: Tables, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    key: &FlowKey,
) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    let flow = tables.flow(key)?;
    let is_ours = flow.inside == head.source
        && flow.inside_port == head.source_port
        && flow.cable == passage.packet.link();
    let begun_inside = !FlowKind::is_begun_outside(flow.kind);
    if !is_ours || passage.is_over(&flow, begun_inside) {
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(&flow, Direction::Out) {
        passage.notes.is_unsteady = true;
        return None;
    }
    if !is_from(passage.packet, &flow.inside_mac)
        && let Some(verdict) = passage.aside(source::of_foreign)
    {
        return Some(verdict);
    }
    if flow.egress == 0 {
        return passage.aside(|passage| turn_around::<_, _, _, WHICH>(passage, key, &flow));
    }
    // Translated when it leaves.
    if passage.settings.via_stack != 0 {
        return Some(Verdict::Pass);
    }
    if head.ttl <= 1 {
        return Some(refuse_old(passage));
    }
    if passage.now / REROUTE != flow.last_seen / REROUTE {
        if let Some(verdict) = passage.aside(|passage| reroute(passage, key, &flow)) {
            return Some(verdict);
        }
        if passage.notes.is_stale {
            return None;
        }
    }
    if head.bytes > FITS_EVERY_LINK && passage.packet.exceeds_mtu(flow.egress) {
        return Some(Verdict::Pass);
    }
    passage.touch::<_, WHICH>(&flow, Direction::Out);
    let to = Translation {
        source: flow.external,
        source_port: key.external_port,
        destination: head.destination,
        destination_port: head.destination_port,
        mac: None,
    };
    let exit = Exit::Neighbour { link: flow.egress, next_hop: flow.next_hop };
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule, false))
}

/// A packet whose time to live is up: the stack answers, unless it should not have been sent.
#[inline(always)]
fn refuse_old<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> Verdict {
    if passage.head.ttl == 0 { passage.drop(DropReason::NoTimeToLive) } else { Verdict::Pass }
}

/// Looks whether a flow still leaves as the routing table says. `Some` when there is no way
/// any more; a flow that [`follow`] marks as stale begins afresh.
#[inline(always)]
fn reroute<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    key: &FlowKey,
    flow: &F,
) -> Option<Verdict> {
    let tables = passage.tables;
    let port = tables.bridge_port(passage.packet.link())?;
    let route = tables.route(key.remote, port.bridge);
    let has_way =
        route.outcome == RouteOutcome::Forward && is_uplink(passage.settings, route.egress);
    if has_way {
        follow(passage, key, flow, &route);
        return None;
    }
    // The stack answers with the right ICMP error.
    (!FlowKind::is_begun_outside(flow.kind)).then_some(Verdict::Pass)
}

/// Writes where the packets of a flow leave by now. A masquerade that would bear another
/// address there is marked as stale and forgotten.
#[inline(always)]
pub(super) fn follow<P: Packet, T: Tables, F: FlowRef>(
    passage: &mut Passage<'_, P, T>,
    key: &FlowKey,
    flow: &F,
    route: &Route,
) {
    // The address of a connection from outside is the one that was called; only the way back may
    // change.
    let keeps = FlowKind::is_begun_outside(flow.kind) || {
        let rule = masquerade::find(passage.tables, route.egress, flow.inside);
        let external = rule.map_or(route.source, |rule| masquerade::address(rule.to, route.source));
        external == flow.external && route.egress == flow.egress
    };
    if keeps {
        flow.reroute(route.egress, route.next_hop);
    } else {
        forget(passage.tables, key, flow);
        passage.notes.is_stale = true;
    }
}

/// Carries a packet of a flow that could not keep its port.
#[inline(always)]
fn carry_moved<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Option<Verdict> {
    let head = passage.head;
    if !head.kind.is_flow() {
        return None;
    }
    let mut key = head.outbound_key();
    key.external_port = passage.tables.moved_port(&head.inside_key())?.external_port;
    carry::<_, _, ANY>(passage, &key)
}

/// The remote of the flow is the host itself, that is, a forward of another namespace: out
/// by the one record and in by the other (RFC 4787 REQ-9).
#[inline(always)]
fn turn_around<P: Packet, T: Tables, F: FlowRef, const WHICH: bool>(
    passage: &mut Passage<'_, P, T>,
    key: &FlowKey,
    flow: &F,
) -> Option<Verdict> {
    let head = passage.head;
    let tables = passage.tables;
    let other_key =
        FlowKey::new(flow.external, key.external_port, head.destination_port, head.protocol);
    let other = tables.flow(&other_key)?;
    if other.external != head.destination
        || passage.is_over(&other, FlowKind::is_begun_outside(other.kind))
    {
        return None;
    }
    if head.ttl <= 1 {
        passage.refuse(DropReason::TtlExceeded);
        passage.notes.is_refused = true;
        return None;
    }
    if oversize::must_be_refused(passage, other.cable) {
        oversize::refuse(passage, other.cable);
        passage.notes.is_refused = true;
        return None;
    }
    if WHICH == PLAIN && !passage.is_steady(&other, Direction::In) {
        passage.notes.is_unsteady = true;
        return None;
    }
    passage.touch::<_, WHICH>(flow, Direction::Out);
    passage.touch::<_, WHICH>(&other, Direction::In);
    let to = Translation {
        source: flow.external,
        source_port: key.external_port,
        destination: other.inside,
        destination_port: other.inside_port,
        mac: Some(other.inside_mac),
    };
    let exit = Exit::Peer { cable: other.cable };
    Some(passage.translate_as::<WHICH>(&to, exit, flow.rule, false))
}

/// A packet of no flow.
#[inline(always)]
fn begin<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let link = passage.packet.link();
    let Some(port) = tables.bridge_port(link) else { return Outcome::Decided(Verdict::Pass) };
    if let Some(reason) = source::of_cable(passage, &port) {
        return Outcome::Decided(passage.drop(reason));
    }
    let routed = destination_mac(passage.packet) == Some(port.bridge_mac);
    if !routed || head.destination.is_multicast_or_broadcast() {
        return Outcome::Decided(Verdict::Pass);
    }
    let route = tables.route(head.destination, port.bridge);
    match route.outcome {
        RouteOutcome::Local => {
            passage.notes.is_for_host = true;
            to_host(passage)
        }
        // The stack answers with the right ICMP error.
        RouteOutcome::Refused => Outcome::Decided(Verdict::Pass),
        RouteOutcome::Forward if head.ttl <= 1 => Outcome::Decided(Verdict::Pass),
        // Between inside networks there is nothing to translate.
        RouteOutcome::Forward if !is_uplink(passage.settings, route.egress) => {
            Outcome::Decided(Verdict::Pass)
        }
        // Translated when it leaves.
        RouteOutcome::Forward if passage.settings.via_stack != 0 => {
            Outcome::Decided(match head.kind {
                Kind::LaterFragment => fragments::detour(passage),
                _ => Verdict::Pass,
            })
        }
        RouteOutcome::Forward => {
            let Some(mac) = source_mac(passage.packet) else {
                return Outcome::Decided(passage.drop(DropReason::Malformed));
            };
            let exit = Exit::Neighbour { link: route.egress, next_hop: route.next_hop };
            let end = Endpoint { cable: link, bridge: port.bridge, mac, padding: [0; 2] };
            leave(passage, &route, end, exit)
        }
    }
}

/// Whether `link` is one of the lab's uplinks.
#[inline(always)]
pub(super) fn is_uplink(settings: &Settings, link: u32) -> bool {
    let count = settings.uplink_count as usize;
    settings
        .uplinks
        .iter()
        .take(MAX_UPLINKS)
        .enumerate()
        .any(|(index, uplink)| index < count && *uplink == link)
}

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

/// Drops the first packet of a flow that cannot begin.
#[inline(always)]
fn refuse_new<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    reason: DropReason,
    exit: Exit,
) -> Outcome {
    // Where the stack forwards it, nobody can be answered any more.
    if exit.skips_stack() { passage.refuse(reason) } else { Outcome::Decided(passage.drop(reason)) }
}

/// Towards the host itself: a forwarded port leads back into a namespace, anything else is
/// for the stack.
#[inline(always)]
fn to_host<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    match head.kind {
        // Without its ports nobody knows whether it is for the host.
        Kind::LaterFragment if tables.is_host_address(head.destination) => {
            return Outcome::Decided(fragments::detour(passage));
        }
        Kind::IcmpError => return Outcome::Continue(Stage::OutboundError),
        kind if kind.has_ports() => {}
        _ => return Outcome::Decided(Verdict::Pass),
    }
    let target = forwards::find(
        tables,
        head.protocol,
        head.source,
        head.destination,
        head.destination_port,
        true,
    );
    let verdict = match target {
        None if passage.settings.mappings != 0 => return Outcome::Continue(Stage::Admit),
        None => Verdict::Pass,
        // Broadcast, loopback, or no route: the stack's to refuse.
        Some(_) if !tables.is_host_address(head.destination) => Verdict::Pass,
        Some(_) if passage.is_hosts_own() => Verdict::Pass,
        Some(_) if head.is_rst() => passage.drop(DropReason::NoFlow),
        Some(target) => {
            passage.notes.forward = target;
            passage.notes.is_admitted = false;
            return Outcome::Continue(Stage::Hairpin);
        }
    };
    Outcome::Decided(verdict)
}

/// Begins a connection of one namespace to a forward: a record for each of its ends, both
/// seen from the host's address that was called. Here that of the caller.
#[inline(always)]
fn call_forward<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let Some(target) = tables.endpoint(forward.address) else {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    };
    let Some(mac) = source_mac(passage.packet) else {
        return Outcome::Decided(passage.drop(DropReason::Malformed));
    };
    if head.ttl <= 1 {
        return passage.refuse(DropReason::TtlExceeded);
    }
    if oversize::must_be_refused(passage, target.cable) {
        return oversize::refuse(passage, target.cable);
    }
    let link = passage.packet.link();
    if let Some(reason) = usage::refusal(tables, passage.settings, link) {
        return passage.refuse(reason);
    }
    passage.begin_draft(FlowKind::Hairpin);
    let flow = &mut passage.notes.draft;
    flow.inside = head.source;
    flow.inside_port = head.source_port;
    flow.inside_mac = mac;
    flow.external = head.destination;
    flow.cable = link;
    flow.rule = forward.rule;
    let standing = match passage.settings.mappings {
        0 => None,
        _ => mapping::of_inside(tables, head.destination, head, passage.now),
    };
    let claimed = match standing {
        // By the port that all the others know it by (RFC 4787 REQ-9a).
        Some(mapping) => claim_mapped(tables, passage.settings, head, flow, &mapping),
        None => claim(tables, passage.settings, head, flow),
    };
    match claimed {
        Ok(port) => {
            passage.notes.claimed = port;
            Outcome::Continue(Stage::Meet)
        }
        Err(reason) => passage.refuse(reason),
    }
}

/// [`Stage::Meet`].
#[inline(always)]
pub fn meet<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, meet_target)
}

/// Goes on with such a connection once its caller has a port.
#[inline(always)]
fn meet_target<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let head = passage.head;
    let tables = passage.tables;
    let forward = passage.notes.forward;
    let caller_port = passage.notes.claimed;
    let Some(target) = tables.endpoint(forward.address) else {
        return Outcome::Decided(passage.drop(DropReason::NoRoute));
    };
    // Two ports of the host may lead to one target, which sees the same caller by both.
    if is_taken_inside(passage, &forward, head.destination, caller_port) {
        return passage.refuse(DropReason::PortsExhausted);
    }
    let kind = passage.notes.called_kind();
    // The other end's record; what is not named here is the same for both.
    let flow = &mut passage.notes.draft;
    flow.inside = forward.address;
    flow.inside_port = forward.port;
    flow.inside_mac = target.mac;
    flow.cable = target.cable;
    flow.kind = kind as u8;
    (flow.packets_in, flow.bytes_in) = (flow.packets_out, flow.bytes_out);
    (flow.packets_out, flow.bytes_out) = (0, 0);
    flow.sequences = Sequences { inside: flow.sequences.remote, remote: flow.sequences.inside };
    let key = FlowKey::new(head.destination, caller_port, head.destination_port, head.protocol);
    if record(tables, passage.settings, &key, flow).is_err() {
        // The caller's record stays until it expires: its next packet finds it and tries
        // again.
        return passage.refuse(DropReason::PortsExhausted);
    }
    let to = Translation {
        source: head.destination,
        source_port: caller_port,
        destination: forward.address,
        destination_port: forward.port,
        mac: Some(target.mac),
    };
    let verdict = passage.translate(&to, Exit::Peer { cable: target.cable }, forward.rule, true);
    passage.go_on(verdict)
}
