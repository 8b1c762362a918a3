//! The changes that lead from the actual resources of a lab to the wanted ones.
//!
//! Pure: it compares two lists of resources and knows nothing else.

mod address_order;

use std::collections::{HashMap, HashSet};

use ipnet::Ipv4Net;

use serde::Serialize;

use super::resources::{CableResource, Deviation, Key, Resource, addresses::LinkAddresses};
use crate::{
    net::{Interface, Netns},
    step::Step,
};

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Add,
    Change,
    Remove,
}

/// A piece that is to be added, changed or removed, with the steps that do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    /// As it is to be; when it is removed, as it is.
    pub(super) resource: Resource,
    pub(super) steps: Vec<Step>,
    /// What of it is to be changed.
    pub(super) deviations: Vec<Deviation>,
}

impl Change {
    fn new(kind: ChangeKind, resource: Resource, steps: Vec<Step>) -> Self {
        Self { kind, resource, steps, deviations: Vec::new() }
    }

    /// From a piece as it is to the one that is wanted, if they differ.
    fn changing(is: &Resource, wanted: &Resource) -> Option<Self> {
        let (deviations, steps): (Vec<_>, Vec<_>) = is.corrections(wanted)?.into_iter().unzip();
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let change = Self { deviations, ..Self::new(ChangeKind::Change, wanted.clone(), steps) };
        (!change.steps.is_empty()).then_some(change)
    }
}

/// What is to be done, in order: removals first, the last made first, then the rest in the
/// order of `wanted`. What goes with something else is not removed by itself. Both lists have
/// parents before their children. `addresses` are those that the links of `actual` have.
pub(super) fn diff(
    actual: &[Resource],
    wanted: &[Resource],
    addresses: &LinkAddresses,
) -> Vec<Change> {
    let wanted_by_key: HashMap<Key, &Resource> =
        wanted.iter().map(|resource| (resource.key(), resource)).collect();
    let links = Links::of(actual);
    let mut gone: HashSet<Key> = HashSet::new();
    let mut removed = Vec::new();
    for resource in actual {
        let key = resource.key();
        if links.parents(resource).iter().any(|parent| gone.contains(parent))
            || links.is_cut_off(resource, &gone, addresses)
        {
            gone.insert(key);
            continue;
        }
        let stays =
            wanted_by_key.get(&key).is_some_and(|wanted| resource.corrections(wanted).is_some());
        if !stays {
            gone.insert(key);
            let resource = resource.clone();
            let mut steps = links.leading_out(&resource);
            steps.extend(resource.delete_steps());
            removed.push(Change::new(ChangeKind::Remove, resource, steps));
        }
    }
    let mut kept: HashMap<Key, Resource> = actual
        .iter()
        .filter(|resource| !gone.contains(&resource.key()))
        .map(|resource| (resource.key(), resource.clone()))
        .collect();
    unplug(&mut kept, &gone);
    removed.reverse();
    removed.extend(wanted.iter().filter_map(|resource| {
        match kept.get(&resource.key()) {
            Some(is) => Change::changing(is, resource),
            // A route that waits is added later, without steps here.
            None => Some(Change::new(ChangeKind::Add, resource.clone(), resource.make())),
        }
    }));
    let is_new = |interface: &Interface| links.goes(interface, &gone);
    address_order::keep_order(&mut removed, wanted, addresses, is_new);
    removed
}

/// The ports of a bridge that goes stay, but are ports of nothing.
fn unplug(kept: &mut HashMap<Key, Resource>, gone: &HashSet<Key>) {
    for resource in kept.values_mut() {
        if let Resource::Cable(CableResource { near, bridge, .. }) = resource {
            let interface = |name: &String| Interface::new(near.netns.clone(), name);
            if bridge.as_ref().is_some_and(|name| gone.contains(&Key::Link(interface(name)))) {
                *bridge = None;
            }
        }
    }
}

