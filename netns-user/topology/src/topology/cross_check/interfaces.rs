//! Names of interfaces are valid, and unique in their namespace.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::Check;
use crate::topology::{file::Text, names::interface_fault};

/// An interface with its namespace, and the position of its name.
struct Interface<'a> {
    /// Its namespace; `None`: the machine.
    namespace: Option<&'a str>,
    /// Its kind in errors: `uplink`, `bridge`, `port`, `interface`.
    kind: &'static str,
    name: &'a str,
    span: Range<usize>,
}

impl<'a> Interface<'a> {
    fn new(namespace: Option<&'a str>, kind: &'static str, name: &'a Text) -> Self {
        Self { namespace, kind, name: name.get_ref(), span: name.span() }
    }
}

impl<'a> Check<'a> {
    pub(super) fn interfaces(&mut self) {
        self.valid_interface_names();
        let mut all = self.router_interfaces();
        all.extend(self.far_interfaces());
        self.unique_in_namespace(&all);
        self.unique_in_lab();
    }

    /// Checks the names that the file gives. Other names are checked when they are made.
    fn valid_interface_names(&mut self) {
        let file = self.file;
        let mut all: Vec<(&str, &Text)> = Vec::new();
        for uplink in &file.uplinks {
            all.push(("uplink", &uplink.name));
            let outside = uplink.outside.iter();
            all.extend(outside.map(|part| ("interface", &part.get_ref().interface)));
            let plug = uplink.plug.iter().filter_map(|part| part.get_ref().port.as_ref());
            all.extend(plug.map(|port| ("port", port)));
        }
        all.extend(file.bridges.iter().map(|bridge| ("bridge", &bridge.name)));
        for cable in &file.cables {
            let ends = [&cable.a, &cable.b];
            all.extend(ends.map(|end| ("interface", &end.get_ref().interface)));
        }
        let mut seen = HashSet::new();
        for (kind, text) in all {
            self.valid_interface_name(kind, text.get_ref(), text);
        }
        // The last member of an entry has the longest name.
        for entry in &self.parts.entries {
            let last = entry.last_member();
            for (kind, text) in [("interface", entry.keys.interface), ("port", entry.keys.port)] {
                // Entries with the same template share its texts.
                if let Some(text) = text.filter(|text| seen.insert((text.span().start, last))) {
                    self.valid_interface_name(kind, &entry.with_number(text.get_ref(), last), text);
                }
            }
        }
    }

    fn valid_interface_name(&mut self, kind: &str, name: &str, text: &Text) {
        if let Some(fault) = interface_fault(name) {
            let message = format!("{kind} \"{name}\": it cannot name an interface: {fault}");
            self.fault(text.span(), message);
        }
    }

    /// The interfaces of routers. Where two have one name, the later one in this
    /// order is reported.
    fn router_interfaces(&self) -> Vec<Interface<'a>> {
        let (file, first) = (self.file, self.first_router());
        let router = |text: &'a Option<Text>| {
            text.as_ref().map_or(first, |name| Some(name.get_ref().as_str()))
        };
        let uplinks = file.uplinks.iter();
        let mut all: Vec<_> = uplinks
            .map(|part| Interface::new(router(&part.router), "uplink", &part.name))
            .collect();
        let bridges = file.bridges.iter();
        all.extend(bridges.map(|part| Interface::new(router(&part.router), "bridge", &part.name)));
        let parts = self.parts;
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(plug) = uplink.as_ref().and_then(|uplink| uplink.plug()) else { continue };
            let Some(bridge) = self.bridges.get(plug.bridge.as_str()) else { continue };
            let written = part.plug.as_ref().and_then(|part| part.get_ref().port.as_ref());
            let span = written.unwrap_or(&part.name).span();
            let namespace = bridge.router.as_deref();
            all.push(Interface { namespace, kind: "port", name: &plug.port, span });
        }
        // A name that the file gives has precedence over one that is made.
        let (written, made): (Vec<_>, Vec<_>) =
            self.members().partition(|(entry, _)| entry.keys.port.is_some());
        for (entry, members) in written.into_iter().chain(made) {
            let span = entry.keys.port.unwrap_or(entry.name).span();
            for plug in members.iter().filter_map(|member| member.plug.as_ref()) {
                let Some(bridge) = self.bridges.get(plug.bridge.as_str()) else { continue };
                let (namespace, span) = (bridge.router.as_deref(), span.clone());
                all.push(Interface { namespace, kind: "port", name: &plug.port, span });
            }
        }
        all
    }

    /// The interfaces of namespaces: the far ends of uplinks and ports, and both ends of cables.
    fn far_interfaces(&self) -> Vec<Interface<'a>> {
        let outsides = self.file.uplinks.iter().filter_map(|part| part.outside.as_ref());
        let outside = |namespace: &'a Text, interface| {
            Interface::new(Some(namespace.get_ref()), "interface", interface)
        };
        let mut all: Vec<_> = outsides
            .map(|part| outside(&part.get_ref().namespace, &part.get_ref().interface))
            .collect();
        for (entry, members) in self.members() {
            let span = entry.keys.interface.unwrap_or(entry.name).span();
            for member in members {
                let Some(plug) = &member.plug else { continue };
                let (namespace, span) = (Some(member.name.as_str()), span.clone());
                all.push(Interface { namespace, kind: "interface", name: &plug.interface, span });
            }
        }
        for cable in &self.file.cables {
            let ends = [cable.a.get_ref(), cable.b.get_ref()];
            all.extend(ends.map(|end| outside(&end.namespace, &end.interface)));
        }
        all
    }

    fn unique_in_namespace(&mut self, all: &[Interface<'_>]) {
        let routers: HashSet<Option<&str>> =
            self.parts.routers.iter().flatten().map(|part| part.namespace.as_deref()).collect();
        let mut seen: HashMap<(Option<&str>, &str), &Interface<'_>> = HashMap::new();
        let mut reported = HashSet::new();
        for interface in all {
            let Interface { namespace, kind, name, span } = interface;
            let Some(first) = seen.get(&(*namespace, *name)) else {
                seen.insert((*namespace, *name), interface);
                continue;
            };
            // One text can name many.
            if !reported.insert(span.start) {
                continue;
            }
            let whose = match namespace {
                Some(name) if !routers.contains(&Some(name)) => format!("in \"{name}\""),
                _ => "of the router".into(),
            };
            let message = format!(
                "{kind} \"{name}\": another interface {whose} already has this name ({}, line {}): \
                 choose another",
                first.kind,
                self.line(&first.span)
            );
            self.fault(span.clone(), message);
        }
    }

    /// Rules and namespaces name uplinks and bridges without a router. Two with one name in one
    /// router are reported already.
    fn unique_in_lab(&mut self) {
        let file = self.file;
        let uplinks = file.uplinks.iter().map(|part| ("uplink", &part.name, &part.router));
        let bridges = file.bridges.iter().map(|part| ("bridge", &part.name, &part.router));
        let first = self.first_router();
        let mut seen = HashMap::new();
        for (kind, text, router) in uplinks.chain(bridges) {
            let name = text.get_ref().as_str();
            let router = router.as_ref().map_or(first, |router| Some(router.get_ref().as_str()));
            let Some((other, span)) = seen.insert((kind, name), (router, text.span())) else {
                continue;
            };
            if other != router {
                let message = format!(
                    "{kind} \"{name}\": another router already has one with this name (line {}): \
                     choose another",
                    self.line(&span)
                );
                self.fault(text.span(), message);
            }
        }
    }
}
