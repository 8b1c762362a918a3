//! What a lab consists of, piece by piece: namespaces, links, addresses, routes, files. A piece
//! knows the steps that make it, change it and take it away; its datapath is not among them.

mod of_topology;
mod settings;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, slice};

use ipnet::Ipv4Net;

pub(super) use of_topology::pieces;
pub use settings::Deviation;
pub(super) use settings::{LinkSettings, Mending};

use super::gates;
use crate::{
    net::sysctl,
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
        /// Whether its loopback interface is on: always wanted.
        lo_up: bool,
        /// Whether IPv6 is on: never wanted.
        ipv6: bool,
    },
    Bridge {
        end: End,
        settings: LinkSettings,
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
    /// Of the near and of the far end.
    pub(super) settings: [LinkSettings; 2],
    /// The bridge that the near end is a port of.
    pub(super) bridge: Option<String>,
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
        Self { near: end.clone(), far, bridge: None, ..self.clone() }
    }

    fn is_broken(&self) -> bool {
        self.far.interface.is_empty()
    }

    /// The near end that is to be a port of another bridge, or of none.
    fn plugged_into(&self, wanted: &Self) -> Option<Mending> {
        if self.bridge == wanted.bridge {
            return None;
        }
        let end = wanted.near.clone();
        let word = |bridge: &Option<String>| bridge.clone().unwrap_or_else(|| "none".to_owned());
        let deviation = Deviation::new(&end, "bridge", word(&self.bridge), word(&wanted.bridge));
        let step = match &wanted.bridge {
            Some(bridge) => Step::Attach { end, bridge: bridge.clone() },
            None => Step::Detach { end },
        };
        Some((deviation, vec![step]))
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

    /// Several topologies may ask for an MTU of a bridge. When the last one asks for none, an older
    /// one may have to be taken back.
    pub(super) fn take_up_mtu(&mut self, older: &Self) {
        if let (Self::Bridge { settings, .. }, Self::Bridge { settings: older, .. }) = (self, older)
        {
            settings.mtu = settings.mtu.or(older.mtu);
        }
    }

    /// Its kind, its name and what there is to say of it, for a person.
    pub(super) fn words(&self) -> (&'static str, String, String) {
        let mtu = |settings: &LinkSettings| settings.special_mtu().map(|mtu| format!("mtu {mtu}"));
        match self {
            Self::Namespace { name, forwarding, .. } => {
                let detail = if *forwarding { "forwards packets" } else { "" };
                ("namespace", name.clone(), detail.to_owned())
            }
            Self::Bridge { end, settings } => {
                ("bridge", end.to_string(), mtu(settings).unwrap_or_default())
            }
            Self::Cable(cable) => {
                let bridge = cable.bridge.as_ref().map(|bridge| format!("port of {bridge}"));
                let detail: Vec<String> =
                    bridge.into_iter().chain(mtu(&cable.settings[1])).collect();
                let ends = if cable.is_broken() {
                    format!("{} - nothing", cable.near)
                } else {
                    format!("{} - {}", cable.near, cable.far)
                };
                ("cable", ends, detail.join(", "))
            }
            Self::Address { end, address } => ("address", address.to_string(), format!("on {end}")),
            Self::Route { place, route, .. } => {
                let name = format!("{} {}", route_to(route), way(route));
                ("route", name, format!("in {place}"))
            }
            Self::Resolver { namespace, servers } => {
                ("name servers", listed(servers), format!("of namespace \"{namespace}\""))
            }
        }
    }

    /// The steps that make it.
    pub(super) fn make(&self) -> Vec<Step> {
        match self.clone() {
            Self::Namespace { name, forwarding, lo_up, .. } => {
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
                steps.push(Step::SetLink { end, up: lo_up });
                steps
            }
            Self::Bridge { end, settings: LinkSettings { mac, mtu, up, .. } } => {
                let closed = gates::step(&end, false);
                let silent = without_ipv6(&end);
                let add = Step::AddBridge { end, mac, mtu, up };
                [add, closed].into_iter().chain(silent).collect()
            }
            Self::Cable(CablePiece { near, far, settings, bridge, gates, waits }) => {
                let [LinkSettings { up, .. }, far_settings] = settings;
                let (mac, mtu) = (far_settings.mac, far_settings.special_mtu());
                let end = far.clone();
                let closed = gates.iter().map(|end| gates::step(end, false));
                let settings: Vec<_> = closed.chain(without_ipv6(&near)).collect();
                let add = Step::AddCable { near, far, mac, mtu, bridge, up };
                // Nothing comes in by either end before the far one is switched on.
                let on = (!waits).then_some(Step::SetLink { end, up: far_settings.up });
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

    /// What of this piece, as it is, differs from the one that is wanted, which has the same key,
    /// and the steps that make it that one. `None` when it must be taken away and made anew.
    pub(super) fn mendings(&self, wanted: &Self) -> Option<Vec<Mending>> {
        let mut mendings = Vec::new();
        match (self, wanted) {
            (
                Self::Namespace { forwarding: forwards, lo_up: was_up, ipv6: has_ipv6, .. },
                Self::Namespace { name, forwarding, lo_up, ipv6 },
            ) => {
                let place = Place::namespace(name);
                if forwards != forwarding {
                    mendings.push(settings::forwarding(name, *forwarding));
                }
                if has_ipv6 != ipv6 {
                    mendings.push(settings::ipv6(&place, "all", &place, *ipv6));
                }
                if was_up != lo_up {
                    mendings.push(settings::switched(&End::new(place, "lo"), *lo_up));
                }
            }
            (Self::Bridge { settings: is, .. }, Self::Bridge { end, settings }) => {
                mendings.extend(is.mendings(settings, end));
            }
            (Self::Cable(is), Self::Cable(wanted)) if is.far == wanted.far => {
                let ends = [&wanted.near, &wanted.far].into_iter();
                let settings = is.settings.iter().zip(&wanted.settings);
                for (end, (is, wanted)) in ends.zip(settings) {
                    mendings.extend(is.mendings(wanted, end));
                }
                mendings.extend(is.plugged_into(wanted));
            }
            (Self::Route { place, route: is, .. }, Self::Route { route, .. }) if is != route => {
                let steps = vec![
                    Step::DeleteRoute { place: place.clone(), route: is.clone() },
                    Step::AddRoute { place: place.clone(), route: route.clone() },
                ];
                let (to, ways) = (route_to(route), [way(is), way(route)]);
                let [is, wanted] = ways;
                mendings.push((Deviation::new(place, format!("route to {to}"), is, wanted), steps));
            }
            (Self::Resolver { servers: is, .. }, Self::Resolver { namespace, servers }) => {
                if is != servers {
                    let step = Step::SetResolver {
                        namespace: namespace.clone(),
                        servers: servers.clone(),
                    };
                    let of = Place::namespace(namespace);
                    let deviation = Deviation::new(of, "name servers", listed(is), listed(servers));
                    mendings.push((deviation, vec![step]));
                }
            }
            (Self::Address { .. }, Self::Address { .. })
            | (Self::Route { .. }, Self::Route { .. }) => {}
            _ => return None,
        }
        Some(mendings)
    }
}

fn route_to(route: &Route) -> String {
    if route.to.prefix_len() == 0 { "default".to_owned() } else { route.to.to_string() }
}

/// The way that a route leads.
fn way(route: &Route) -> String {
    let via = route.via.map(|via| format!("via {via}"));
    let out = route.interface.as_ref().map(|name| format!("out of {name}"));
    let words: Vec<String> = via.into_iter().chain(out).collect();
    // One that is to be by a link may be by another kind of route.
    if words.is_empty() { "another".to_owned() } else { words.join(" ") }
}

fn listed(servers: &[Ipv4Addr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// On the machine IPv6 is on for new links; in a namespace of the lab it is off for all. No
/// namespace may tell the machine by it where to route.
fn without_ipv6(end: &End) -> Option<Step> {
    let key = format!("ipv6/conf/{}/disable_ipv6", end.interface);
    let step = Step::Set { place: end.place.clone(), key, value: "1".to_owned() };
    (end.place == Place::Machine).then_some(step)
}
