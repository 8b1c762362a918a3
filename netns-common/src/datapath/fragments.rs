//! Fragments (RFC 4787 REQ-14): only the first one of a datagram has the ports.
//!
//! In order, the first one is translated as any packet and leaves a note of it in a table; the
//! others follow the note. When another one comes first, nobody can tell yet where it belongs:
//! it goes to the reassembler, a namespace whose stack puts the datagram together and sends it
//! back in order, and all others of that datagram after it. What comes back enters again by the
//! link that it first came in by.
//!
//! REQ-14a: table and reassembler are shared out among groups of sources. A source behind a
//! cable is in one by its cable; one outside by a keyed hash of its address. Who floods takes
//! places of its own group alone, and only so much of the reassembler's memory.

use super::{
    Exit, Outcome, Verdict,
    detour::send_to_reassembler,
    external_port::siphash13,
    head::{Head, destination_mac, source_mac},
    inside::is_uplink,
    notes::Scratch,
    passage::Passage,
    rewrite,
    stages::go_on,
    traits::{Packet, Tables},
};
use crate::abi::{
    DropReason, FRAGMENT_GROUPS, FRAGMENTS_OF_GROUP, Fragment, FragmentPlace, FragmentState, Ip4,
    Settings, Stage, Tick,
};

/// How long a note about a datagram stands, in ticks (4.3 s): longer than the reassembler
/// waits, and a sender that counts to 65,536 in less has other troubles (RFC 6864).
pub(super) const LIFETIME: Tick = 32;

/// For how long a translated datagram keeps its place against one that is left to the stack, in
/// ticks: its fragments follow each other closely.
const IN_FLIGHT: Tick = 2;

/// How many places a datagram may have: two that come at the same time seldom lack one.
const CHOICES: u32 = 4;

/// The group of a source.
#[inline(always)]
pub(super) fn group<T: Tables>(tables: &T, settings: &Settings, source: Ip4) -> u32 {
    match tables.endpoint(source) {
        Some(end) => end.cable % FRAGMENT_GROUPS,
        None => {
            let hash = siphash13(settings.seed, [u64::from(source.to_network()), 1]);
            FRAGMENT_GROUPS + hash as u32 % FRAGMENT_GROUPS
        }
    }
}

/// The places that the datagram of a packet may have.
#[derive(Clone, Copy)]
struct Places {
    first: u32,
    turn: u32,
}

impl Places {
    #[inline(always)]
    fn of<T: Tables>(tables: &T, settings: &Settings, head: &Head) -> Self {
        let destination = head.destination.to_network();
        let mixed = destination ^ (destination >> 16) ^ u32::from(head.protocol);
        let number = u32::from(u16::from_be(head.id)).wrapping_add(mixed);
        let row = number % (FRAGMENTS_OF_GROUP / CHOICES);
        let group = group(tables, settings, head.source);
        Self {
            first: group * FRAGMENTS_OF_GROUP + row * CHOICES,
            turn: number / (FRAGMENTS_OF_GROUP / CHOICES),
        }
    }

    /// One of [`CHOICES`].
    #[inline(always)]
    const fn at(self, attempt: u32) -> u32 {
        self.first + self.turn.wrapping_add(attempt) % CHOICES
    }
}

/// Whether a note is about the datagram of a packet, wherever that was seen. Two comparisons
/// of words, since the verifier follows each one's two ways at every place.
#[inline(always)]
fn is_same_datagram(fragment: &Fragment, head: &Head) -> bool {
    let words = |source: Ip4, destination: Ip4, id, protocol| {
        let addresses = u64::from(source.to_network()) << 32 | u64::from(destination.to_network());
        (addresses, u32::from(id) << 8 | u32::from(protocol))
    };
    words(fragment.source, fragment.destination, fragment.id, fragment.protocol)
        == words(head.source, head.destination, head.id, head.protocol)
}

#[inline(always)]
const fn is_at(fragment: &Fragment, place: FragmentPlace) -> bool {
    fragment.place == place as u8
}