/// Who goes with whom.
struct Links {
    /// The key of the bridge or cable that an end belongs to.
    by_end: HashMap<Interface, Key>,
    /// The addresses of each place with their links, for routes by a gateway.
    addresses: HashMap<Netns, Vec<(Interface, Ipv4Net)>>,
    /// Both ends of each cable between two places.
    cables: Vec<(Interface, Interface)>,
}

impl Links {
    fn of(resources: &[Resource]) -> Self {
        let mut links =
            Self { by_end: HashMap::new(), addresses: HashMap::new(), cables: Vec::new() };
        for resource in resources {
            let key = resource.key();
            match resource {
                Resource::Bridge { interface, .. } => {
                    links.by_end.insert(interface.clone(), key);
                }
                Resource::Cable(cable) => {
                    links.cables.push((cable.near.clone(), cable.far.clone()));
                    links.by_end.insert(cable.near.clone(), key.clone());
                    links.by_end.insert(cable.far.clone(), key);
                }
                Resource::Address { interface, address } => {
                    let addresses = links.addresses.entry(interface.netns.clone()).or_default();
                    addresses.push((interface.clone(), *address));
                }
                Resource::Namespace { .. } | Resource::Route { .. } | Resource::Resolver { .. } => {
                }
            }
        }
        links
    }

    /// The steps that take a namespace's cables to elsewhere away. The kernel would do it in the
    /// background, later than their names may be wanted again, and never while a process is in
    /// the namespace.
    fn leading_out(&self, resource: &Resource) -> Vec<Step> {
        let Resource::Namespace { name, .. } = resource else { return Vec::new() };
        let here = Netns::named(name);
        let interfaces = self.cables.iter().filter_map(|(near, far)| {
            let is_here = (near.netns == here, far.netns == here);
            match is_here {
                (false, true) => Some(near),
                (true, false) if !far.name.is_empty() => Some(far),
                _ => None,
            }
        });
        interfaces.map(|interface| Step::DeleteLink { interface: interface.clone() }).collect()
    }

    /// The pieces with which this one goes.
    fn parents(&self, resource: &Resource) -> Vec<Key> {
        let namespace = |netns: &Netns| netns.name().map(|name| Key::Namespace(name.to_owned()));
        let mut parents = Vec::new();
        match resource {
            Resource::Namespace { .. } | Resource::Resolver { .. } => {}
            Resource::Bridge { interface, .. } => parents.extend(namespace(&interface.netns)),
            Resource::Cable(cable) => {
                parents.extend(namespace(&cable.near.netns));
                parents.extend(namespace(&cable.far.netns));
            }
            Resource::Address { interface, .. } => {
                parents.extend(namespace(&interface.netns));
                parents.extend(self.by_end.get(interface).cloned());
            }
            Resource::Route { netns, route, .. } => {
                parents.extend(namespace(netns));
                if let Some(name) = &route.interface {
                    parents.extend(self.by_end.get(&Interface::new(netns.clone(), name)).cloned());
                }
            }
        }
        parents
    }

    /// Whether it is a route whose link loses all its addresses: the kernel drops a route with the
    /// last address of its link, and not before.
    fn is_cut_off(
        &self,
        resource: &Resource,
        gone: &HashSet<Key>,
        addresses: &LinkAddresses,
    ) -> bool {
        let Resource::Route { netns, route, .. } = resource else { return false };
        let Some(via) = route.via else { return false };
        let known = self.addresses.get(netns).into_iter().flatten();
        let mut interfaces =
            known.filter(|(_, net)| net.contains(&via)).map(|(interface, _)| interface);
        interfaces.any(|interface| {
            let mut all = addresses.of(interface).iter();
            all.all(|address| gone.contains(&Key::Address(interface.clone(), *address)))
        })
    }

    /// Whether a link goes, by itself or with its namespace.
    fn goes(&self, interface: &Interface, gone: &HashSet<Key>) -> bool {
        let namespace = interface.netns.name().map(|name| Key::Namespace(name.to_owned()));
        namespace.iter().chain(self.by_end.get(interface)).any(|key| gone.contains(key))
    }
}

#[cfg(test)]
mod tests;
