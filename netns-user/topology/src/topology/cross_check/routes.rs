//! Routes have a next router in reach, and are unique.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use ipnet::Ipv4Net;
use toml::Spanned;

use super::Check;
use crate::topology::{file::RouteFile, model::Route};

/// The interfaces of a namespace, each with its address if it has one.
type Interfaces<'a> = Vec<(&'a str, Option<Ipv4Net>)>;

impl<'a> Check<'a> {
    /// Routes of the machine are not checked, since the file does not have its interfaces.
    pub(super) fn routes(&mut self) {
        let parts = self.parts;
        // An interface that could not be read may be the one that reaches the next router.
        if !parts.has_all_interfaces() {
            return;
        }
        let (interfaces, gateways) = self.all_interfaces();
        let nothing = Vec::new();
        for (part, router) in self.file.router.0.iter().zip(&parts.routers) {
            let Some(router) = router else { continue };
            let Some(name) = &router.namespace else { continue };
            let known = interfaces.get(name.as_str()).unwrap_or(&nothing);
            let owner = format!("router \"{name}\"");
            let gateway = gateways.contains(name.as_str());
            self.routes_of(&owner, &part.get_ref().routes, &router.routes, known, gateway);
        }
        let mut faulty = HashSet::new();
        for (entry, members) in self.members().filter(|(entry, _)| !entry.routes().is_empty()) {
            for member in members {
                let before = self.faults.len();
                let known = interfaces.get(member.name.as_str()).unwrap_or(&nothing);
                let owner = format!("namespace \"{}\"", member.name);
                let gateway = member.plug.as_ref().is_some_and(|plug| plug.gateway.is_some());
                // The members of an entry share its routes and their faults.
                if faulty.contains(&entry.name.span().start) {
                    break;
                }
                self.routes_of(&owner, entry.routes(), &member.routes, known, gateway);
                if self.faults.len() > before {
                    faulty.insert(entry.name.span().start);
                }
            }
        }
    }

    /// The interfaces of all namespaces, and the routers that have a default route by an uplink.
    fn all_interfaces(&self) -> (HashMap<&'a str, Interfaces<'a>>, HashSet<&'a str>) {
        let parts = self.parts;
        let mut all: HashMap<&str, Interfaces<'_>> = HashMap::new();
        let mut gateways = HashSet::new();
        for uplink in parts.uplinks.iter().flatten() {
            if let Some(router) = &uplink.router {
                let interfaces = all.entry(router).or_default();
                let name = uplink.name.as_str();
                interfaces.extend(uplink.addresses.iter().map(|own| (name, Some(*own))));
                if uplink.addresses.is_empty() {
                    interfaces.push((name, None));
                }
                if uplink.gateway.is_some() {
                    gateways.insert(router.as_str());
                }
            }
            if let Some(outside) = uplink.outside() {
                let interface = (outside.interface.as_str(), Some(outside.address));
                all.entry(&outside.namespace).or_default().push(interface);
            }
        }
        for bridge in parts.bridges.iter().flatten() {
            if let Some(router) = &bridge.router {
                all.entry(router).or_default().push((&bridge.name, Some(bridge.address)));
            }
        }
        for (_, members) in self.members() {
            for member in members {
                let Some(plug) = &member.plug else { continue };
                let interface = (plug.interface.as_str(), Some(plug.address));
                all.entry(&member.name).or_default().push(interface);
            }
        }
        for cable in parts.cables.iter().flatten() {
            for end in [&cable.a, &cable.b] {
                all.entry(&end.namespace).or_default().push((&end.interface, end.address));
            }
        }
        (all, gateways)
    }

    fn routes_of(
        &mut self,
        owner: &str,
        texts: &[Spanned<RouteFile>],
        routes: &[Route],
        known: &Interfaces<'_>,
        has_gateway: bool,
    ) {
        let mut seen: HashMap<(Ipv4Net, u32), Range<usize>> = HashMap::new();
        for (part, route) in texts.iter().zip(routes) {
            let text = part.get_ref();
            let to = if route.to == Ipv4Net::default() {
                "default".to_owned()
            } else {
                route.to.to_string()
            };
            let owner = format!("{owner}: route to {to}");
            self.reach(&owner, text, route, known);
            if let Some(first) = seen.insert((route.to, route.metric), text.to.span()) {
                let line = self.line(&first);
                let message = format!(
                    "{owner}: the route in line {line} has the same metric: leave one out, or give \
                     it another `metric`"
                );
                self.fault(text.to.span(), message);
            } else if has_gateway && route.to == Ipv4Net::default() && route.metric == 0 {
                let message = format!(
                    "{owner}: its `gateway` already gives it a default route: write gateway = false \
                     for a namespace, leave `gateway` out of an uplink, or give the route a \
                     `metric`"
                );
                self.fault(text.to.span(), message);
            }
        }
    }

    /// The interface of a route exists, and the next router is in a subnet of one that it can use.
    fn reach(&mut self, owner: &str, text: &RouteFile, route: &Route, known: &Interfaces<'_>) {
        if let (Some(interface), Some(text)) = (&route.interface, &text.interface)
            && !known.iter().any(|(name, _)| name == interface)
        {
            let hint = self.hint(interface, known.iter().map(|(name, _)| *name));
            let message = format!("{owner}: there is no interface \"{interface}\" here: {hint}");
            self.fault(text.span(), message);
            return;
        }
        let (Some(via), Some(text)) = (route.via, &text.via) else { return };
        let usable = |name: &str| route.interface.as_deref().is_none_or(|wanted| wanted == name);
        let nets = || {
            let usable = known.iter().filter(|(name, _)| usable(name));
            usable.filter_map(|(_, address)| *address)
        };
        let own = known.iter().filter_map(|(_, address)| *address).any(|net| net.addr() == via);
        let fault = if own {
            "it is the namespace's own address: name another router".to_owned()
        } else if !nets().any(|net| net.contains(&via)) {
            let mut nets: Vec<String> = nets().map(|net| net.trunc().to_string()).collect();
            // Several addresses of one interface often have one subnet.
            nets.dedup();
            match nets.as_slice() {
                [] => "no interface of the route has an address: give it one".to_owned(),
                nets => format!("it is not in reach: use an address of {}", nets.join(", ")),
            }
        } else {
            return;
        };
        self.fault(text.span(), format!("{owner}: via {via}: {fault}"));
    }
}
