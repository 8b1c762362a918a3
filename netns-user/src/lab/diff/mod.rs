//! From what there is of a lab to what is wanted of it.

mod addresses;

use std::collections::{HashMap, HashSet};

pub(super) use addresses::LinkAddresses;
use ipnet::Ipv4Net;

use super::pieces::{CablePiece, Deviation, Key, Piece};
use crate::step::{End, Place, Step};

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Added,
    Changed,
    Removed,
}

/// A piece that is to be added, changed or removed, with the steps that do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) fate: Fate,
    /// As it is to be; when it is removed, as it is.
    pub(super) piece: Piece,
    pub(super) steps: Vec<Step>,
    /// What of it is to be changed.
    pub(super) deviations: Vec<Deviation>,
}

impl Difference {
    fn new(fate: Fate, piece: Piece, steps: Vec<Step>) -> Self {
        Self { fate, piece, steps, deviations: Vec::new() }
    }

    /// From a piece as it is to the one that is wanted, if they differ.
    fn changing(is: &Piece, wanted: &Piece) -> Option<Self> {
        let (deviations, steps): (Vec<_>, Vec<_>) = is.mendings(wanted)?.into_iter().unzip();
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let difference = Self { deviations, ..Self::new(Fate::Changed, wanted.clone(), steps) };
        (!difference.steps.is_empty()).then_some(difference)
    }
}

/// What is to be done, in order: removals first, the last made first, then the rest in the
/// order of `wanted`. What goes with something else is not removed by itself. Both lists have
/// parents before their children. `addresses` are those that the links of `actual` have.
pub(super) fn diff(
    actual: &[Piece],
    wanted: &[Piece],
    addresses: &LinkAddresses,
) -> Vec<Difference> {
    let wanted_by_key: HashMap<Key, &Piece> =
        wanted.iter().map(|piece| (piece.key(), piece)).collect();
    let links = Links::of(actual);
    let mut gone: HashSet<Key> = HashSet::new();
    let mut removed = Vec::new();
    for piece in actual {
        let key = piece.key();
        if links.parents(piece).iter().any(|parent| gone.contains(parent))
            || links.is_cut_off(piece, &gone, addresses)
        {
            gone.insert(key);
            continue;
        }
        let stays = wanted_by_key.get(&key).is_some_and(|wanted| piece.mendings(wanted).is_some());
        if !stays {
            gone.insert(key);
            let piece = piece.clone();
            let mut steps = links.leading_out(&piece);
            steps.extend(piece.take_away());
            removed.push(Difference::new(Fate::Removed, piece, steps));
        }
    }
    let mut kept: HashMap<Key, Piece> = actual
        .iter()
        .filter(|piece| !gone.contains(&piece.key()))
        .map(|piece| (piece.key(), piece.clone()))
        .collect();
    unplug(&mut kept, &gone);
    removed.reverse();
    removed.extend(wanted.iter().filter_map(|piece| {
        match kept.get(&piece.key()) {
            Some(is) => Difference::changing(is, piece),
            // A route that waits is added later, without steps here.
            None => Some(Difference::new(Fate::Added, piece.clone(), piece.make())),
        }
    }));
    let is_new = |end: &End| links.goes(end, &gone);
    addresses::keep_order(&mut removed, wanted, addresses, is_new);
    removed
}

/// The ports of a bridge that goes stay, but are ports of nothing.
fn unplug(kept: &mut HashMap<Key, Piece>, gone: &HashSet<Key>) {
    for piece in kept.values_mut() {
        if let Piece::Cable(CablePiece { near, bridge, .. }) = piece {
            let end = |name: &String| End::new(near.place.clone(), name);
            if bridge.as_ref().is_some_and(|name| gone.contains(&Key::Link(end(name)))) {
                *bridge = None;
            }
        }
    }
}

