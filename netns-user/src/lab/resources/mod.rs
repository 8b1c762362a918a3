//! The resources that a lab consists of: namespaces, links, addresses, routes, files; the datapath
//! is not among them.
//!
//! A resource knows the steps that make it, change it and delete it. Pure: this folder uses only
//! the topology and the types of `net` and `step`.

pub(super) mod addresses;
pub(super) mod gates;
mod hosts;
mod of_topology;
mod settings;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, slice};

use ipnet::Ipv4Net;

pub(super) use of_topology::{machine_interfaces, resources};
pub use settings::Deviation;
pub(super) use settings::{Correction, LinkSettings};

use crate::{
    net::{HostEntry, Interface, Netns, sysctl},
    step::Step,
    topology::Route,
};

/// A resource of a lab, with the settings that the lab asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Namespace {
        name: String,
        /// Whether it forwards packets between its links.
        forwarding: bool,
        /// Whether its loopback interface is on; this is always wanted.
        lo_up: bool,
        /// Whether IPv6 is on; this is never wanted.
        ipv6: bool,
    },
    Bridge {
        interface: Interface,
        settings: LinkSettings,
    },
    Cable(CableResource),
    Address {
        interface: Interface,
        address: Ipv4Net,
    },
    Route {
        netns: Netns,
        route: Route,
        /// Whether it leads over a link that is switched on only after the router is guarded: until
        /// then the kernel refuses the route.
        waits: bool,
    },
    Resolver {
        namespace: String,
        servers: Vec<Ipv4Addr>,
    },
    /// The link of a namespace to the shared hosts file.
    HostsLink {
        namespace: String,
        lab: String,
    },
    /// The hosts file that all namespaces share.
    Hosts {
        lab: String,
        entries: Vec<HostEntry>,
    },
}

/// A cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CableResource {
    pub(super) near: Interface,
    pub(super) far: Interface,
    /// Settings of the near end and of the far end.
    pub(super) settings: [LinkSettings; 2],
    /// The bridge that the near end is a port of.
    pub(super) bridge: Option<String>,
    /// Which of its ends are gates.
    pub(super) gates: Vec<Interface>,
    /// Whether the far end is switched on only after the router is guarded: it is a network
    /// outside, to which the router's own stack would otherwise answer.
    pub(super) waits: bool,
}

/// Identifies a resource, whatever its settings. Each exists at most once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Namespace(String),
    /// A bridge, or the near end of a cable.
    Link(Interface),
    Address(Interface, Ipv4Net),
    Route(Netns, Ipv4Net, u32),
    Resolver(String),
    HostsLink(String),
    /// A lab has one.
    Hosts,
}

impl CableResource {
    /// The remains of this cable: `interface`, without the other end.
    pub(super) fn broken(&self, interface: &Interface) -> Self {
        let far = Interface::new(Netns::Machine, "");
        Self { near: interface.clone(), far, bridge: None, ..self.clone() }
    }

    /// Whether only one of its ends is left.
    pub(super) fn is_broken(&self) -> bool {
        self.far.name.is_empty()
    }

    /// The correction for a near end that should be a port of another bridge, or of none.
    fn plugged_into(&self, wanted: &Self) -> Option<Correction> {
        if self.bridge == wanted.bridge {
            return None;
        }
        let interface = wanted.near.clone();
        let word = |bridge: &Option<String>| bridge.clone().unwrap_or_else(|| "none".to_owned());
        let deviation =
            Deviation::new(&interface, "bridge", word(&self.bridge), word(&wanted.bridge));
        let step = match &wanted.bridge {
            Some(bridge) => Step::Attach { interface, bridge: bridge.clone() },
            None => Step::Detach { interface },
        };
        Some((deviation, vec![step]))
    }
}

