//! The order of a link's addresses. In each subnet the kernel speaks from the address that it was
//! given first, and takes the further ones away with it unless it is told to promote the next.

use std::collections::HashMap;

use ipnet::Ipv4Net;

use super::{Difference, Fate};
use crate::{
    lab::pieces::{Deviation, Key, Piece},
    step::{End, Step},
};

const LOOPBACK: &str = "lo";

/// The addresses of links in the kernel's order, those of other owners included.
#[derive(Clone, Debug, Default)]
pub(in crate::lab) struct LinkAddresses(HashMap<End, Vec<Ipv4Net>>);

impl LinkAddresses {
    /// Those of the pieces, in their order.
    pub(in crate::lab) fn of_pieces(pieces: &[Piece]) -> Self {
        let mut all: HashMap<End, Vec<Ipv4Net>> = HashMap::new();
        for (end, address) in addresses(pieces) {
            all.entry(end.clone()).or_default().push(address);
        }
        Self(all)
    }

    pub(in crate::lab) fn insert(&mut self, end: &End, addresses: &[Ipv4Net]) {
        self.0.insert(end.clone(), addresses.to_vec());
    }

    pub(in crate::lab) fn has(&self, end: &End) -> bool {
        self.0.contains_key(end)
    }

    pub(super) fn of(&self, end: &End) -> &[Ipv4Net] {
        self.0.get(end).map_or(&[], Vec::as_slice)
    }
}

/// The addresses among pieces, with their links.
pub(super) fn addresses(pieces: &[Piece]) -> impl Iterator<Item = (&End, Ipv4Net)> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Address { end, address } => Some((end, *address)),
        _ => None,
    })
}

/// Adds two kinds of steps to the differences. Before the first address of a subnet is removed, the
/// kernel is told to keep the further ones. The first wanted address of a link, and of each of its
/// subnets, gets to the front: the lab's addresses before it are removed and added again, which puts
/// them behind it. `is_new` tells the links that have none of their addresses yet.
pub(super) fn keep_order(
    differences: &mut Vec<Difference>,
    wanted: &[Piece],
    current: &LinkAddresses,
    is_new: impl Fn(&End) -> bool,
) {
    let wanted = LinkAddresses::of_pieces(wanted);
    // An outside only answers for its addresses on lo: their order does not matter.
    let ends = wanted.0.keys().filter(|end| end.interface != LOOPBACK && !is_new(end));
    let mut ends: Vec<&End> = ends.collect();
    ends.sort_by_key(|end| end.to_string());
    for end in ends {
        // A single address has no order.
        if current.of(end).len().max(wanted.of(end).len()) < 2 {
            continue;
        }
        let mut row = Row::of(current.of(end));
        let mut promotes = false;
        let removed = differences.iter_mut().filter(|it| it.fate == Fate::Removed);
        for removal in removed {
            let Key::Address(of, address) = removal.piece.key() else { continue };
            if of == *end && row.remove(address) && !promotes {
                removal.steps.insert(0, promote(end));
                promotes = true;
            }
        }
        let wanted = wanted.of(end);
        for address in wanted {
            row.add(*address);
        }
        for (address, has_next) in row.bring_forward(wanted) {
            let end = end.clone();
            let mut steps = Vec::new();
            if has_next && !promotes {
                steps.push(promote(&end));
                promotes = true;
            }
            steps.push(Step::DeleteAddress { end: end.clone(), address });
            steps.push(Step::AddAddress { end: end.clone(), address });
            let order = format!("place of {address}");
            let deviation = Deviation::new(&end, order, "before the first", "after it");
            let piece = Piece::Address { end, address };
            let difference = Difference::new(Fate::Changed, piece, steps);
            differences.push(Difference { deviations: vec![deviation], ..difference });
        }
    }
}

/// The addresses of a link in the order of the kernel's list.
#[derive(Default)]
struct Row {
    /// The first of each subnet.
    firsts: Vec<Ipv4Net>,
    /// The other addresses of all subnets, which the kernel lists after the first ones.
    further: Vec<Ipv4Net>,
}

impl Row {
    fn of(addresses: &[Ipv4Net]) -> Self {
        let mut row = Self::default();
        addresses.iter().for_each(|address| row.add(*address));
        row
    }

    fn all(&self) -> impl Iterator<Item = Ipv4Net> {
        self.firsts.iter().chain(&self.further).copied()
    }

    /// Adds it, if it is not there.
    fn add(&mut self, address: Ipv4Net) {
        if self.all().any(|other| other == address) {
            return;
        }
        let is_new = !self.firsts.iter().any(|first| first.trunc() == address.trunc());
        if is_new { self.firsts.push(address) } else { self.further.push(address) }
    }

    /// Removes it. True when the next one of its subnet takes its place.
    fn remove(&mut self, address: Ipv4Net) -> bool {
        self.further.retain(|other| *other != address);
        let Some(at) = self.firsts.iter().position(|other| *other == address) else { return false };
        self.firsts.remove(at);
        let next = self.further.iter().position(|other| other.trunc() == address.trunc());
        self.firsts.extend(next.map(|next| self.further.remove(next)));
        next.is_some()
    }

    /// Brings the first wanted address to the front of the link, and that of each subnet to the front
    /// of its subnet. Returns the addresses that have to be removed and added again, in order, each
    /// with whether another one takes its place meanwhile. Addresses of other owners stay.
    fn bring_forward(&mut self, wanted: &[Ipv4Net]) -> Vec<(Ipv4Net, bool)> {
        let mut moved = Vec::new();
        let firsts = wanted.iter().enumerate().filter(|(at, address)| {
            !wanted[..*at].iter().any(|other| other.trunc() == address.trunc())
        });
        for (at, first) in firsts {
            // First in its own subnet; after that only first addresses of other subnets are before it.
            while let Some(other) = self.before(*first, wanted, |it| it.trunc() == first.trunc()) {
                self.move_back(other, &mut moved);
            }
            // Behind an address of another owner in its subnet it cannot come before other subnets.
            let comes_first = at == 0 && self.firsts.contains(first);
            while let Some(other) = self.before(*first, wanted, |_| comes_first) {
                self.move_back(other, &mut moved);
            }
        }
        moved
    }

    /// The first wanted address that is listed before `address`, among those that `which` takes.
    fn before(
        &self,
        address: Ipv4Net,
        wanted: &[Ipv4Net],
        which: impl Fn(Ipv4Net) -> bool,
    ) -> Option<Ipv4Net> {
        let mut before = self.all().take_while(|other| *other != address);
        before.find(|other| which(*other) && wanted.contains(other))
    }

    fn move_back(&mut self, address: Ipv4Net, moved: &mut Vec<(Ipv4Net, bool)>) {
        let has_next = self.remove(address);
        self.add(address);
        moved.push((address, has_next));
    }
}

/// Makes the kernel put the next address of a subnet in the place of one that goes.
fn promote(end: &End) -> Step {
    let key = format!("ipv4/conf/{}/promote_secondaries", end.interface);
    Step::Set { place: end.place.clone(), key, value: "1".to_owned() }
}
