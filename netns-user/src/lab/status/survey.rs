//! The state of each part of a lab's network: whether it exists, is switched on, and is as its
//! topology has it.

use std::collections::{HashMap, HashSet};

use super::part::{Part, PartKind};
use crate::{
    lab::{
        actual_state::ActualState,
        changes::Change,
        resources::{Deviation, Key, Resource},
    },
    net::{Interface, Netns},
    topology::{CableEnd, Far, NamespacePlug, Plug, Topology},
};

/// The queueing disciplines of a lab's links: of those that are on, and of those that are off.
const NO_QUEUES: [&str; 2] = ["noqueue", "noop"];

/// The actual state of a lab, with all that is needed to judge its parts.
pub(super) struct Survey<'a> {
    pub(super) topology: &'a Topology,
    pub(super) actual_state: ActualState,
    /// Names of the lab's namespaces that somebody else's namespaces have now.
    pub(super) foreign: Vec<String>,
    /// The deviations of each resource.
    pub(super) changed: HashMap<Key, Vec<Deviation>>,
    /// The gates of the lab.
    pub(super) gates: HashSet<Interface>,
    /// Interfaces in routers to which the lab's programs are attached.
    pub(super) watched: HashSet<Interface>,
    /// Whether another version of the program has made a datapath.
    pub(super) other_version: bool,
}

