//! Fragments (RFC 4787 REQ-14): only the first one of a datagram has the ports.
//!
//! If the fragments come in order, the first is translated like any packet and recorded in a table,
//! and the others are translated by this record. If another one comes first, its flow is still
//! unknown. It and all others of the datagram go to the reassembler, a namespace whose stack joins
//! them and sends them back in order. They enter again at their original link.
//!
//! REQ-14a: the table and the reassembler are divided among groups of sources. The cable selects
//! the group of an inside source, and a keyed hash of the address that of an outside source. A
//! flood uses only the places of its own group, and a limited part of the reassembler's memory.

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

/// How long the record of a datagram is valid, in ticks (4.3 s). This is longer than the
/// reassembler waits, and a sender must not repeat an identification so soon (RFC 6864).
pub(crate) const LIFETIME: Tick = 32;

/// How long a translated datagram keeps its place against one that is left to the stack, in ticks.
/// The fragments of a datagram follow each other closely.
const IN_FLIGHT: Tick = 2;

/// How many places a datagram may take, so that datagrams at the same time hardly ever run out of
/// them.
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

/// The places of the table that the datagram of a packet may take.
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

/// Whether a record is of the datagram of a packet, at any place. It has only two comparisons,
/// because the verifier follows both branches of each at every place of the table.
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
    /// Writes the drafted record into the place of the datagram, or a free place, or the oldest.
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
                // Each [`FragmentPlace`] has its own record. A datagram that goes through the stack
                // has two, and a forged fragment from outside does not replace the record of a
                // namespace.
                continue;
            }
            let age = age(&old, now);
            // A source without a translated flow may send any number of first fragments. They must
            // not take the place of a translated datagram whose fragments still come.
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

/// The record of a fragment's datagram at one [`FragmentPlace`].
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

/// The record of the datagram of a packet from the reassembler, which originally came in by a cable
/// or an uplink.
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
    /// The side where the packet came in.
    #[inline(always)]
    pub(crate) fn fragment_place(&self) -> FragmentPlace {
        if self.settings.is_uplink(self.packet.link()) {
            FragmentPlace::FromUplink
        } else {
            FragmentPlace::FromNamespace
        }
    }

    /// Drafts the record of the packet's datagram.
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
