//! Whether each part of a lab's network is there, switched on, and as its topology has it.

use std::collections::{HashMap, HashSet};

use super::{Part, PartKind};
use crate::{
    lab::{
        diff::Difference,
        pieces::{Deviation, Key, Piece},
        world::World,
    },
    step::{End, Place},
    topology::{CableEnd, Far, NamespacePlug, Plug, Topology},
};

/// What links of a lab have for a queueing discipline: none, and while they are off.
const NO_QUEUES: [&str; 2] = ["noqueue", "noop"];

/// What the kernel has in the places where a lab's parts should be.
pub(super) struct Survey<'a> {
    pub(super) topology: &'a Topology,
    pub(super) world: World,
    /// Names of the lab's that namespaces of others bear.
    pub(super) strangers: Vec<String>,
    /// What is changed of each piece.
    pub(super) changed: HashMap<Key, Vec<Deviation>>,
    /// The links from which the lab's routers forward.
    pub(super) gates: HashSet<End>,
    /// Interfaces in routers that the lab's programs hang on.
    pub(super) watched: HashSet<End>,
    /// Whether another version of the program has made a datapath.
    pub(super) other_version: bool,
}

impl Survey<'_> {
    /// A part that is there only works with the programs on it.
    fn with_program(&self, part: Part, end: &End) -> Part {
        if part.present && !self.watched.contains(end) {
            return Part { present: false, detail: "no program attached".into(), ..part };
        }
        part
    }

    /// Those of the ends that are there and switched off.
    fn off<'e>(&self, ends: impl IntoIterator<Item = &'e End>) -> Vec<String> {
        let is_off = |end: &&End| self.world.link(end).is_some_and(|link| !link.up);
        ends.into_iter().filter(is_off).map(ToString::to_string).collect()
    }

    /// What is changed of a piece and of its interfaces.
    fn changed(&self, key: &Key, ends: &[&End]) -> Vec<Deviation> {
        let own = self.changed.get(key).into_iter().flatten().cloned();
        let links = ends.iter().filter_map(|end| Some((*end, self.world.link(end)?)));
        let of_links = links.flat_map(|(end, link)| {
            let closed = self.gates.contains(end) && link.forwarding == Some(false);
            let closed = closed.then(|| Deviation::new(end, "forwarding", "off", "on"));
            let queue = link.queue.as_deref().filter(|kind| !NO_QUEUES.contains(kind));
            let queue = queue.map(|kind| Deviation::new(end, "qdisc", kind, NO_QUEUES[0]));
            let xdp = link.xdp.then(|| Deviation::new(end, "XDP program", "attached", "none"));
            closed.into_iter().chain(queue).chain(xdp)
        });
        own.chain(of_links).collect()
    }

    pub(super) fn namespaces(&self) -> Vec<Part> {
        let part = |name: &String, detail: String| {
            let place = Place::namespace(name);
            let present = self.world.has(&place);
            let lo = End::new(place, "lo");
            let detail = match self.strangers.contains(name) {
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
        let part = |kind, end: &End, detail: String, ends: &[&End]| Part {
            present: self.world.link(end).is_some(),
            off: self.off([end]),
            changed: self.changed(&Key::Link(end.clone()), ends),
            ..Part::new(kind, &end.interface, detail)
        };
        let uplinks = self.topology.uplinks.iter().map(|uplink| {
            let end = End::new(Place::of(uplink.router.as_deref()), &uplink.name);
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
            let far = uplink
                .outside()
                .map(|outside| End::new(Place::namespace(&outside.namespace), &outside.interface));
            // Where its cable is plugged in, that is a part of its own; and one of the machine's is
            // somebody else's.
            let ends: Vec<&End> = match &far {
                Some(far) => vec![&end, far],
                None => Vec::new(),
            };
            let part = part(PartKind::Uplink, &end, format!("{detail}{way}"), &ends);
            match self.topology.has_datapath(uplink.router.as_deref()) {
                true => self.with_program(part, &end),
                false => part,
            }
        });
        let bridges = self.topology.bridges.iter().map(|bridge| {
            let end = End::new(Place::of(bridge.router.as_deref()), &bridge.name);
            part(PartKind::Bridge, &end, bridge.address.to_string(), &[&end])
        });
        uplinks.chain(bridges).collect()
    }

    /// A cable is present when both its ends are, and each end in a router has its program. A
    /// cable to a bridge must also be plugged in.
    pub(super) fn cables(&self) -> Vec<Part> {
        let ports = self.topology.plugged().map(|(namespace, plug)| {
            let NamespacePlug { bridge, interface, port, .. } = plug;
            let detail = format!("{bridge} to {interface} in {}", namespace.name);
            let far = End::new(Place::namespace(&namespace.name), interface);
            self.port(bridge, port, &far, detail)
        });
        let uplinks = self.topology.uplinks.iter().filter_map(|uplink| {
            let Plug { bridge, port, .. } = uplink.plug()?;
            let far = End::new(Place::of(uplink.router.as_deref()), &uplink.name);
            Some(self.port(bridge, port, &far, format!("{bridge} to uplink {far}")))
        });
        let direct = self.topology.cables.iter().map(|cable| {
            let end = |end: &CableEnd| End::new(Place::namespace(&end.namespace), &end.interface);
            let (a, b) = (end(&cable.a), end(&cable.b));
            let near = end(self.topology.near_and_far(cable).0);
            let part = Part {
                present: self.world.link(&a).is_some() && self.world.link(&b).is_some(),
                off: self.off([&a, &b]),
                changed: self.changed(&Key::Link(near), &[&a, &b]),
                ..Part::new(PartKind::Cable, a.to_string(), format!("to {b}"))
            };
            let watched = [&a, &b].into_iter();
            let watched = watched.filter(|end| self.topology.has_datapath(end.place.name()));
            watched.fold(part, |part, end| self.with_program(part, end))
        });
        ports.chain(uplinks).chain(direct).collect()
    }

    fn port(&self, bridge: &str, port: &str, far: &End, detail: String) -> Part {
        let router = self.topology.bridge(bridge).and_then(|bridge| bridge.router.as_deref());
        let place = Place::of(router);
        let near = End::new(place.clone(), port);
        let plugged = self
            .world
            .link(&End::new(place, bridge))
            .zip(self.world.link(&near))
            .is_some_and(|(bridge, port)| port.bridge == Some(bridge.index));
        let part = Part {
            present: plugged && self.world.link(far).is_some(),
            off: self.off([&near, far]),
            changed: self.changed(&Key::Link(near.clone()), &[&near, far]),
            ..Part::new(PartKind::Cable, port, detail)
        };
        self.with_program(part, &near)
    }

    /// Addresses, routes and files are only told of when they are missing, and not for lack of
    /// what they are on.
    pub(super) fn missing(&self, pieces: &[Piece]) -> Vec<Part> {
        let missing = self.world.missing(pieces).into_iter();
        let missing = missing.filter(|piece| match piece {
            Piece::Address { end, .. } => self.world.link(end).is_some(),
            Piece::Route { place, .. } => self.world.has(place),
            _ => true,
        });
        let parts = missing.filter_map(|piece| Some(Part { present: false, ..own_part(piece)? }));
        parts.collect()
    }

    /// And when they are changed.
    pub(super) fn changed_in_itself(&self, differences: &[Difference]) -> Vec<Part> {
        let parts = differences.iter().filter_map(|Difference { piece, .. }| {
            let changed = self.changed.get(&piece.key())?.clone();
            Some(Part { changed, ..own_part(piece)? })
        });
        parts.collect()
    }

    /// What somebody has added by hand. It stays, and is no fault.
    pub(super) fn added(&self, pieces: &[Piece]) -> Vec<Part> {
        let parts = self.world.added(pieces).into_iter().filter_map(|piece| {
            let part = own_part(&piece)?;
            Some(Part { detail: format!("{}, added by hand", part.detail), ..part })
        });
        parts.collect()
    }
}

/// The part that a piece is which is no part of another.
fn own_part(piece: &Piece) -> Option<Part> {
    let kind = match piece {
        Piece::Address { .. } => PartKind::Address,
        Piece::Route { .. } => PartKind::Route,
        Piece::Resolver { .. } => PartKind::Resolver,
        Piece::Namespace { .. } | Piece::Bridge { .. } | Piece::Cable(_) => return None,
    };
    let (_, name, detail) = piece.words();
    Some(Part::new(kind, name, detail))
}
