//! The changes that lead from the actual resources of a lab to the wanted ones.
//!
//! Pure: this folder compares two lists of resources. It uses `resources`, `step` and the types of
//! `net`.

mod address_order;
mod change;

use std::collections::{HashMap, HashSet};

use ipnet::Ipv4Net;

use super::resources::{CableResource, Key, Resource, addresses::LinkAddresses};
use crate::{
    net::{Interface, Netns},
    step::Step,
};

pub(super) use change::Change;
pub use change::ChangeKind;

/// All changes, in order: first the removals, in reverse order of `actual`, then the rest in the
/// order of `wanted`. A resource that disappears with another one gets no removal of its own. In
/// both lists, parents come before their children. `addresses` are those of the links of `actual`.
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
            let mut steps = links.delete_cables_out(&resource);
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
            // A route that waits until the router is guarded has no steps here.
            None => Some(Change::new(ChangeKind::Add, resource.clone(), resource.create_steps())),
        }
    }));
    let is_new = |interface: &Interface| links.is_deleted(interface, &gone);
    address_order::keep_order(&mut removed, wanted, addresses, is_new);
    removed
}

/// When a bridge is deleted, its ports stay and belong to no bridge.
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

/// Which resources the kernel deletes together.
struct Links {
    /// The bridge or cable that each interface belongs to.
    by_interface: HashMap<Interface, Key>,
    /// The addresses of each namespace and their interfaces, to find the interface of a gateway.
    addresses: HashMap<Netns, Vec<(Interface, Ipv4Net)>>,
    /// Both ends of each cable.
    cables: Vec<(Interface, Interface)>,
}

impl Links {
    fn of(resources: &[Resource]) -> Self {
        let mut links =
            Self { by_interface: HashMap::new(), addresses: HashMap::new(), cables: Vec::new() };
        for resource in resources {
            let key = resource.key();
            match resource {
                Resource::Bridge { interface, .. } => {
                    links.by_interface.insert(interface.clone(), key);
                }
                Resource::Cable(cable) => {
                    links.cables.push((cable.near.clone(), cable.far.clone()));
                    links.by_interface.insert(cable.near.clone(), key.clone());
                    links.by_interface.insert(cable.far.clone(), key);
                }
                Resource::Address { interface, address } => {
                    let addresses = links.addresses.entry(interface.netns.clone()).or_default();
                    addresses.push((interface.clone(), *address));
                }
                Resource::Namespace { .. }
                | Resource::Route { .. }
                | Resource::Resolver { .. }
                | Resource::HostsLink { .. }
                | Resource::Hosts { .. } => {}
            }
        }
        links
    }

    /// The steps that delete the cables from a namespace to others. With the namespace, the kernel
    /// would delete them later in the background, perhaps after their names are needed again, and
    /// never while a process is in the namespace.
    fn delete_cables_out(&self, resource: &Resource) -> Vec<Step> {
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

    /// The resources that take this one with them when they are deleted.
    fn parents(&self, resource: &Resource) -> Vec<Key> {
        let namespace = |netns: &Netns| netns.name().map(|name| Key::Namespace(name.to_owned()));
        let mut parents = Vec::new();
        match resource {
            Resource::Namespace { .. }
            | Resource::Resolver { .. }
            | Resource::HostsLink { .. }
            | Resource::Hosts { .. } => {}
            Resource::Bridge { interface, .. } => parents.extend(namespace(&interface.netns)),
            Resource::Cable(cable) => {
                parents.extend(namespace(&cable.near.netns));
                parents.extend(namespace(&cable.far.netns));
            }
            Resource::Address { interface, .. } => {
                parents.extend(namespace(&interface.netns));
                parents.extend(self.by_interface.get(interface).cloned());
            }
            Resource::Route { netns, route, .. } => {
                parents.extend(namespace(netns));
                if let Some(name) = &route.interface {
                    parents.extend(
                        self.by_interface.get(&Interface::new(netns.clone(), name)).cloned(),
                    );
                }
            }
        }
        parents
    }

    /// Whether a route disappears with the addresses of its link: the kernel deletes it together
    /// with the link's last address.
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

    /// Whether an interface is deleted, by itself or with its namespace.
    fn is_deleted(&self, interface: &Interface, gone: &HashSet<Key>) -> bool {
        let namespace = interface.netns.name().map(|name| Key::Namespace(name.to_owned()));
        namespace.iter().chain(self.by_interface.get(interface)).any(|key| gone.contains(key))
    }
}

#[cfg(test)]
mod tests;
