//! `netns route add|del|list`

use std::{net::IpAddr, process::ExitCode};

use anyhow::bail;
use ipnet::{IpNet, Ipv4Net};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{Change, carry_out},
    list_all::list_routes,
    lookup::{Lookup, listed},
    owner::require_free,
};
use crate::{
    cli::{Destination, RouteAddArgs, RouteArgs, RouteChange, RouteDelArgs},
    lab,
    net::{self, Interface, Link, Netns},
    shell,
    step::Step,
    topology::Route,
};

/// Adds, deletes or lists routes.
///
/// # Errors
/// When a route exists already or does not exist, or when the kernel refuses.
pub fn run(args: &RouteArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        RouteChange::Add(args) => carry_out(args.changing, json, add(args)?),
        RouteChange::Del(args) => carry_out(args.changing, json, del(args)?),
        RouteChange::List(args) => list_routes(args, json),
    }
}

/// A route that was added or deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Routed {
    /// The namespace that has it; `None`: this machine.
    namespace: Option<String>,
    /// The route. It has a `via`, an `interface` or both.
    route: Route,
}

fn add(args: &RouteAddArgs) -> anyhow::Result<Change<Routed>> {
    let mut lookup = Lookup::default();
    let Destination { netns, to } = &args.to;
    let table = Table::of(&mut lookup, netns)?;
    if let Some(name) = &args.dev {
        let interface = Interface::new(netns.clone(), name);
        if !lookup.link(&interface)?.up {
            let word = shell::word(&interface.to_string());
            bail!("{interface} is down: set it up first (`netns link set {word} up`)");
        }
    }
    if let Some(taken) = table.to(*to).find(|route| route.metric == args.metric) {
        bail!(
            "{netns} already has a route to {}, {}: delete it (`netns route del {}`) or use \
             another --metric",
            name(*to),
            table.way(taken),
            shell::word(&typed(netns, *to))
        );
    }
    if let Some(via) = args.via {
        if table.addresses.iter().any(|own| own.addr() == via) {
            bail!("{via} is an address of {netns} itself: a gateway must be another host");
        }
        if table.towards(via, args.dev.as_deref()).is_none() {
            bail!(
                "the gateway {via} is on no network of {netns}: add an address of that network to \
                 one of its interfaces (`netns addr add`) and set it up (`netns link set … up`)"
            );
        }
    }
    let out = args.dev.as_deref().or_else(|| table.link(table.towards(args.via?, None)?));
    if let Some(out) = out {
        require_free(&Interface::new(netns.clone(), out), args.forcing)?;
    }
    let route = Route { to: *to, via: args.via, interface: args.dev.clone(), metric: args.metric };
    Ok(change(netns, route, "added"))
}

fn del(args: &RouteDelArgs) -> anyhow::Result<Change<Routed>> {
    let mut lookup = Lookup::default();
    let Destination { netns, to } = &args.to;
    let table = Table::of(&mut lookup, netns)?;
    let meant: Vec<&net::Route> = table
        .to(*to)
        .filter(|route| args.via.is_none_or(|via| route.gateway == Some(IpAddr::V4(via))))
        .filter(|route| args.dev.is_none() || args.dev.as_deref() == table.link(route))
        .filter(|route| args.metric.is_none_or(|metric| route.metric == metric))
        .collect();
    let route = match meant.as_slice() {
        [only] => only,
        [] => {
            let known: Vec<String> =
                table.to(*to).map(|route| format!("{} {}", name(*to), table.way(route))).collect();
            let known = if known.is_empty() { table.all() } else { listed(&known) };
            bail!("{netns} has no such route to {}: {known}", name(*to));
        }
        several => {
            let ways: Vec<String> = several.iter().map(|route| table.way(route)).collect();
            bail!(
                "{netns} has several routes to {}: select one with --via, --dev or --metric: {}",
                name(*to),
                listed(&ways)
            );
        }
    };
    if route.kind != "unicast" {
        bail!(
            "the route to {} is of type {}: delete it with `ip route del`",
            name(*to),
            route.kind
        );
    }
    let via = route.gateway.and_then(|gateway| match gateway {
        IpAddr::V4(gateway) => Some(gateway),
        IpAddr::V6(_) => None,
    });
    let interface = table.link(route).map(str::to_owned);
    if let Some(out) = &interface {
        require_free(&Interface::new(netns.clone(), out), args.forcing)?;
    }
    let route = Route { to: *to, via, interface, metric: route.metric };
    Ok(change(netns, route, "deleted"))
}

