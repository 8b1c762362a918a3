//! What a lab consists of, piece by piece: namespaces, links, addresses, routes, files. A piece
//! knows the steps that make it, change it and take it away; its datapath is not among them.

mod of_topology;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, slice};

use ipnet::Ipv4Net;

pub(super) use of_topology::pieces;

use super::gates;
use crate::{
    net::{ETHERNET_MTU, Mac, sysctl},
    step::{End, Place, Step},
    topology::Route,
};

/// A part of a lab, with all that is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Namespace {
        name: String,
        /// Whether it forwards packets between its links.
        forwarding: bool,
    },
    Bridge {
        end: End,
        mac: Mac,
        /// `None`: whatever it is.
        mtu: Option<u32>,
        /// Always wanted.
        up: bool,
    },
    Cable(CablePiece),
    Address {
        end: End,
        address: Ipv4Net,
    },
    Route {
        place: Place,
        route: Route,
        /// Whether it leads out of a link that is switched on only once the router is guarded: before
        /// that the kernel takes no route.
        waits: bool,
    },
    Resolver {
        namespace: String,
        servers: Vec<Ipv4Addr>,
    },
}

/// A cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CablePiece {
    pub(super) near: End,
    pub(super) far: End,
    /// The far end's Ethernet address.
    pub(super) mac: Mac,
    /// The bridge that the near end is a port of.
    pub(super) bridge: Option<String>,
    /// `None`: whatever it is.
    pub(super) mtu: Option<u32>,
    /// Whether both ends are switched on: always wanted.
    pub(super) up: bool,
    /// The ends from which a router forwards once they are guarded.
    pub(super) gates: Vec<End>,
    /// Whether the far end is switched on only then: a network outside, to which the router's own
    /// stack would answer.
    pub(super) waits: bool,
}

/// What a piece is, whatever is asked of it. There can be one of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Namespace(String),
    /// A bridge, or the near end of a cable.
    Link(End),
    Address(End, Ipv4Net),
    Route(Place, Ipv4Net, u32),
    Resolver(String),
}

impl CablePiece {
    /// What is left of this cable at `end`, without its other end.
    pub(super) fn broken(&self, end: &End) -> Self {
        let far = End::new(Place::Machine, "");
        Self { near: end.clone(), far, bridge: None, mtu: None, ..self.clone() }
    }

    fn is_broken(&self) -> bool {
        self.far.interface.is_empty()
    }
}