/// Puts the note that was begun into the place of the datagram, or a free one, or the oldest.
#[inline(always)]
pub(super) fn write_note<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) {
    let (head, tables, now) = (passage.head, passage.tables, passage.now);
    let places = Places::of(tables, passage.settings, head);
    let note = &passage.notes.fragment;
    let is_pass = note.state == FragmentState::Passed as u8;
    let mut best = u32::MAX;
    let mut best_age = 0;
    let mut attempt = 0;
    while attempt < CHOICES {
        let place = places.at(attempt);
        attempt += 1;
        let Some(old) = tables.fragment(place) else {
            if best_age < LIFETIME {
                (best, best_age) = (place, LIFETIME);
            }
            continue;
        };
        if is_same_datagram(&old, head) {
            if old.place == note.place {
                best = place;
                break;
            }
            // Each place has a note of its own. A datagram that goes through the stack has two of
            // them, and a forged fragment from outside does not replace that of a namespace.
            continue;
        }
        let age = age(&old, now);
        // An address that nobody has translated anything for may send first fragments without
        // end: they take no place from a translated datagram that is on its way.
        let is_kept = is_pass && old.state == FragmentState::Translated as u8 && age < IN_FLIGHT;
        if !is_kept && (best == u32::MAX || age > best_age) {
            (best, best_age) = (place, age);
        }
    }
    if best != u32::MAX {
        tables.set_fragment(best, note);
    }
}

#[inline(always)]
const fn age(fragment: &Fragment, now: Tick) -> Tick {
    let age = now.wrapping_sub(fragment.seen);
    // Another CPU's clock may be a tick ahead.
    if age > Tick::MAX / 2 { 0 } else { age }
}

/// The note about the datagram of a fragment, among the notes of one place.
#[inline(always)]
pub(super) fn find<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    head: &Head,
    now: Tick,
    place: FragmentPlace,
) -> Option<T::FragmentRef<'a>> {
    find_where(tables, settings, head, now, |note| is_at(note, place))
}

/// The note about the datagram of a packet from the reassembler, which may have come in by a
/// cable or by an uplink.
#[inline(always)]
pub(super) fn find_reassembled<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    head: &Head,
    now: Tick,
) -> Option<T::FragmentRef<'a>> {
    find_where(tables, settings, head, now, |note| !is_at(note, FragmentPlace::Leaving))
}

#[inline(always)]
fn find_where<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    head: &Head,
    now: Tick,
    is_its: impl Fn(&Fragment) -> bool,
) -> Option<T::FragmentRef<'a>> {
    let places = Places::of(tables, settings, head);
    let mut attempt = 0;
    while attempt < CHOICES {
        if let Some(found) = tables.fragment(places.at(attempt))
            && is_same_datagram(&found, head)
            && is_its(&found)
        {
            return (age(&found, now) < LIFETIME).then_some(found);
        }
        attempt += 1;
    }
    None
}

/// What a fragment's datagram has begun with, if it has. `from_namespace`: it came by a cable,
/// which must be the one that the others came by.
#[inline(always)]
pub(super) fn resume<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    from_namespace: bool,
) -> Option<Verdict> {
    let head = passage.head;
    if head.first_fragment && head.is_tiny() {
        return Some(passage.drop(DropReason::Malformed));
    }
    let place =
        if from_namespace { FragmentPlace::FromNamespace } else { FragmentPlace::FromUplink };
    let found = find(passage.tables, passage.settings, head, passage.now, place)?;
    if from_namespace && found.link != passage.packet.link() {
        return None;
    }
    match FragmentState::from_number(found.state) {
        FragmentState::Detour => Some(send_to_reassembler(passage)),
        _ if head.first_fragment => None,
        FragmentState::Passed => Some(Verdict::Pass),
        FragmentState::Translated => Some(follow(passage, &found, from_namespace)),
        FragmentState::Assembled => Some(send_to_reassembler(passage)),
    }
}

/// The same where the kernel's stack sends a fragment out: the first one comes first there.
#[inline(always)]
pub(super) fn resume_leaving<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
) -> Option<Verdict> {
    let head = passage.head;
    if head.first_fragment {
        return if head.is_tiny() { Some(passage.drop(DropReason::Malformed)) } else { None };
    }
    if !head.is_fragment() {
        return None;
    }
    let leaving = FragmentPlace::Leaving;
    let found = find(passage.tables, passage.settings, head, passage.now, leaving)?;
    Some(follow(passage, &found, true))
}

/// Translates a later fragment as the first one was.
#[inline(always)]
fn follow<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    found: &Fragment,
    from_namespace: bool,
) -> Verdict {
    let head = passage.head;
    if head.ttl <= 1 && found.exit != 0 {
        return if from_namespace { Verdict::Pass } else { passage.drop(DropReason::TtlExceeded) };
    }
    let (link, next_hop) = (found.exit, found.next_hop);
    if next_hop != Ip4::UNSPECIFIED && passage.packet.exceeds_mtu(link) {
        return Verdict::Pass;
    }
    passage.tables.count_rule(found.rule, false, head.bytes);
    if translate(passage.packet, head, found).is_none() {
        return passage.drop(DropReason::RewriteFailed);
    }
    // Made as late as can be: the compiler copies what a variant does not have, and the verifier
    // refuses that.
    Verdict::Redirect(if link == 0 {
        Exit::Onward
    } else if next_hop == Ip4::UNSPECIFIED {
        Exit::Peer { cable: link }
    } else {
        Exit::Neighbour { link, next_hop }
    })
}