impl Resource {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Namespace { name, .. } => Key::Namespace(name.clone()),
            Self::Bridge { interface, .. } | Self::Cable(CableResource { near: interface, .. }) => {
                Key::Link(interface.clone())
            }
            Self::Address { interface, address } => Key::Address(interface.clone(), *address),
            Self::Route { netns, route, .. } => Key::Route(netns.clone(), route.to, route.metric),
            Self::Resolver { namespace, .. } => Key::Resolver(namespace.clone()),
            Self::HostsLink { namespace, .. } => Key::HostsLink(namespace.clone()),
            Self::Hosts { .. } => Key::Hosts,
        }
    }

    /// The namespace of an address or a route. A person may have added one of these by hand; it
    /// becomes the lab's if the topology wants it.
    pub(super) fn netns(&self) -> Option<&Netns> {
        match self {
            Self::Address { interface, .. } => Some(&interface.netns),
            Self::Route { netns, .. } => Some(netns),
            _ => None,
        }
    }

    /// Its interfaces.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        let (one, other) = match self {
            Self::Bridge { interface, .. } => (Some(interface), None),
            Self::Cable(cable) => {
                (Some(&cable.near), Some(&cable.far).filter(|_| !cable.is_broken()))
            }
            _ => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// Takes over the MTU of an older topology if this one asks for none: that MTU may have to be
    /// undone.
    pub(super) fn inherit_mtu(&mut self, older: &Self) {
        if let (Self::Bridge { settings, .. }, Self::Bridge { settings: older, .. }) = (self, older)
        {
            settings.mtu = settings.mtu.or(older.mtu);
        }
    }

    /// Its kind, its name and further details, for a person.
    pub(super) fn describe(&self) -> (&'static str, String, String) {
        let mtu = |settings: &LinkSettings| settings.special_mtu().map(|mtu| format!("mtu {mtu}"));
        match self {
            Self::Namespace { name, forwarding, .. } => {
                let detail = if *forwarding { "forwards packets" } else { "" };
                ("namespace", name.clone(), detail.to_owned())
            }
            Self::Bridge { interface, settings } => {
                ("bridge", interface.to_string(), mtu(settings).unwrap_or_default())
            }
            Self::Cable(cable) => {
                let bridge = cable.bridge.as_ref().map(|bridge| format!("port of {bridge}"));
                if cable.is_broken() {
                    let detail = "its other end is missing".to_owned();
                    return ("cable", cable.near.to_string(), detail);
                }
                let detail: Vec<String> =
                    bridge.into_iter().chain(mtu(&cable.settings[1])).collect();
                ("cable", format!("{} - {}", cable.near, cable.far), detail.join(", "))
            }
            Self::Address { interface, address } => {
                ("address", address.to_string(), format!("on {interface}"))
            }
            Self::Route { netns, route, .. } => {
                let name = format!("{} {}", route_to(route), way(route));
                ("route", name, format!("in {netns}"))
            }
            Self::Resolver { namespace, servers } => {
                ("name servers", listed(servers), format!("of namespace \"{namespace}\""))
            }
            Self::HostsLink { namespace, lab } => hosts::describe_link(namespace, lab),
            Self::Hosts { lab, entries } => hosts::describe(lab, entries),
        }
    }

    /// The steps that make it.
    pub(super) fn create_steps(&self) -> Vec<Step> {
        match self.clone() {
            Self::Namespace { name, forwarding, lo_up, .. } => {
                let netns = Netns::Named(name.clone());
                let set = |key: &str, value: &str| Step::Set {
                    netns: netns.clone(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                };
                let mut steps = vec![Step::AddNamespace { name }];
                // The NAT is for IPv4 only, and without IPv6 a link is made three times as fast.
                // This comes first, before any link exists.
                steps.push(set(sysctl::IPV6_OFF, "1"));
                steps.extend(forwarding.then(|| set(sysctl::IP_FORWARD, "1")));
                let interface = Interface { netns: netns.clone(), name: "lo".to_owned() };
                steps.push(Step::SetLink { interface, up: lo_up });
                steps
            }
            Self::Bridge { interface, settings: LinkSettings { mac, mtu, up, .. } } => {
                let closed = gates::step(&interface, false);
                let silent = without_ipv6(&interface);
                let add = Step::AddBridge { interface, mac, mtu, up };
                [add, closed].into_iter().chain(silent).collect()
            }
            Self::Cable(CableResource { near, far, settings, bridge, gates, waits }) => {
                let [LinkSettings { up, .. }, far_settings] = settings;
                let (mac, mtu) = (far_settings.mac, far_settings.special_mtu());
                let interface = far.clone();
                let closed = gates.iter().map(|interface| gates::step(interface, false));
                let settings: Vec<_> = closed.chain(without_ipv6(&near)).collect();
                let add = Step::AddCable { near, far, mac, mtu, bridge, up };
                // No packet arrives at either end before the far one is switched on.
                let on = (!waits).then_some(Step::SetLink { interface, up: far_settings.up });
                [add].into_iter().chain(settings).chain(on).collect()
            }
            Self::Address { interface, address } => vec![Step::AddAddress { interface, address }],
            // The kernel refuses routes over a link that is switched off.
            Self::Route { waits: true, .. } => Vec::new(),
            Self::Route { netns, route, .. } => vec![Step::AddRoute { netns, route }],
            Self::Resolver { namespace, servers } => {
                vec![Step::SetResolver { namespace, servers }]
            }
            Self::HostsLink { namespace, lab } => vec![Step::LinkHosts { namespace, lab }],
            Self::Hosts { lab, entries } => vec![Step::SetHosts { lab, entries }],
        }
    }

    /// The far end of a cable, if it waits until the router is guarded.
    pub(super) fn guarded_far_interface(&self) -> Option<&Interface> {
        match self {
            Self::Cable(CableResource { far, waits: true, .. }) => Some(far),
            _ => None,
        }
    }

    /// The step that adds the route, if it waits until the router is guarded.
    pub(super) fn late_route(&self) -> Option<Step> {
        match self {
            Self::Route { netns, route, waits: true } => {
                Some(Step::AddRoute { netns: netns.clone(), route: route.clone() })
            }
            _ => None,
        }
    }

    /// The steps that follow once the router's datapath is installed.
    pub(super) fn guarded_steps(&self) -> Vec<Step> {
        let gates = match self {
            Self::Bridge { interface, .. } => slice::from_ref(interface),
            Self::Cable(CableResource { gates, .. }) => gates,
            _ => &[],
        };
        let opened = gates.iter().map(|interface| gates::step(interface, true));
        let on = |interface: &Interface| Step::SetLink { interface: interface.clone(), up: true };
        opened.chain(self.guarded_far_interface().map(on)).chain(self.late_route()).collect()
    }

    /// The steps that delete it, with everything that depends on it.
    pub(super) fn delete_steps(&self) -> Vec<Step> {
        vec![match self.clone() {
            Self::Namespace { name, .. } => Step::DeleteNamespace { name },
            Self::Bridge { interface, .. } | Self::Cable(CableResource { near: interface, .. }) => {
                Step::DeleteLink { interface }
            }
            Self::Address { interface, address } => Step::DeleteAddress { interface, address },
            Self::Route { netns, route, .. } => Step::DeleteRoute { netns, route },
            Self::Resolver { namespace, .. } => Step::DeleteResolver { namespace },
            Self::HostsLink { namespace, lab } => Step::UnlinkHosts { namespace, lab },
            Self::Hosts { lab, .. } => Step::DeleteHosts { lab },
        }]
    }

    /// The settings in which this actual resource differs from the wanted one with the same key,
    /// and the steps that correct them. `None` if it has to be deleted and made again.
    pub(super) fn corrections(&self, wanted: &Self) -> Option<Vec<Correction>> {
        let mut corrections = Vec::new();
        match (self, wanted) {
            (
                Self::Namespace { forwarding: forwards, lo_up: was_up, ipv6: has_ipv6, .. },
                Self::Namespace { name, forwarding, lo_up, ipv6 },
            ) => {
                let netns = Netns::named(name);
                if forwards != forwarding {
                    corrections.push(settings::forwarding(name, *forwarding));
                }
                if has_ipv6 != ipv6 {
                    corrections.push(settings::ipv6(&netns, "all", &netns, *ipv6));
                }
                if was_up != lo_up {
                    corrections.push(settings::switched(&Interface::new(netns, "lo"), *lo_up));
                }
            }
            (Self::Bridge { settings: is, .. }, Self::Bridge { interface, settings }) => {
                corrections.extend(is.corrections(settings, interface));
            }
            (Self::Cable(is), Self::Cable(wanted)) if is.far == wanted.far => {
                let interfaces = [&wanted.near, &wanted.far].into_iter();
                let settings = is.settings.iter().zip(&wanted.settings);
                for (interface, (is, wanted)) in interfaces.zip(settings) {
                    corrections.extend(is.corrections(wanted, interface));
                }
                corrections.extend(is.plugged_into(wanted));
            }
            (Self::Route { netns, route: is, .. }, Self::Route { route, .. }) if is != route => {
                let steps = vec![
                    Step::DeleteRoute { netns: netns.clone(), route: is.clone() },
                    Step::AddRoute { netns: netns.clone(), route: route.clone() },
                ];
                let (to, reachability) = (route_to(route), [way(is), way(route)]);
                let [is, wanted] = reachability;
                corrections
                    .push((Deviation::new(netns, format!("route to {to}"), is, wanted), steps));
            }
            (Self::Resolver { servers: is, .. }, Self::Resolver { namespace, servers }) => {
                if is != servers {
                    let step = Step::SetResolver {
                        namespace: namespace.clone(),
                        servers: servers.clone(),
                    };
                    let of = Netns::named(namespace);
                    let deviation = Deviation::new(of, "name servers", listed(is), listed(servers));
                    corrections.push((deviation, vec![step]));
                }
            }
            (Self::Hosts { entries: is, .. }, Self::Hosts { lab, entries }) => {
                corrections.extend(hosts::correction(lab, is, entries));
            }
            (Self::Address { .. }, Self::Address { .. })
            | (Self::HostsLink { .. }, Self::HostsLink { .. })
            | (Self::Route { .. }, Self::Route { .. }) => {}
            _ => return None,
        }
        Some(corrections)
    }
}

fn route_to(route: &Route) -> String {
    if route.to.prefix_len() == 0 { "default".to_owned() } else { route.to.to_string() }
}

/// The next hop of a route, in words.
fn way(route: &Route) -> String {
    let via = route.via.map(|via| format!("via {via}"));
    let out = route.interface.as_ref().map(|name| format!("out of {name}"));
    let words: Vec<String> = via.into_iter().chain(out).collect();
    // The actual route may be of another kind, with neither gateway nor link.
    if words.is_empty() { "another".to_owned() } else { words.join(" ") }
}

fn listed(servers: &[Ipv4Addr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Switches IPv6 off for a link of the machine; in a namespace of the lab it is off for all links.
/// Otherwise a namespace could send router advertisements to the machine.
fn without_ipv6(interface: &Interface) -> Option<Step> {
    let key = format!("ipv6/conf/{}/disable_ipv6", interface.name);
    let step = Step::Set { netns: interface.netns.clone(), key, value: "1".to_owned() };
    (interface.netns == Netns::Machine).then_some(step)
}