fn change(netns: &Netns, route: Route, outcome: &'static str) -> Change<Routed> {
    let mut object = format!("route of {netns} to {}", name(route.to));
    if let Some(via) = route.via {
        object += &format!(" via {via}");
    }
    if let Some(interface) = &route.interface {
        object += &format!(" out of {interface}");
    }
    if route.metric != 0 {
        object += &format!(", metric {}", route.metric);
    }
    let fields = Routed { namespace: netns.name().map(str::to_owned), route: route.clone() };
    let netns = netns.clone();
    let step = match outcome {
        "added" => Step::AddRoute { netns, route },
        _ => Step::DeleteRoute { netns, route },
    };
    Change { steps: vec![step], outcome, object, fields }
}

/// The routes of a namespace, with its links and addresses.
struct Table {
    routes: Vec<net::Route>,
    links: Vec<Link>,
    addresses: Vec<Ipv4Net>,
}

impl Table {
    fn of(lookup: &mut Lookup, netns: &Netns) -> anyhow::Result<Self> {
        let links = lookup.links(netns)?;
        let here = lookup.pool.at(netns)?;
        let addresses = here.addresses()?.into_iter().filter_map(|held| match held.address {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        });
        let addresses = addresses.collect();
        Ok(Self { routes: here.routes()?, links, addresses })
    }

    fn to(&self, to: Ipv4Net) -> impl Iterator<Item = &net::Route> {
        self.routes.iter().filter(move |route| route.destination == IpNet::V4(to))
    }

    fn link(&self, route: &net::Route) -> Option<&str> {
        let link = self.links.iter().find(|link| Some(link.index) == route.link)?;
        Some(&link.name)
    }

    /// The route by which a neighbour with this address is reached.
    fn towards(&self, via: std::net::Ipv4Addr, dev: Option<&str>) -> Option<&net::Route> {
        self.routes.iter().find(|route| {
            route.gateway.is_none()
                && route.kind == "unicast"
                && route.destination.contains(&IpAddr::V4(via))
                && (dev.is_none() || dev == self.link(route))
        })
    }

    /// The gateway, interface and metric of a route.
    fn way(&self, route: &net::Route) -> String {
        let mut words = Vec::new();
        words.extend(route.gateway.map(|gateway| format!("via {gateway}")));
        words.extend(self.link(route).map(|link| format!("out of {link}")));
        words.extend((route.metric != 0).then(|| format!("metric {}", route.metric)));
        words.join(" ")
    }

    fn all(&self) -> String {
        let all: Vec<String> = self
            .routes
            .iter()
            .map(|route| {
                let to = if route.is_default() {
                    "default".into()
                } else {
                    route.destination.to_string()
                };
                format!("{to} {}", self.way(route))
            })
            .collect();
        if all.is_empty() { "it has no routes".into() } else { format!("it has {}", listed(&all)) }
    }
}

/// A destination for a message.
fn name(to: Ipv4Net) -> String {
    if to.prefix_len() == 0 { "default".into() } else { to.to_string() }
}

/// A destination as the user types it.
fn typed(netns: &Netns, to: Ipv4Net) -> String {
    netns.name().map_or_else(|| name(to), |namespace| format!("{namespace}:{}", name(to)))
}
