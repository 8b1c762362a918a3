//! Routers with their uplinks and bridges, cables, and routes.

use ipnet::Ipv4Net;
use toml::Spanned;

use super::{
    made_names::fitted,
    values::{cidr, host, ip, ips, mtu, networks, number, optional, text},
};
use crate::topology::{
    error::Fault,
    file::{
        AddressesFile, BridgeFile, CableEndFile, CableFile, OutsideFile, PlugFile, RouteFile,
        RouterFile, RoutersFile, UplinkFile,
    },
    model::{Bridge, Cable, CableEnd, Far, Outside, Plug, Route, Router, Uplink},
    names::interface_fault,
};

/// The destination of the default route, as it is written.
const DEFAULT_ROUTE: &str = "default";

/// The namespace of the first router. Uplinks and bridges that name no router belong to it.
pub(super) fn first_router(file: &RoutersFile) -> Option<String> {
    file.0.first().and_then(|router| text(router.get_ref().namespace.as_ref()))
}

pub(super) fn routers(file: &RoutersFile, faults: &mut Vec<Fault>) -> Vec<Option<Router>> {
    if file.0.is_empty() {
        return vec![Some(Router::default())];
    }
    file.0.iter().map(|part| router(part.get_ref(), faults)).collect()
}

fn router(file: &RouterFile, faults: &mut Vec<Fault>) -> Option<Router> {
    let namespace = text(file.namespace.as_ref());
    let owner = namespace.as_ref().map_or("router".into(), |name| format!("router \"{name}\""));
    let routes = routes(&file.routes, &owner, faults);
    Some(Router { namespace, routes: routes? })
}

pub(super) fn bridge(
    file: &BridgeFile,
    first: Option<&str>,
    faults: &mut Vec<Fault>,
) -> Option<Bridge> {
    let name = file.name.get_ref().clone();
    let owner = format!("bridge \"{name}\"");
    let address = host(&file.address, &owner, faults);
    let mtu = mtu(file.mtu.as_ref(), &owner, faults);
    let router = text(file.router.as_ref()).or_else(|| first.map(str::to_owned));
    Some(Bridge { name, router, address: address?, mtu: mtu? })
}

pub(super) fn uplink(
    file: &UplinkFile,
    first: Option<&str>,
    bridges: &[Option<Bridge>],
    faults: &mut Vec<Fault>,
) -> Option<Uplink> {
    let name = file.name.get_ref().clone();
    let owner = format!("uplink \"{name}\"");
    let addresses = addresses(file, &owner, faults);
    let gateway = optional(file.gateway.as_ref(), |text| ip(text, &owner, faults));
    let mtu = mtu(file.mtu.as_ref(), &owner, faults);
    let routed = networks(&file.routed, &format!("{owner}: routed"), faults);
    let outside = optional(file.outside.as_ref(), |part| outside(part.get_ref(), faults));
    let plug = optional(file.plug.as_ref(), |part| plug(part.get_ref(), file, faults));
    let (outside, plug) = (outside?, plug?);
    let bridge = plug
        .as_ref()
        .and_then(|plug: &Plug| bridges.iter().flatten().find(|bridge| bridge.name == plug.bridge));
    Some(Uplink {
        name,
        router: text(file.router.as_ref()).or_else(|| first.map(str::to_owned)),
        addresses: addresses?,
        gateway: gateway?,
        mtu: mtu?.or(bridge.and_then(|bridge| bridge.mtu)),
        redirect_peer: file.redirect_peer.as_ref().is_some_and(|choice| *choice.get_ref()),
        routed: routed?,
        far: outside.map(Far::Outside).or(plug.map(Far::Plug)),
    })
}

fn addresses(file: &UplinkFile, owner: &str, faults: &mut Vec<Fault>) -> Option<Vec<Ipv4Net>> {
    if let Some(AddressesFile { texts, span, .. }) = &file.address
        && texts.is_empty()
    {
        let message = format!("{owner}: its list of addresses is empty: add an address to it");
        faults.push(Fault::new(span.clone(), message));
        return None;
    }
    // Every element is read, so that all faults are reported.
    let read: Vec<_> = file.addresses().iter().map(|text| host(text, owner, faults)).collect();
    read.into_iter().collect()
}

