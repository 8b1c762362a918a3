//! No address is used twice in the networks of a router.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    ops::Range,
};

use super::Check;
use crate::topology::{
    file::BridgeFile,
    model::{Bridge, Cable},
};

/// Networks in which every address is unique. Two routers can have the same subnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Area<'a> {
    /// The bridges and uplinks of a router, and the networks outside; `None`: of the machine.
    Router(Option<&'a str>),
    /// A namespace that is connected to no router.
    Namespace(&'a str),
}

/// A part of the file that has an address.
struct Holder<'a> {
    area: Area<'a>,
    address: Ipv4Addr,
    owner: String,
    span: Range<usize>,
    /// The namespace of an outside, which can have the address once for each uplink to it.
    shared: Option<&'a str>,
}

impl<'a> Check<'a> {
    pub(super) fn duplicate_addresses(&mut self) {
        let mut all = self.bridge_holders();
        all.extend(self.uplink_holders());
        for (entry, members) in self.members() {
            let span = entry.keys.address.unwrap_or(entry.name).span();
            for member in members {
                let Some(plug) = &member.plug else { continue };
                let Some(bridge) = self.bridges.get(plug.bridge.as_str()) else { continue };
                all.push(Holder {
                    area: Area::Router(bridge.router.as_deref()),
                    address: plug.address.addr(),
                    owner: format!("namespace \"{}\"", member.name),
                    span: span.clone(),
                    shared: None,
                });
            }
        }
        all.extend(self.cable_holders());
        let mut seen: HashMap<(Area<'_>, Ipv4Addr), &Holder<'_>> = HashMap::new();
        let mut reported = HashSet::new();
        for holder in &all {
            let Holder { area, address, owner, span, shared } = holder;
            let Some(first) = seen.get(&(*area, *address)) else {
                seen.insert((*area, *address), holder);
                continue;
            };
            // One text can declare many addresses, and an address can be in two areas.
            let same = shared.is_some() && *shared == first.shared;
            if !same && reported.insert(span.start) {
                let line = self.line(&first.span);
                let message = if first.owner == *owner {
                    format!(
                        "{owner}: it has the address {address} twice (line {line}): leave one out"
                    )
                } else {
                    format!(
                        "{owner}: the address {address} already belongs to {} (line {line}): \
                         choose another",
                        first.owner
                    )
                };
                self.fault(span.clone(), message);
            }
        }
    }

    fn bridge_holders(&self) -> Vec<Holder<'a>> {
        let holder = |part: &BridgeFile, bridge: &'a Bridge| Holder {
            area: Area::Router(bridge.router.as_deref()),
            address: bridge.address.addr(),
            owner: format!("bridge \"{}\"", bridge.name),
            span: part.address.span(),
            shared: None,
        };
        let pairs = self.file.bridges.iter().zip(&self.parts.bridges);
        pairs.filter_map(|(part, bridge)| Some(holder(part, bridge.as_ref()?))).collect()
    }

    fn uplink_holders(&self) -> Vec<Holder<'a>> {
        let mut all = Vec::new();
        for (part, uplink) in self.file.uplinks.iter().zip(&self.parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            let own = Area::Router(uplink.router.as_deref());
            for (address, text) in uplink.addresses.iter().zip(part.addresses()) {
                let plug = uplink.plug().and_then(|plug| self.bridges.get(plug.bridge.as_str()));
                let far = plug.map(|bridge| Area::Router(bridge.router.as_deref()));
                let far = far.filter(|far| *far != own);
                for area in std::iter::once(own).chain(far) {
                    all.push(Holder {
                        area,
                        address: address.addr(),
                        owner: format!("uplink \"{}\"", uplink.name),
                        span: text.span(),
                        shared: None,
                    });
                }
            }
            if let (Some(outside), Some(text)) = (uplink.outside(), &part.outside) {
                let text = text.get_ref();
                let answers = outside.answers.iter().zip(&text.answers);
                let answers = answers.map(|(answer, text)| (*answer, text, true));
                let address = (outside.address.addr(), &text.address, false);
                for (address, text, shared) in std::iter::once(address).chain(answers) {
                    all.push(Holder {
                        area: own,
                        address,
                        owner: format!("outside \"{}\"", outside.namespace),
                        span: text.span(),
                        shared: shared.then_some(outside.namespace.as_str()),
                    });
                }
            }
        }
        all
    }

    /// The end of a cable is in the networks of the router that it is in, or of the router whose
    /// bridge its namespace is on.
    fn cable_holders(&self) -> Vec<Holder<'a>> {
        let parts = self.parts;
        let routers = parts.routers.iter().flatten().filter_map(|part| part.namespace.as_deref());
        let mut areas: HashMap<&str, Area<'_>> =
            routers.map(|name| (name, Area::Router(Some(name)))).collect();
        for (_, members) in self.members() {
            for member in members {
                let bridge = member.plug.as_ref().and_then(|plug| self.bridges.get(&*plug.bridge));
                if let Some(bridge) = bridge {
                    areas.insert(&member.name, Area::Router(bridge.router.as_deref()));
                }
            }
        }
        let mut all = Vec::new();
        for (part, cable) in self.file.cables.iter().zip(&parts.cables) {
            let Some(Cable { a, b, .. }) = cable else { continue };
            for (end, part) in [(a, &part.a), (b, &part.b)] {
                let (Some(address), Some(text)) = (end.address, &part.get_ref().address) else {
                    continue;
                };
                let name = end.namespace.as_str();
                all.push(Holder {
                    area: areas.get(name).copied().unwrap_or(Area::Namespace(name)),
                    address: address.addr(),
                    owner: format!("cable end {name}:{}", end.interface),
                    span: text.span(),
                    shared: None,
                });
            }
        }
        all
    }
}
