//! `netns show [NAME]`

use std::{net::IpAddr, process::ExitCode};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::print;
use crate::{
    cli::{ShowArgs, or_of_environment},
    datapath::is_reassemblers,
    lab::{self, LabRecord},
    net::{Link, Mac, NetError, Netlink, Route},
    output::{
        style::{HEADING, paint},
        table,
    },
};

/// Everything that is shown of a namespace, with interfaces by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct View {
    /// Its name; `None`: the machine's own namespace.
    namespace: Option<String>,
    /// Its interfaces.
    pub(super) links: Vec<LinkView>,
    /// Its IPv4 and IPv6 addresses.
    pub(super) addresses: Vec<AddressView>,
    /// The IPv4 routes of its main table.
    pub(super) routes: Vec<RouteView>,
    /// Its neighbour table (ARP for IPv4).
    neighbours: Vec<NeighbourView>,
}

/// An interface.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LinkView {
    #[serde(flatten)]
    link: Link,
    /// The name of the bridge that it is a port of; `None`: it is no port.
    port_of: Option<String>,
}

/// An address of an interface.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AddressView {
    /// The address with its prefix length.
    #[schemars(with = "String")]
    pub(super) address: IpNet,
    /// The name of the interface.
    pub(super) interface: String,
}

/// A route.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RouteView {
    #[serde(flatten)]
    route: Route,
    /// The name of the link; `None`: as `link`.
    interface: Option<String>,
}

/// A neighbour.
#[derive(Debug, Serialize, JsonSchema)]
struct NeighbourView {
    /// Its address.
    address: IpAddr,
    /// Its Ethernet address; `None`: it has not answered yet.
    #[schemars(with = "Option<String>")]
    mac: Option<Mac>,
    /// The interface that it is reached by.
    interface: String,
    /// `"reachable"`, `"stale"`, `"failed"`, …
    state: String,
}

/// Shows the links, addresses, routes and neighbours of a namespace.
///
/// # Errors
/// When there is no such namespace or it may not be entered.
pub fn run(args: &ShowArgs, json: bool) -> anyhow::Result<ExitCode> {
    let namespace = match &args.name {
        Some(name) => Some(name.clone()),
        None => match (or_of_environment(None), LabRecord::list()?.as_slice()) {
            (Some(lab), _) => LabRecord::load(&lab)?.topology.first_router().map(str::to_owned),
            (None, [only]) => only.topology.first_router().map(str::to_owned),
            (None, _) => None,
        },
    };
    let netlink = match &namespace {
        Some(name) => {
            lab::require_root()?;
            Netlink::open_in(name)?
        }
        None => Netlink::open()?,
    };
    print(json, &View::of(namespace, &netlink)?, render)?;
    Ok(ExitCode::SUCCESS)
}

impl View {
    /// Reads everything in the namespace of the netlink socket.
    pub(super) fn of(namespace: Option<String>, netlink: &Netlink) -> Result<Self, NetError> {
        let links = netlink.links()?;
        let name = |index: u32| {
            let link = links.iter().find(|link| link.index == index);
            link.map_or_else(|| index.to_string(), |link| link.name.clone())
        };
        let addresses = netlink
            .addresses()?
            .into_iter()
            .map(|held| AddressView { address: held.address, interface: name(held.link) })
            .collect();
        let routes = netlink
            .routes()?
            .into_iter()
            .map(|route| RouteView { interface: route.link.map(name), route })
            .collect();
        let neighbours = netlink
            .neighbours()?
            .into_iter()
            .map(|neighbour| NeighbourView {
                address: neighbour.address,
                mac: neighbour.mac,
                interface: name(neighbour.link),
                state: neighbour.state,
            })
            .collect();
        let ports: Vec<Option<String>> = links.iter().map(|link| link.bridge.map(name)).collect();
        let links = links.into_iter().zip(ports);
        let links = links.map(|(link, port_of)| LinkView { link, port_of }).collect();
        Ok(Self { namespace, links, addresses, routes, neighbours })
    }
}

/// The columns of a link in a table.
pub(super) const LINK_HEADERS: [&str; 6] = ["LINK", "KIND", "STATE", "MTU", "MAC", "PORT OF"];

/// The columns of a route in a table.
pub(super) const ROUTE_HEADERS: [&str; 6] = ["ROUTE", "VIA", "LINK", "SOURCE", "METRIC", "KIND"];

impl LinkView {
    /// The name of the interface.
    pub(super) fn name(&self) -> &str {
        &self.link.name
    }

    pub(super) fn cells(&self) -> [String; 6] {
        let Self { link, port_of } = self;
        [
            link.name.clone(),
            link.kind.clone().unwrap_or_else(dash),
            // Not the kernel's word, which is "unknown" for loopback.
            link.condition().to_owned(),
            link.mtu.to_string(),
            mac(link.mac),
            port_of.clone().unwrap_or_else(dash),
        ]
    }
}

impl RouteView {
    /// The interface that it leads out of.
    pub(super) fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    pub(super) fn cells(&self) -> [String; 6] {
        let Self { route, interface } = self;
        let destination =
            if route.is_default() { "default".into() } else { route.destination.to_string() };
        [
            destination,
            route.gateway.map_or_else(dash, |gateway| gateway.to_string()),
            interface.clone().unwrap_or_else(dash),
            route.source.map_or_else(dash, |source| source.to_string()),
            route.metric.to_string(),
            route.kind.to_owned(),
        ]
    }
}

/// A line that explains each link of the NAT's reassembler.
pub(super) fn reassemblers<'a>(links: impl Iterator<Item = &'a LinkView>) -> String {
    links
        .filter(|LinkView { link, .. }| is_reassemblers(link))
        .map(|LinkView { link, .. }| {
            format!("{} belongs to the NAT: it leads to the reassembler of fragments\n", link.name)
        })
        .collect()
}

fn dash() -> String {
    "-".to_owned()
}

fn mac(mac: Option<Mac>) -> String {
    mac.map_or_else(dash, |mac| mac.to_string())
}

fn render(view: &View) -> String {
    let links = view.links.iter().map(LinkView::cells);
    let addresses =
        view.addresses.iter().map(|held| [held.address.to_string(), held.interface.clone()]);
    let routes = view.routes.iter().map(RouteView::cells);
    let neighbours = view.neighbours.iter().map(|neighbour| {
        [
            neighbour.address.to_string(),
            mac(neighbour.mac),
            neighbour.interface.clone(),
            neighbour.state.clone(),
        ]
    });
    let place = match &view.namespace {
        Some(name) => format!("namespace {name}"),
        None => "this machine".into(),
    };
    [
        paint(HEADING, place) + "\n",
        table(&LINK_HEADERS, links) + &reassemblers(view.links.iter()),
        table(&["ADDRESS", "LINK"], addresses),
        table(&ROUTE_HEADERS, routes),
        table(&["NEIGHBOUR", "MAC", "LINK", "STATE"], neighbours),
    ]
    .join("\n")
}
