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

use crate::{
    abi::{
        FRAGMENT_GROUPS, FRAGMENTS_OF_GROUP, Fragment, FragmentPlace, FragmentState, Ip4, Settings,
        Tick,
    },
    datapath::{
        context::packet_context::PacketContext,
        packet::{
            access::Packet,
            headers::{Headers, destination_mac, source_mac},
        },
        siphash::siphash13,
        tables::kernel::Tables,
    },
};

/// How long a note about a datagram stands, in ticks (4.3 s): longer than the reassembler
/// waits, and a sender that counts to 65,536 in less has other troubles (RFC 6864).
pub(crate) const LIFETIME: Tick = 32;

/// For how long a translated datagram keeps its place against one that is left to the stack, in
/// ticks: its fragments follow each other closely.
const IN_FLIGHT: Tick = 2;

/// How many places a datagram may have: two that come at the same time seldom lack one.
const CHOICES: u32 = 4;

/// The group of a source.
#[inline(always)]
pub(crate) fn group<T: Tables>(tables: &T, settings: &Settings, source: Ip4) -> u32 {
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
    fn of<T: Tables>(tables: &T, settings: &Settings, headers: &Headers) -> Self {
        let destination = headers.destination.to_network();
        let mixed = destination ^ (destination >> 16) ^ u32::from(headers.protocol);
        let number = u32::from(u16::from_be(headers.id)).wrapping_add(mixed);
        let row = number % (FRAGMENTS_OF_GROUP / CHOICES);
        let group = group(tables, settings, headers.source);
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
fn is_same_datagram(fragment: &Fragment, headers: &Headers) -> bool {
    let words = |source: Ip4, destination: Ip4, id, protocol| {
        let addresses = u64::from(source.to_network()) << 32 | u64::from(destination.to_network());
        (addresses, u32::from(id) << 8 | u32::from(protocol))
    };
    words(fragment.source, fragment.destination, fragment.id, fragment.protocol)
        == words(headers.source, headers.destination, headers.id, headers.protocol)
}

#[inline(always)]
const fn is_at(fragment: &Fragment, place: FragmentPlace) -> bool {
    fragment.place == place as u8
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Puts the note that was begun into the place of the datagram, or a free one, or the oldest.
    #[inline(always)]
    pub(crate) fn write_fragment_note(&mut self) {
        let (headers, tables, now) = (self.headers, self.tables, self.now);
        let places = Places::of(tables, self.settings, headers);
        let note = &self.handoff.fragment;
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
            if is_same_datagram(&old, headers) {
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
            let is_kept =
                is_pass && old.state == FragmentState::Translated as u8 && age < IN_FLIGHT;
            if !is_kept && (best == u32::MAX || age > best_age) {
                (best, best_age) = (place, age);
            }
        }
        if best != u32::MAX {
            tables.set_fragment(best, note);
        }
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
pub(crate) fn find_note<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    headers: &Headers,
    now: Tick,
    place: FragmentPlace,
) -> Option<T::FragmentRef<'a>> {
    find_note_where(tables, settings, headers, now, |note| is_at(note, place))
}

/// The note about the datagram of a packet from the reassembler, which may have come in by a
/// cable or by an uplink.
#[inline(always)]
pub(crate) fn find_reassembled<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    headers: &Headers,
    now: Tick,
) -> Option<T::FragmentRef<'a>> {
    find_note_where(tables, settings, headers, now, |note| !is_at(note, FragmentPlace::Leaving))
}

#[inline(always)]
fn find_note_where<'a, T: Tables>(
    tables: &'a T,
    settings: &Settings,
    headers: &Headers,
    now: Tick,
    is_its: impl Fn(&Fragment) -> bool,
) -> Option<T::FragmentRef<'a>> {
    let places = Places::of(tables, settings, headers);
    let mut attempt = 0;
    while attempt < CHOICES {
        if let Some(found) = tables.fragment(places.at(attempt))
            && is_same_datagram(&found, headers)
            && is_its(&found)
        {
            return (age(&found, now) < LIFETIME).then_some(found);
        }
        attempt += 1;
    }
    None
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Where a packet has come in.
    #[inline(always)]
    pub(crate) fn fragment_place(&self) -> FragmentPlace {
        if self.settings.is_uplink(self.packet.link()) {
            FragmentPlace::FromUplink
        } else {
            FragmentPlace::FromNamespace
        }
    }

    /// Begins a note about the packet's datagram.
    #[inline(always)]
    pub(crate) fn begin_fragment_note(&mut self, state: FragmentState) -> Option<()> {
        let headers = self.headers;
        self.handoff.fragment = Fragment {
            source: headers.source,
            destination: headers.destination,
            seen: self.now,
            link: self.packet.link(),
            id: headers.id,
            protocol: headers.protocol,
            state: state as u8,
            place: self.fragment_place() as u8,
            frame_destination: destination_mac(self.packet)?,
            frame_source: source_mac(self.packet)?,
            ttl: headers.ttl,
            ..Fragment::default()
        };
        Some(())
    }
}
