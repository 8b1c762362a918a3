//! The order of a link's addresses. In each subnet the kernel sends from the address that was added
//! first. When that address is deleted, the kernel deletes the others of the subnet too, unless
//! `promote_secondaries` is set.

use ipnet::Ipv4Net;

use super::change::{Change, ChangeKind};
use crate::{
    lab::resources::{Deviation, Key, Resource, addresses::LinkAddresses},
    net::Interface,
    step::Step,
};

const LOOPBACK: &str = "lo";

/// Adds two kinds of steps to the changes. Before the first address of a subnet is deleted,
/// `promote_secondaries` is set. The first wanted address of a link, and of each of its subnets,
/// moves to the front: the lab's addresses before it are deleted and added again, which puts them
/// behind it. `is_new` says of a link that it has none of its addresses yet.
pub(super) fn keep_order(
    changes: &mut Vec<Change>,
    wanted: &[Resource],
    current: &LinkAddresses,
    is_new: impl Fn(&Interface) -> bool,
) {
    let wanted = LinkAddresses::of_resources(wanted);
    // On `lo`, an outside namespace only answers for its addresses: the order does not matter.
    let interfaces =
        wanted.interfaces().filter(|interface| interface.name != LOOPBACK && !is_new(interface));
    let mut interfaces: Vec<&Interface> = interfaces.collect();
    interfaces.sort_by_key(|interface| interface.to_string());
    for interface in interfaces {
        // A single address has no order.
        if current.of(interface).len().max(wanted.of(interface).len()) < 2 {
            continue;
        }
        let mut row = Row::of(current.of(interface));
        let mut promotes = false;
        let removed = changes.iter_mut().filter(|it| it.kind == ChangeKind::Remove);
        for removal in removed {
            let Key::Address(of, address) = removal.resource.key() else { continue };
            if of == *interface && row.remove(address) && !promotes {
                removal.steps.insert(0, promote(interface));
                promotes = true;
            }
        }
        let wanted = wanted.of(interface);
        for address in wanted {
            row.add(*address);
        }
        for (address, has_next) in row.bring_forward(wanted) {
            let interface = interface.clone();
            let mut steps = Vec::new();
            if has_next && !promotes {
                steps.push(promote(&interface));
                promotes = true;
            }
            steps.push(Step::DeleteAddress { interface: interface.clone(), address });
            steps.push(Step::AddAddress { interface: interface.clone(), address });
            let order = format!("place of {address}");
            let deviation = Deviation::new(&interface, order, "before the first", "after it");
            let resource = Resource::Address { interface, address };
            let change = Change::new(ChangeKind::Change, resource, steps);
            changes.push(Change { deviations: vec![deviation], ..change });
        }
    }
}

/// The addresses of a link in the kernel's order.
#[derive(Default)]
struct Row {
    /// The first address of each subnet.
    firsts: Vec<Ipv4Net>,
    /// The other addresses of all subnets. The kernel lists them after the first ones.
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

    /// Adds an address, if it is not there.
    fn add(&mut self, address: Ipv4Net) {
        if self.all().any(|other| other == address) {
            return;
        }
        let is_new = !self.firsts.iter().any(|first| first.trunc() == address.trunc());
        if is_new { self.firsts.push(address) } else { self.further.push(address) }
    }

    /// Removes an address. Returns whether the next one of its subnet becomes the first.
    fn remove(&mut self, address: Ipv4Net) -> bool {
        self.further.retain(|other| *other != address);
        let Some(at) = self.firsts.iter().position(|other| *other == address) else { return false };
        self.firsts.remove(at);
        let next = self.further.iter().position(|other| other.trunc() == address.trunc());
        self.firsts.extend(next.map(|next| self.further.remove(next)));
        next.is_some()
    }

    /// Moves the first wanted address to the front of the link, and the first of each subnet to the
    /// front of its subnet. Returns the addresses to delete and add again, in order, each with
    /// whether another one becomes the first in between. Addresses that others have added stay.
    fn bring_forward(&mut self, wanted: &[Ipv4Net]) -> Vec<(Ipv4Net, bool)> {
        let mut moved = Vec::new();
        let firsts = wanted.iter().enumerate().filter(|(at, address)| {
            !wanted[..*at].iter().any(|other| other.trunc() == address.trunc())
        });
        for (at, first) in firsts {
            // First to the front of its own subnet. Then only first addresses of other subnets come
            // before it.
            while let Some(other) = self.before(*first, wanted, |it| it.trunc() == first.trunc()) {
                self.move_back(other, &mut moved);
            }
            // Behind somebody else's address in its own subnet, it cannot come before other
            // subnets.
            let comes_first = at == 0 && self.firsts.contains(first);
            while let Some(other) = self.before(*first, wanted, |_| comes_first) {
                self.move_back(other, &mut moved);
            }
        }
        moved
    }

    /// The first wanted address before `address` that `which` accepts.
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

/// Tells the kernel to keep the other addresses of a subnet when its first one is deleted.
fn promote(interface: &Interface) -> Step {
    let key = format!("ipv4/conf/{}/promote_secondaries", interface.name);
    Step::Set { netns: interface.netns.clone(), key, value: "1".to_owned() }
}
