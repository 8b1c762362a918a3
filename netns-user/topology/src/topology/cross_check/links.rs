//! Uplinks, cables and namespaces have keys that go together, and lead to something that exists.

use std::collections::{HashMap, HashSet};

use super::Check;
use crate::topology::{file::UplinkFile, model::AUTO};

impl<'a> Check<'a> {
    pub(super) fn uplinks(&mut self) {
        let first = self.first_router();
        for uplink in &self.file.uplinks {
            if uplink.router.is_some() || first.is_some() {
                self.made_uplink(uplink);
            } else {
                self.machine_uplink(uplink);
            }
        }
        self.loops();
        self.cables();
    }

    /// An uplink of a router namespace, which leads only to what the lab makes.
    fn made_uplink(&mut self, uplink: &UplinkFile) {
        let name = uplink.name.get_ref();
        let span = uplink.name.span();
        if name == AUTO {
            self.fault(
                span.clone(),
                "uplink \"auto\" is an interface of the machine, but the router is a namespace: name \
                 an interface, or leave router.namespace out",
            );
        }
        if let (Some(_), Some(plug)) = (&uplink.outside, &uplink.plug) {
            let message = format!(
                "uplink \"{name}\": its cable has one far end: leave out `outside` or `plug`"
            );
            self.fault(plug.span(), message);
        } else if (uplink.outside.is_none() && uplink.plug.is_none()) || uplink.address.is_none() {
            let message = format!(
                "uplink \"{name}\": in a router namespace it leads nowhere by itself: give it an \
                 `address`, and an `outside` or a `plug`"
            );
            self.fault(span, message);
        }
    }

    /// An uplink of the machine, which the lab does not change.
    fn machine_uplink(&mut self, uplink: &UplinkFile) {
        let name = uplink.name.get_ref();
        if let Some(outside) = &uplink.outside {
            let message = format!(
                "uplink \"{name}\": `outside` simulates a network, but the router is the machine \
                 itself: leave it out, or set router.namespace"
            );
            self.fault(outside.span(), message);
        }
        let keys = [
            ("address", uplink.address.as_ref().map(|addresses| addresses.span.clone())),
            ("gateway", uplink.gateway.as_ref().map(toml::Spanned::span)),
            ("mtu", uplink.mtu.as_ref().map(toml::Spanned::span)),
            ("redirect_peer", uplink.redirect_peer.as_ref().map(toml::Spanned::span)),
            ("plug", uplink.plug.as_ref().map(toml::Spanned::span)),
        ];
        for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let message = format!(
                "uplink \"{name}\": the lab cannot set the `{key}` of an interface of the machine: \
                 leave it out, or set router.namespace"
            );
            self.fault(span, message);
        }
    }

    /// An uplink does not lead back into its own router, neither directly nor through other
    /// routers.
    fn loops(&mut self) {
        let plugged = self.file.uplinks.iter().zip(&self.parts.uplinks);
        let mut leads: HashMap<Option<&str>, Vec<Option<&str>>> = HashMap::new();
        for (part, uplink) in plugged {
            let Some(uplink) = uplink else { continue };
            let Some((plug, text)) = uplink.plug().zip(part.plug.as_ref()) else { continue };
            let Some(bridge) = self.bridges.get(plug.bridge.as_str()) else { continue };
            let (from, to) = (uplink.router.as_deref(), bridge.router.as_deref());
            if leads_to(&leads, to, from) {
                let how = if from == to {
                    "is in the same router"
                } else {
                    "is behind the uplink's own router, so that packets would loop"
                };
                let message = format!(
                    "uplink \"{}\": bridge \"{}\" {how}: plug it into another router's bridge",
                    uplink.name, bridge.name
                );
                self.fault(text.get_ref().bridge.span(), message);
            } else {
                leads.entry(from).or_default().push(to);
            }
        }
    }

    fn cables(&mut self) {
        let parts = self.parts;
        if self.file.cables.is_empty() {
            return;
        }
        let routers = self.file.router.0.iter();
        let routers = routers.filter_map(|part| part.get_ref().namespace.as_ref());
        let outsides = self.file.uplinks.iter().filter_map(|part| part.outside.as_ref());
        let outsides = outsides.map(|part| &part.get_ref().namespace);
        let mut known: HashSet<&str> =
            routers.chain(outsides).map(|name| name.get_ref().as_str()).collect();
        for (_, members) in self.members() {
            known.extend(members.iter().map(|member| member.name.as_str()));
        }
        // A namespace that could not be read may be the one that a cable leads to.
        let complete = parts.namespaces.iter().all(Option::is_some);
        for (part, cable) in self.file.cables.iter().zip(&parts.cables) {
            let ends = [part.a.get_ref(), part.b.get_ref()];
            for end in ends.into_iter().filter(|_| complete) {
                self.reference("cable", "namespace", &end.namespace, &known);
            }
            if let Some(cable) = cable
                && let (Some(a), Some(b)) = (cable.a.address, cable.b.address)
                && a.trunc() != b.trunc()
                && a.prefix_len() < 32
                && b.prefix_len() < 32
            {
                let message = format!(
                    "cable: its ends are in two subnets, {} and {}: put both in one",
                    a.trunc(),
                    b.trunc()
                );
                let text = ends[1].address.as_ref().unwrap_or(&ends[1].namespace);
                self.fault(text.span(), message);
            }
        }
    }

    /// A namespace without a bridge has no keys of a cable to a bridge.
    pub(super) fn entries(&mut self) {
        let parts = self.parts;
        for entry in parts.entries.iter().filter(|entry| entry.keys.bridge.is_none()) {
            let keys = [
                ("address", entry.keys.address.map(toml::Spanned::span)),
                ("interface", entry.keys.interface.map(toml::Spanned::span)),
                ("port", entry.keys.port.map(toml::Spanned::span)),
                ("gateway", entry.keys.gateway.map(toml::Spanned::span)),
                ("mtu", entry.keys.mtu.map(toml::Spanned::span)),
                ("source_check", entry.keys.source_check.map(toml::Spanned::span)),
                ("quota", entry.keys.quota.map(toml::Spanned::span)),
            ];
            for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
                let message = format!(
                    "{}: `{key}` belongs to the cable to a bridge: add `bridge`, or leave it out and \
                     add a [[cable]]",
                    entry.owner()
                );
                self.fault(span, message);
            }
        }
    }
}

/// Whether uplinks lead from router `start` to router `goal`.
fn leads_to<'a>(
    leads: &HashMap<Option<&'a str>, Vec<Option<&'a str>>>,
    start: Option<&'a str>,
    goal: Option<&'a str>,
) -> bool {
    let mut seen = HashSet::from([start]);
    let mut open = vec![start];
    while let Some(router) = open.pop() {
        if router == goal {
            return true;
        }
        let next = leads.get(&router).into_iter().flatten();
        open.extend(next.copied().filter(|next| seen.insert(*next)));
    }
    false
}