/// Who goes with whom.
struct Links {
    /// The key of the bridge or cable that an end belongs to.
    by_end: HashMap<End, Key>,
    /// The addresses of each place with their links, for routes by a gateway.
    addresses: HashMap<Place, Vec<(End, Ipv4Net)>>,
    /// Both ends of each cable between two places.
    cables: Vec<(End, End)>,
}

impl Links {
    fn of(pieces: &[Piece]) -> Self {
        let mut links =
            Self { by_end: HashMap::new(), addresses: HashMap::new(), cables: Vec::new() };
        for piece in pieces {
            let key = piece.key();
            match piece {
                Piece::Bridge { end, .. } => {
                    links.by_end.insert(end.clone(), key);
                }
                Piece::Cable(cable) => {
                    links.cables.push((cable.near.clone(), cable.far.clone()));
                    links.by_end.insert(cable.near.clone(), key.clone());
                    links.by_end.insert(cable.far.clone(), key);
                }
                Piece::Address { end, address } => {
                    let addresses = links.addresses.entry(end.place.clone()).or_default();
                    addresses.push((end.clone(), *address));
                }
                Piece::Namespace { .. } | Piece::Route { .. } | Piece::Resolver { .. } => {}
            }
        }
        links
    }

    /// The steps that take a namespace's cables to elsewhere away. The kernel would do it in the
    /// background, later than their names may be wanted again, and never while a process is in
    /// the namespace.
    fn leading_out(&self, piece: &Piece) -> Vec<Step> {
        let Piece::Namespace { name, .. } = piece else { return Vec::new() };
        let here = Place::namespace(name);
        let ends = self.cables.iter().filter_map(|(near, far)| {
            let is_here = (near.place == here, far.place == here);
            match is_here {
                (false, true) => Some(near),
                (true, false) if !far.interface.is_empty() => Some(far),
                _ => None,
            }
        });
        ends.map(|end| Step::DeleteLink { end: end.clone() }).collect()
    }

    /// The pieces with which this one goes.
    fn parents(&self, piece: &Piece) -> Vec<Key> {
        let namespace = |place: &Place| place.name().map(|name| Key::Namespace(name.to_owned()));
        let mut parents = Vec::new();
        match piece {
            Piece::Namespace { .. } | Piece::Resolver { .. } => {}
            Piece::Bridge { end, .. } => parents.extend(namespace(&end.place)),
            Piece::Cable(cable) => {
                parents.extend(namespace(&cable.near.place));
                parents.extend(namespace(&cable.far.place));
            }
            Piece::Address { end, .. } => {
                parents.extend(namespace(&end.place));
                parents.extend(self.by_end.get(end).cloned());
            }
            Piece::Route { place, route, .. } => {
                parents.extend(namespace(place));
                if let Some(name) = &route.interface {
                    parents.extend(self.by_end.get(&End::new(place.clone(), name)).cloned());
                }
            }
        }
        parents
    }

    /// Whether it is a route whose link loses all its addresses: the kernel drops a route with the
    /// last address of its link, and not before.
    fn is_cut_off(&self, piece: &Piece, gone: &HashSet<Key>, addresses: &LinkAddresses) -> bool {
        let Piece::Route { place, route, .. } = piece else { return false };
        let Some(via) = route.via else { return false };
        let known = self.addresses.get(place).into_iter().flatten();
        let mut ends = known.filter(|(_, net)| net.contains(&via)).map(|(end, _)| end);
        ends.any(|end| {
            let mut all = addresses.of(end).iter();
            all.all(|address| gone.contains(&Key::Address(end.clone(), *address)))
        })
    }

    /// Whether a link goes, by itself or with its namespace.
    fn goes(&self, end: &End, gone: &HashSet<Key>) -> bool {
        let namespace = end.place.name().map(|name| Key::Namespace(name.to_owned()));
        namespace.iter().chain(self.by_end.get(end)).any(|key| gone.contains(key))
    }
}

#[cfg(test)]
mod tests;