/// Writes addresses and identification of a later fragment. `None` leaves it half written.
#[inline(always)]
pub(super) fn translate<P: Packet>(packet: &mut P, head: &Head, found: &Fragment) -> Option<()> {
    let skips_stack = found.exit != 0;
    let mac = (skips_stack && found.next_hop == Ip4::UNSPECIFIED).then_some(found.mac);
    let (source, destination) = (found.new_source, found.new_destination);
    rewrite::network(packet, head, source, destination, found.new_id, mac, skips_stack).map(drop)
}

/// [`Stage::FirstFragment`](crate::abi::Stage::FirstFragment).
#[inline(always)]
pub fn first_fragment<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    scratch: &mut Scratch,
    now: Tick,
) -> Outcome {
    go_on(packet, tables, scratch, now, note_first)
}

/// Notes how a first fragment is translated, or that it passes, for those that follow.
#[inline(always)]
fn note_first<P: Packet, T: Tables>(passage: &mut Passage<'_, P, T>) -> Outcome {
    let put_off = passage.notes.put_off;
    let (to, exit, rule) = (put_off.translation(), put_off.exit.exit(), put_off.rule);
    if put_off.is_pass {
        if begin_note(passage, FragmentState::Passed).is_some() {
            write_note(passage);
        }
        return Outcome::Decided(Verdict::Pass);
    }
    let head = passage.head;
    let is_leaving = matches!(exit, Exit::Onward) && to.source != head.source;
    let place = if is_leaving { FragmentPlace::Leaving } else { place_of(passage) };
    let id = id_of(passage, to.source, place);
    if begin_note(passage, FragmentState::Translated).is_none() {
        return Outcome::Decided(passage.drop(DropReason::RewriteFailed));
    }
    let note = &mut passage.notes.fragment;
    note.new_source = to.source;
    note.new_destination = to.destination;
    note.new_id = id;
    note.rule = rule;
    note.place = place as u8;
    match exit {
        Exit::Onward => {}
        Exit::Neighbour { link, next_hop } => (note.exit, note.next_hop) = (link, next_hop),
        Exit::Peer { cable } | Exit::Ingress { link: cable } => note.exit = cable,
    }
    if let Some(mac) = to.mac {
        note.mac = mac;
    }
    write_note(passage);
    passage.notes.put_off.bear(id);
    Outcome::Continue(Stage::Translate)
}

/// The identification of the datagram behind `source`: if its first fragment has come before,
/// the one that it was given then, which others may bear already.
#[inline(always)]
fn id_of<P: Packet, T: Tables>(
    passage: &Passage<'_, P, T>,
    source: Ip4,
    place: FragmentPlace,
) -> u16 {
    let known = find(passage.tables, passage.settings, passage.head, passage.now, place);
    match known {
        Some(note)
            if note.state == FragmentState::Translated as u8 && note.new_source == source =>
        {
            note.new_id
        }
        _ => passage.id_behind(source),
    }
}

/// Where a packet has come in.
#[inline(always)]
fn place_of<P: Packet, T: Tables>(passage: &Passage<'_, P, T>) -> FragmentPlace {
    if is_uplink(passage.settings, passage.packet.link()) {
        FragmentPlace::FromUplink
    } else {
        FragmentPlace::FromNamespace
    }
}

/// Begins a note about the packet's datagram.
#[inline(always)]
pub(super) fn begin_note<P: Packet, T: Tables>(
    passage: &mut Passage<'_, P, T>,
    state: FragmentState,
) -> Option<()> {
    let head = passage.head;
    passage.notes.fragment = Fragment {
        source: head.source,
        destination: head.destination,
        seen: passage.now,
        link: passage.packet.link(),
        id: head.id,
        protocol: head.protocol,
        state: state as u8,
        place: place_of(passage) as u8,
        frame_destination: destination_mac(passage.packet)?,
        frame_source: source_mac(passage.packet)?,
        ttl: head.ttl,
        ..Fragment::default()
    };
    Some(())
}
