//! `netns show [NAME]`

use std::{net::IpAddr, process::ExitCode};

use ipnet::IpNet;
use serde::Serialize;

use super::print;
use crate::{
    cli::ShowArgs,
    lab::{self, LabRecord},
    net::{Link, Mac, NetError, Netlink, Route},
    output::{
        style::{HEADING, paint},
        table,
    },
};

/// All that is shown of a namespace, with interfaces by name.
#[derive(Debug, Serialize)]
struct View {
    /// `None`: the machine's own.
    namespace: Option<String>,
    links: Vec<LinkView>,
    addresses: Vec<AddressView>,
    routes: Vec<RouteView>,
    neighbours: Vec<NeighbourView>,
}

#[derive(Debug, Serialize)]
struct LinkView {
    #[serde(flatten)]
    link: Link,
    /// The bridge that it is a port of.
    port_of: Option<String>,
}

#[derive(Debug, Serialize)]
struct AddressView {
    address: IpNet,
    interface: String,
}

#[derive(Debug, Serialize)]
struct RouteView {
    #[serde(flatten)]
    route: Route,
    interface: Option<String>,
}

#[derive(Debug, Serialize)]
struct NeighbourView {
    address: IpAddr,
    mac: Option<Mac>,
    interface: String,
    state: String,
}

/// Shows what a namespace has.
///
/// # Errors
/// When there is no such namespace or it may not be entered.
pub fn run(args: &ShowArgs, json: bool) -> anyhow::Result<ExitCode> {
    let namespace = match &args.name {
        Some(name) => Some(name.clone()),
        None => match LabRecord::list()?.as_slice() {
            [only] => only.topology.first_router().map(str::to_owned),
            _ => None,
        },
    };
    let netlink = match &namespace {
        Some(name) => {
            lab::require_root()?;
            Netlink::open_in(name)?
        }
        None => Netlink::open()?,
    };
    print(json, &view(namespace, &netlink)?, render)?;
    Ok(ExitCode::SUCCESS)
}

fn view(namespace: Option<String>, netlink: &Netlink) -> Result<View, NetError> {
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
    Ok(View { namespace, links, addresses, routes, neighbours })
}

fn render(view: &View) -> String {
    let dash = || "-".to_owned();
    let mac = |mac: &Option<Mac>| mac.map_or_else(dash, |mac| mac.to_string());
    let links = view.links.iter().map(|LinkView { link, port_of }| {
        [
            link.name.clone(),
            link.kind.clone().unwrap_or_else(dash),
            if link.up { link.state.clone() } else { "off".into() },
            link.mtu.to_string(),
            mac(&link.mac),
            port_of.clone().unwrap_or_else(dash),
        ]
    });
    let addresses =
        view.addresses.iter().map(|held| [held.address.to_string(), held.interface.clone()]);
    let routes = view.routes.iter().map(|RouteView { route, interface }| {
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
    });
    let neighbours = view.neighbours.iter().map(|neighbour| {
        [
            neighbour.address.to_string(),
            mac(&neighbour.mac),
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
        table(&["LINK", "KIND", "STATE", "MTU", "MAC", "PORT OF"], links),
        table(&["ADDRESS", "LINK"], addresses),
        table(&["ROUTE", "VIA", "LINK", "SOURCE", "METRIC", "KIND"], routes),
        table(&["NEIGHBOUR", "MAC", "LINK", "STATE"], neighbours),
    ]
    .join("\n")
}
