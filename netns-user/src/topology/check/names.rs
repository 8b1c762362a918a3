//! Names: fit for what they name, and each given once.

use std::{collections::HashMap, ops::Range};

use super::Check;
use crate::{
    net::netns,
    topology::{
        file::Text,
        names::{interface_fault, lab_fault},
        parse::{interface_name, port_name},
    },
};

/// A name in use: what bears it and where the file says so.
struct Named {
    /// What an error calls its bearer: `bridge`, `namespace`, …
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
        self.namespace_names();
        self.interface_names();
        self.bridges_of_namespaces();
    }

    fn namespace_names(&mut self) {
        let file = self.file;
        let mut all = Vec::new();
        all.extend(file.router.namespace.iter().map(|name| Named::new("the router", name)));
        for uplink in &file.uplinks {
            let outside = uplink.outside.iter();
            all.extend(outside.map(|part| Named::new("outside", &part.get_ref().namespace)));
        }
        all.extend(file.namespaces.iter().map(|part| Named::new("namespace", &part.name)));
        for Named { kind, name, span } in &all {
            if let Some(fault) = netns::name_fault(name) {
                self.fault(span.clone(), format!("{kind}: \"{name}\" names no namespace: {fault}"));
            }
        }
        self.unique(&all, "a namespace");
    }

    fn interface_names(&mut self) {
        let file = self.file;
        let mut router = Vec::new();
        router.extend(file.uplinks.iter().map(|part| Named::new("uplink", &part.name)));
        router.extend(file.bridges.iter().map(|part| Named::new("bridge", &part.name)));
        let mut elsewhere = Vec::new();
        for uplink in &file.uplinks {
            let outside = uplink.outside.iter();
            elsewhere
                .extend(outside.map(|part| Named::new("interface", &part.get_ref().interface)));
        }
        elsewhere.extend(
            file.namespaces.iter().filter_map(|part| {
                part.interface.as_ref().map(|name| Named::new("interface", name))
            }),
        );
        router.extend(
            file.namespaces
                .iter()
                .filter_map(|part| part.port.as_ref().map(|name| Named::new("port", name))),
        );
        for Named { kind, name, span } in router.iter().chain(&elsewhere) {
            if let Some(fault) = interface_fault(name) {
                let message = format!("{kind} \"{name}\": it names no interface: {fault}");
                self.fault(span.clone(), message);
            }
        }
        self.default_interface_names(&mut router);
        self.unique(&router, "an interface of the router");
    }

    /// Names that the file leaves out are made from the namespace's, which may not fit.
    fn default_interface_names(&mut self, router: &mut Vec<Named>) {
        let file = self.file;
        for part in &file.namespaces {
            let owner = part.name.get_ref();
            let span = part.name.span();
            let interface = interface_name(part);
            let port = port_name(part);
            let mut report = |kind: &str, name: &str, fault: &str, keys: &str| {
                let message = format!(
                    "namespace \"{owner}\": the {kind} name that goes with it, \"{name}\", does \
                     not fit: {fault}: set {keys}"
                );
                self.fault(span.clone(), message);
            };
            // Those that the file gives are reported where they stand.
            let unfit_interface = interface_fault(&interface).filter(|_| part.interface.is_none());
            let unfit_port = interface_fault(&port).filter(|_| part.port.is_none());
            match (unfit_interface, unfit_port) {
                // Two faults with one cause.
                (Some(fault), Some(_)) => {
                    report("interface", &interface, &fault, "`interface` and `port`");
                }
                (Some(fault), None) => report("interface", &interface, &fault, "`interface`"),
                (None, Some(fault)) => report("port", &port, &fault, "`port`"),
                (None, None) => {}
            }
            if part.port.is_none() {
                router.push(Named { kind: "port", name: port, span });
            }
        }
    }

    fn bridges_of_namespaces(&mut self) {
        let file = self.file;
        for part in &file.namespaces {
            let wanted = part.bridge.get_ref();
            let known = file.bridges.iter().map(|bridge| bridge.name.get_ref().as_str());
            if let Some(hint) = unknown(wanted, known) {
                let owner = part.name.get_ref();
                let message =
                    format!("namespace \"{owner}\": there is no bridge \"{wanted}\": {hint}");
                self.fault(part.bridge.span(), message);
            }
        }
    }

    fn unique(&mut self, all: &[Named], what: &str) {
        let mut seen: HashMap<&str, &Named> = HashMap::new();
        for named in all {
            let Some(first) = seen.get(named.name.as_str()) else {
                seen.insert(&named.name, named);
                continue;
            };
            let message = format!(
                "{} \"{}\": {what} of that name is there already ({}, line {}): choose another",
                named.kind,
                named.name,
                first.kind,
                self.line(&first.span)
            );
            self.fault(named.span.clone(), message);
        }
    }
}

/// `None` when `wanted` is known; else what to do about it.
pub(super) fn unknown<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    if known.contains(&wanted) {
        return None;
    }
    Some(match known.as_slice() {
        [] => "the file has none: add it".into(),
        [only] => format!("did you mean \"{only}\"?"),
        several => format!("there are {}", several.join(", ")),
    })
}