impl Piece {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Namespace { name, .. } => Key::Namespace(name.clone()),
            Self::Bridge { end, .. } | Self::Cable(CablePiece { near: end, .. }) => {
                Key::Link(end.clone())
            }
            Self::Address { end, address } => Key::Address(end.clone(), *address),
            Self::Route { place, route, .. } => Key::Route(place.clone(), route.to, route.metric),
            Self::Resolver { namespace, .. } => Key::Resolver(namespace.clone()),
        }
    }

    /// Where it is, of an address or a route: what a person may have added by hand, to be
    /// taken over when the topology wants it.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Address { end, .. } => Some(&end.place),
            Self::Route { place, .. } => Some(place),
            _ => None,
        }
    }

    /// The links that it is.
    pub(super) fn ends(&self) -> impl Iterator<Item = &End> {
        let (one, other) = match self {
            Self::Bridge { end, .. } => (Some(end), None),
            Self::Cable(cable) => {
                (Some(&cable.near), Some(&cable.far).filter(|_| !cable.is_broken()))
            }
            _ => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// Wishes for an MTU are many, and whoever looks at the piece has to heed all: when the
    /// last one has none, there may be an older one to take back.
    pub(super) fn take_up_mtu(&mut self, older: &Self) {
        let (Self::Bridge { mtu, .. } | Self::Cable(CablePiece { mtu, .. })) = self else { return };
        if let Self::Bridge { mtu: older, .. } | Self::Cable(CablePiece { mtu: older, .. }) = older
        {
            *mtu = mtu.or(*older);
        }
    }

    /// Its kind, its name and what there is to say of it, for a person.
    pub(super) fn words(&self) -> (&'static str, String, String) {
        let mtu = |mtu: &Option<u32>| mtu.map_or(String::new(), |mtu| format!("mtu {mtu}"));
        match self {
            Self::Namespace { name, forwarding } => {
                let detail = if *forwarding { "forwards packets" } else { "" };
                ("namespace", name.clone(), detail.to_owned())
            }
            Self::Bridge { end, mtu: size, .. } => ("bridge", end.to_string(), mtu(size)),
            Self::Cable(cable) => {
                let bridge = cable.bridge.as_ref().map(|bridge| format!("port of {bridge}"));
                let detail: Vec<String> =
                    bridge.into_iter().chain(cable.mtu.map(|mtu| format!("mtu {mtu}"))).collect();
                let ends = if cable.is_broken() {
                    format!("{} - nothing", cable.near)
                } else {
                    format!("{} - {}", cable.near, cable.far)
                };
                ("cable", ends, detail.join(", "))
            }
            Self::Address { end, address } => ("address", address.to_string(), format!("on {end}")),
            Self::Route { place, route, .. } => {
                let to = if route.to.prefix_len() == 0 {
                    "default".to_owned()
                } else {
                    route.to.to_string()
                };
                let via = route.via.map(|via| format!("via {via}"));
                let out = route.interface.as_ref().map(|name| format!("out of {name}"));
                let words: Vec<String> = via.into_iter().chain(out).collect();
                ("route", format!("{to} {}", words.join(" ")), format!("in {place}"))
            }
            Self::Resolver { namespace, servers } => {
                let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
                ("name servers", servers.join(", "), format!("of namespace \"{namespace}\""))
            }
        }
    }

    /// The steps that make it.
    pub(super) fn make(&self) -> Vec<Step> {
        match self.clone() {
            Self::Namespace { name, forwarding } => {
                let place = Place::Namespace(name.clone());
                let set = |key: &str, value: &str| Step::Set {
                    place: place.clone(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                };
                let mut steps = vec![Step::AddNamespace { name }];
                // The translation is for IPv4, and without IPv6 a link is made three times as
                // fast. First, so that no link sees it.
                steps.push(set(sysctl::IPV6_OFF, "1"));
                steps.extend(forwarding.then(|| set(sysctl::IP_FORWARD, "1")));
                let end = End { place: place.clone(), interface: "lo".to_owned() };
                steps.push(Step::SetLink { end, up: true });
                steps
            }
            Self::Bridge { end, mac, mtu, up } => {
                let closed = gates::step(&end, false);
                let silent = without_ipv6(&end);
                let add = Step::AddBridge { end, mac: Some(mac), mtu, up };
                [add, closed].into_iter().chain(silent).collect()
            }
            Self::Cable(CablePiece { near, far, mac, bridge, mtu, up, gates, waits }) => {
                let end = far.clone();
                let closed = gates.iter().map(|end| gates::step(end, false));
                let settings: Vec<_> = closed.chain(without_ipv6(&near)).collect();
                let add = Step::AddCable { near, far, mac: Some(mac), mtu, bridge, up };
                // Nothing comes in by either end before the far one is switched on.
                let on = (!waits).then_some(Step::SetLink { end, up });
                [add].into_iter().chain(settings).chain(on).collect()
            }
            Self::Address { end, address } => vec![Step::AddAddress { end, address }],
            // The kernel has no routes out of a link that is switched off.
            Self::Route { waits: true, .. } => Vec::new(),
            Self::Route { place, route, .. } => vec![Step::AddRoute { place, route }],
            Self::Resolver { namespace, servers } => {
                vec![Step::SetResolver { namespace, servers }]
            }
        }
    }

    /// The far end of a cable that waits until the router is guarded.
    pub(super) fn guarded_far_end(&self) -> Option<&End> {
        match self {
            Self::Cable(CablePiece { far, waits: true, .. }) => Some(far),
            _ => None,
        }
    }

    /// The step that adds a route which waits until the router is guarded.
    pub(super) fn late_route(&self) -> Option<Step> {
        match self {
            Self::Route { place, route, waits: true } => {
                Some(Step::AddRoute { place: place.clone(), route: route.clone() })
            }
            _ => None,
        }
    }

    /// The steps that follow once the router's datapath is there.
    pub(super) fn make_when_guarded(&self) -> Vec<Step> {
        let gates = match self {
            Self::Bridge { end, .. } => slice::from_ref(end),
            Self::Cable(CablePiece { gates, .. }) => gates,
            _ => &[],
        };
        let opened = gates.iter().map(|end| gates::step(end, true));
        let on = |end: &End| Step::SetLink { end: end.clone(), up: true };
        opened.chain(self.guarded_far_end().map(on)).chain(self.late_route()).collect()
    }

    /// The steps that take it away, and all that hangs on it.
    pub(super) fn take_away(&self) -> Vec<Step> {
        vec![match self.clone() {
            Self::Namespace { name, .. } => Step::DeleteNamespace { name },
            Self::Bridge { end, .. } | Self::Cable(CablePiece { near: end, .. }) => {
                Step::DeleteLink { end }
            }
            Self::Address { end, address } => Step::DeleteAddress { end, address },
            Self::Route { place, route, .. } => Step::DeleteRoute { place, route },
            Self::Resolver { namespace, .. } => Step::DeleteResolver { namespace },
        }]
    }

    /// The steps that make of this piece, as it is, the one that is wanted, which has the same
    /// key. `None` when it must be taken away and made anew.
    pub(super) fn change_to(&self, wanted: &Self) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        match (self, wanted) {
            (Self::Namespace { forwarding: is, .. }, Self::Namespace { name, forwarding }) => {
                if is != forwarding {
                    steps.push(Step::Set {
                        place: Place::namespace(name),
                        key: sysctl::IP_FORWARD.to_owned(),
                        value: u8::from(*forwarding).to_string(),
                    });
                }
            }
            (Self::Bridge { mtu: is, up: was_up, .. }, Self::Bridge { end, mtu, up, .. }) => {
                steps.extend(new_mtu(*is, *mtu, end));
                if was_up != up {
                    steps.push(Step::SetLink { end: end.clone(), up: *up });
                }
            }
            (Self::Cable(is), Self::Cable(wanted)) if is.far == wanted.far => {
                for end in [&wanted.near, &wanted.far] {
                    steps.extend(new_mtu(is.mtu, wanted.mtu, end));
                    if is.up != wanted.up {
                        steps.push(Step::SetLink { end: end.clone(), up: wanted.up });
                    }
                }
                let end = wanted.near.clone();
                match &wanted.bridge {
                    Some(bridge) if is.bridge != wanted.bridge => {
                        steps.push(Step::Attach { end, bridge: bridge.clone() });
                    }
                    None if is.bridge.is_some() => steps.push(Step::Detach { end }),
                    _ => {}
                }
            }
            (Self::Route { place, route: is, .. }, Self::Route { route, .. }) if is != route => {
                steps.push(Step::DeleteRoute { place: place.clone(), route: is.clone() });
                steps.push(Step::AddRoute { place: place.clone(), route: route.clone() });
            }
            (Self::Resolver { servers: is, .. }, Self::Resolver { namespace, servers }) => {
                if is != servers {
                    let (namespace, servers) = (namespace.clone(), servers.clone());
                    steps.push(Step::SetResolver { namespace, servers });
                }
            }
            (Self::Address { .. }, Self::Address { .. })
            | (Self::Route { .. }, Self::Route { .. }) => {}
            _ => return None,
        }
        Some(steps)
    }
}

/// On the machine IPv6 is on for new links; in a namespace of the lab it is off for all. No
/// namespace may tell the machine by it where to route.
fn without_ipv6(end: &End) -> Option<Step> {
    let key = format!("ipv6/conf/{}/disable_ipv6", end.interface);
    let step = Step::Set { place: end.place.clone(), key, value: "1".to_owned() };
    (end.place == Place::Machine).then_some(step)
}

/// Without a wish a link keeps what it has; a wish that is taken back leaves the default.
fn new_mtu(is: Option<u32>, wanted: Option<u32>, end: &End) -> Option<Step> {
    let mtu = wanted.unwrap_or(ETHERNET_MTU);
    (is != wanted).then(|| Step::SetMtu { end: end.clone(), mtu })
}