impl Survey<'_> {
    /// The part, which only works with a program attached to `interface`.
    fn with_program(&self, part: Part, interface: &Interface) -> Part {
        if part.present && !self.watched.contains(interface) {
            return Part { present: false, detail: "no program attached".into(), ..part };
        }
        part
    }

    /// The interfaces that exist and are switched off.
    fn off<'e>(&self, interfaces: impl IntoIterator<Item = &'e Interface>) -> Vec<String> {
        let is_off =
            |interface: &&Interface| self.actual_state.link(interface).is_some_and(|link| !link.up);
        interfaces.into_iter().filter(is_off).map(ToString::to_string).collect()
    }

    /// The deviations of a resource and of its interfaces.
    fn changed(&self, key: &Key, interfaces: &[&Interface]) -> Vec<Deviation> {
        let own = self.changed.get(key).into_iter().flatten().cloned();
        let links = interfaces
            .iter()
            .filter_map(|interface| Some((*interface, self.actual_state.link(interface)?)));
        let of_links = links.flat_map(|(interface, link)| {
            let closed = self.gates.contains(interface) && link.forwarding == Some(false);
            let closed = closed.then(|| Deviation::new(interface, "forwarding", "off", "on"));
            let queue = link.queue.as_deref().filter(|kind| !NO_QUEUES.contains(kind));
            let queue = queue.map(|kind| Deviation::new(interface, "qdisc", kind, NO_QUEUES[0]));
            let xdp =
                link.xdp.then(|| Deviation::new(interface, "XDP program", "attached", "none"));
            closed.into_iter().chain(queue).chain(xdp)
        });
        own.chain(of_links).collect()
    }

    pub(super) fn namespaces(&self) -> Vec<Part> {
        let part = |name: &String, detail: String| {
            let netns = Netns::named(name);
            let present = self.actual_state.has(&netns);
            let lo = Interface::new(netns, "lo");
            let detail = match self.foreign.contains(name) {
                true => "replaced: another namespace has this name".into(),
                false => detail,
            };
            Part {
                present,
                off: self.off([&lo]),
                changed: self.changed(&Key::Namespace(name.clone()), &[&lo]),
                ..Part::new(PartKind::Namespace, name, detail)
            }
        };
        let routers = self.topology.routers.iter().filter_map(|router| router.namespace.as_ref());
        let routers = routers.map(|name| part(name, "a router".into()));
        let mut seen = HashSet::new();
        let outside = self.topology.outsides().filter(|part| seen.insert(&part.namespace));
        let outside = outside.map(|outside| {
            let answers = outside.answers.iter().map(|answer| format!(", {answer}"));
            let detail = format!("outside, {}{}", outside.address, answers.collect::<String>());
            part(&outside.namespace, detail)
        });
        let inside = self.topology.namespaces.iter().map(|namespace| {
            let detail = namespace.plug.as_ref().map_or(String::new(), |plug| {
                let via = plug.gateway.map_or(String::new(), |via| format!(" via {via}"));
                format!("{}{via}", plug.address)
            });
            part(&namespace.name, detail)
        });
        routers.chain(outside).chain(inside).collect()
    }

    pub(super) fn uplinks_and_bridges(&self) -> Vec<Part> {
        let part = |kind, interface: &Interface, detail: String, interfaces: &[&Interface]| Part {
            present: self.actual_state.link(interface).is_some(),
            off: self.off([interface]),
            changed: self.changed(&Key::Link(interface.clone()), interfaces),
            ..Part::new(kind, &interface.name, detail)
        };
        let uplinks = self.topology.uplinks.iter().map(|uplink| {
            let interface = Interface::new(Netns::of(uplink.router.as_deref()), &uplink.name);
            let address: String =
                uplink.addresses.iter().map(|address| format!("{address}, ")).collect();
            let detail = match &uplink.far {
                Some(Far::Outside(outside)) => {
                    format!("{address}cable to {} in {}", outside.interface, outside.namespace)
                }
                Some(Far::Plug(plug)) => format!("{address}port of {}", plug.bridge),
                None => "of this machine".into(),
            };
            let way = if uplink.redirect_peer { ", redirect_peer" } else { "" };
            let far = uplink.outside().map(|outside| {
                Interface::new(Netns::named(&outside.namespace), &outside.interface)
            });
            // A cable to a bridge is a part of its own; an interface of the machine belongs to
            // somebody else.
            let interfaces: Vec<&Interface> = match &far {
                Some(far) => vec![&interface, far],
                None => Vec::new(),
            };
            let part = part(PartKind::Uplink, &interface, format!("{detail}{way}"), &interfaces);
            match self.topology.has_datapath(uplink.router.as_deref()) {
                true => self.with_program(part, &interface),
                false => part,
            }
        });
        let bridges = self.topology.bridges.iter().map(|bridge| {
            let interface = Interface::new(Netns::of(bridge.router.as_deref()), &bridge.name);
            part(PartKind::Bridge, &interface, bridge.address.to_string(), &[&interface])
        });
        uplinks.chain(bridges).collect()
    }

    /// A cable is present if both its ends are, and each end in a router has its program. A cable
    /// to a bridge must also be plugged in.
    pub(super) fn cables(&self) -> Vec<Part> {
        let ports = self.topology.plugged().map(|(namespace, plug)| {
            let NamespacePlug { bridge, interface, port, .. } = plug;
            let detail = format!("{bridge} to {interface} in {}", namespace.name);
            let far = Interface::new(Netns::named(&namespace.name), interface);
            self.port(bridge, port, &far, detail)
        });
        let uplinks = self.topology.uplinks.iter().filter_map(|uplink| {
            let Plug { bridge, port, .. } = uplink.plug()?;
            let far = Interface::new(Netns::of(uplink.router.as_deref()), &uplink.name);
            Some(self.port(bridge, port, &far, format!("{bridge} to uplink {far}")))
        });
        let direct = self.topology.cables.iter().map(|cable| {
            let interface =
                |side: &CableEnd| Interface::new(Netns::named(&side.namespace), &side.interface);
            let (a, b) = (interface(&cable.a), interface(&cable.b));
            let near = interface(self.topology.near_and_far(cable).0);
            let part = Part {
                present: self.actual_state.link(&a).is_some()
                    && self.actual_state.link(&b).is_some(),
                off: self.off([&a, &b]),
                changed: self.changed(&Key::Link(near), &[&a, &b]),
                ..Part::new(PartKind::Cable, a.to_string(), format!("to {b}"))
            };
            let watched = [&a, &b].into_iter();
            let watched =
                watched.filter(|interface| self.topology.has_datapath(interface.netns.name()));
            watched.fold(part, |part, interface| self.with_program(part, interface))
        });
        ports.chain(uplinks).chain(direct).collect()
    }

    fn port(&self, bridge: &str, port: &str, far: &Interface, detail: String) -> Part {
        let router = self.topology.bridge(bridge).and_then(|bridge| bridge.router.as_deref());
        let netns = Netns::of(router);
        let near = Interface::new(netns.clone(), port);
        let plugged = self
            .actual_state
            .link(&Interface::new(netns, bridge))
            .zip(self.actual_state.link(&near))
            .is_some_and(|(bridge, port)| port.bridge == Some(bridge.index));
        let part = Part {
            present: plugged && self.actual_state.link(far).is_some(),
            off: self.off([&near, far]),
            changed: self.changed(&Key::Link(near.clone()), &[&near, far]),
            ..Part::new(PartKind::Cable, port, detail)
        };
        self.with_program(part, &near)
    }

    /// The missing addresses, routes and files, without those whose interface or namespace is
    /// missing too.
    pub(super) fn missing(&self, resources: &[Resource]) -> Vec<Part> {
        let missing = self.actual_state.missing(resources).into_iter();
        let missing = missing.filter(|resource| match resource {
            Resource::Address { interface, .. } => self.actual_state.link(interface).is_some(),
            Resource::Route { netns, .. } => self.actual_state.has(netns),
            _ => true,
        });
        let parts =
            missing.filter_map(|resource| Some(Part { present: false, ..own_part(resource)? }));
        parts.collect()
    }

    /// The changed addresses, routes and files.
    pub(super) fn changed_in_itself(&self, changes: &[Change]) -> Vec<Part> {
        let parts = changes.iter().filter_map(|Change { resource, .. }| {
            let changed = self.changed.get(&resource.key())?.clone();
            Some(Part { changed, ..own_part(resource)? })
        });
        parts.collect()
    }

    /// Addresses and routes that somebody has added by hand. They stay, and are no fault.
    pub(super) fn added(&self, resources: &[Resource]) -> Vec<Part> {
        let parts = self.actual_state.added(resources).into_iter().filter_map(|resource| {
            let part = own_part(&resource)?;
            Some(Part { detail: format!("{}, added by hand", part.detail), ..part })
        });
        parts.collect()
    }
}

/// The part for a resource that does not belong to another part.
fn own_part(resource: &Resource) -> Option<Part> {
    let kind = match resource {
        Resource::Address { .. } => PartKind::Address,
        Resource::Route { .. } => PartKind::Route,
        Resource::Resolver { .. } => PartKind::Resolver,
        Resource::HostsLink { .. } | Resource::Hosts { .. } => PartKind::Hosts,
        Resource::Namespace { .. } | Resource::Bridge { .. } | Resource::Cable(_) => return None,
    };
    let (_, name, detail) = resource.describe();
    Some(Part::new(kind, name, detail))
}