fn outside(file: &OutsideFile, faults: &mut Vec<Fault>) -> Option<Outside> {
    let namespace = file.namespace.get_ref().clone();
    let owner = format!("outside \"{namespace}\"");
    let address = host(&file.address, &owner, faults);
    let answers = ips(&file.answers, &owner, faults);
    Some(Outside {
        namespace,
        interface: file.interface.get_ref().clone(),
        address: address?,
        answers: answers?,
    })
}

fn plug(file: &PlugFile, uplink: &UplinkFile, faults: &mut Vec<Fault>) -> Option<Plug> {
    let bridge = file.bridge.get_ref().clone();
    if let Some(port) = &file.port {
        let port = port.get_ref().clone();
        return Some(Plug { bridge, port, source_check: file.source_check });
    }
    let name = uplink.name.get_ref();
    let port = format!("veth-{name}-br");
    // An uplink's name that is not valid itself is reported with all other names.
    if interface_fault(name).is_none()
        && let Some(fault) = interface_fault(&fitted(&port))
    {
        let message = format!(
            "uplink \"{name}\": the port name made from it, \"{port}\", is not valid: {fault}: set \
             `port`"
        );
        faults.push(Fault::new(file.bridge.span(), message));
        return None;
    }
    Some(Plug { bridge, port, source_check: file.source_check })
}

pub(super) fn cable(file: &CableFile, faults: &mut Vec<Fault>) -> Option<Cable> {
    let a = cable_end(file.a.get_ref(), faults);
    let b = cable_end(file.b.get_ref(), faults);
    let mtu = mtu(file.mtu.as_ref(), "cable", faults);
    Some(Cable { a: a?, b: b?, mtu: mtu? })
}

fn cable_end(file: &CableEndFile, faults: &mut Vec<Fault>) -> Option<CableEnd> {
    let namespace = file.namespace.get_ref().clone();
    let interface = file.interface.get_ref().clone();
    let owner = format!("cable end {namespace}:{interface}");
    let address = optional(file.address.as_ref(), |text| host(text, &owner, faults));
    Some(CableEnd { namespace, interface, address: address? })
}

pub(super) fn routes(
    files: &[Spanned<RouteFile>],
    owner: &str,
    faults: &mut Vec<Fault>,
) -> Option<Vec<Route>> {
    // Every element is read, so that all faults are reported.
    let read: Vec<_> = files.iter().map(|file| route(file, owner, faults)).collect();
    read.into_iter().collect()
}

fn route(part: &Spanned<RouteFile>, owner: &str, faults: &mut Vec<Fault>) -> Option<Route> {
    let file = part.get_ref();
    let owner = format!("{owner}: route to {}", file.to.get_ref());
    let to = destination(file, &owner, faults);
    let via = optional(file.via.as_ref(), |text| ip(text, &owner, faults));
    let metric = match &file.metric {
        None => Some(0),
        Some(asked) => number(asked, &(0..=u32::MAX), faults, |metric| {
            format!("{owner}: a metric of {metric}")
        }),
    };
    if file.via.is_none() && file.interface.is_none() {
        let message = format!("{owner}: it leads nowhere: give it a `via`, an `interface` or both");
        faults.push(Fault::new(part.span(), message));
        return None;
    }
    Some(Route { to: to?, via: via?, interface: text(file.interface.as_ref()), metric: metric? })
}

fn destination(file: &RouteFile, owner: &str, faults: &mut Vec<Fault>) -> Option<Ipv4Net> {
    if file.to.get_ref() == DEFAULT_ROUTE {
        return Some(Ipv4Net::default());
    }
    let to = cidr(&file.to, owner, faults)?;
    if to.addr() != to.network() {
        let message = format!(
            "{owner}: it is neither a subnet nor one address: write {} for the subnet or {}/32 \
             for the address",
            to.trunc(),
            to.addr()
        );
        faults.push(Fault::new(file.to.span(), message));
        return None;
    }
    Some(to)
}
