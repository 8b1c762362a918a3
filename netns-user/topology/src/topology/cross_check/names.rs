//! Names of labs and namespaces are valid and unique, and references lead to something that exists.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::Check;
use crate::topology::{
    file::Text,
    names::{lab_fault, namespace_fault},
};

/// A name of a namespace, and its position.
struct Named {
    /// The kind of the namespace in errors: `the router`, `namespace`, …
    kind: &'static str,
    name: String,
    span: Range<usize>,
}

impl Named {
    fn new(kind: &'static str, name: &Text) -> Self {
        Self { kind, name: name.get_ref().clone(), span: name.span() }
    }
}

impl Check<'_> {
    pub(super) fn names(&mut self) {
        let lab = &self.file.name;
        if let Some(fault) = lab_fault(lab.get_ref()) {
            let message = format!("\"{}\" cannot name a lab: {fault}", lab.get_ref());
            self.fault(lab.span(), message);
        }
        self.routers();
        self.namespace_names();
        self.references();
    }

    /// Only the first of several routers can be the machine.
    fn routers(&mut self) {
        for router in self.file.router.0.iter().skip(1) {
            if router.get_ref().namespace.is_none() {
                self.fault(
                    router.span(),
                    "router: only the first one can be the machine itself: give it a `namespace`, \
                     or move it to the top",
                );
            }
        }
    }

    fn namespace_names(&mut self) {
        let file = self.file;
        let routers = file.router.0.iter().filter_map(|part| part.get_ref().namespace.as_ref());
        let mut all: Vec<Named> = routers.map(|name| Named::new("the router", name)).collect();
        let outsides = file.uplinks.iter().filter_map(|uplink| uplink.outside.as_ref());
        all.extend(outsides.map(|part| Named::new("outside", &part.get_ref().namespace)));
        for entry in &self.parts.entries {
            if entry.count.is_none() {
                all.push(Named::new("namespace", entry.name));
            }
        }
        for (entry, members) in self.members().filter(|(entry, _)| entry.count.is_some()) {
            let named = |name: &String| Named {
                kind: "namespace",
                name: name.clone(),
                span: entry.name.span(),
            };
            all.extend(members.iter().map(|member| named(&member.name)));
        }
        let mut seen: HashMap<&str, &Named> = HashMap::new();
        let mut reported = HashSet::new();
        for named in &all {
            let Named { kind, name, span } = named;
            if let Some(fault) = namespace_fault(name)
                && reported.insert(span.start)
            {
                let message = format!("{kind}: \"{name}\" cannot name a namespace: {fault}");
                self.fault(span.clone(), message);
            }
            let Some(first) = seen.get(name.as_str()) else {
                seen.insert(name, named);
                continue;
            };
            // Several uplinks can lead to one network outside.
            let shared = *kind == "outside" && first.kind == "outside";
            if !shared && reported.insert(span.start) {
                let message = format!(
                    "{kind} \"{name}\": another namespace already has this name ({}, line {}): choose \
                     another",
                    first.kind,
                    self.line(&first.span)
                );
                self.fault(span.clone(), message);
            }
        }
    }

    /// Routers and bridges that are referred to exist.
    fn references(&mut self) {
        let file = self.file;
        let bridges: HashSet<&str> =
            file.bridges.iter().map(|bridge| bridge.name.get_ref().as_str()).collect();
        for entry in &self.parts.entries {
            if let Some(bridge) = entry.keys.bridge {
                self.reference(&entry.owner(), "bridge", bridge, &bridges);
            }
        }
        let routers: HashSet<&str> = file
            .router
            .0
            .iter()
            .filter_map(|part| Some(part.get_ref().namespace.as_ref()?.get_ref().as_str()))
            .collect();
        for bridge in &file.bridges {
            if let Some(router) = &bridge.router {
                let owner = format!("bridge \"{}\"", bridge.name.get_ref());
                self.reference(&owner, "router", router, &routers);
            }
        }
        for uplink in &file.uplinks {
            let owner = format!("uplink \"{}\"", uplink.name.get_ref());
            if let Some(router) = &uplink.router {
                self.reference(&owner, "router", router, &routers);
            }
            if let Some(plug) = &uplink.plug {
                self.reference(&owner, "bridge", &plug.get_ref().bridge, &bridges);
            }
        }
    }

    /// `wanted`, the name of a `kind`, is among `known`.
    pub(super) fn reference(
        &mut self,
        owner: &str,
        kind: &str,
        wanted: &Text,
        known: &HashSet<&str>,
    ) {
        let name = wanted.get_ref().as_str();
        if known.contains(name) {
            return;
        }
        let mut known: Vec<&str> = known.iter().copied().collect();
        known.sort_unstable();
        let hint = self.hint(name, known.into_iter());
        self.fault(wanted.span(), format!("{owner}: there is no {kind} \"{name}\": {hint}"));
    }
}
