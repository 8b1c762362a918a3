//! Checks that need several parts of the file together.

mod addresses;
mod duplicates;
mod forwards;
mod interfaces;
mod links;
mod masquerades;
mod names;
mod routed;
mod routes;
mod totals;
mod uplink_addresses;

use std::{collections::HashMap, ops::Range};

use super::{
    entry::Entry,
    error::{Fault, Lines},
    file::TopologyFile,
    model::{Bridge, Namespace},
    networks::Networks,
    parts::Parts,
    suggestion,
};

/// The number of faults from which no similar names are searched: nobody reads so many, and each
/// search goes through all names.
const HINTED: usize = 100;

/// Checks the parts that could be read against each other.
pub(super) fn check(text: &str, file: &TopologyFile, parts: &Parts<'_>, faults: &mut Vec<Fault>) {
    let named = parts.bridges.iter().flatten().rev();
    let bridges = named.map(|bridge| (bridge.name.as_str(), bridge)).collect();
    let networks = parts.networks();
    let lines = Lines::new(text);
    let mut check = Check { lines, file, parts, bridges, networks, is_connected: true, faults };
    let before = check.faults.len();
    check.names();
    check.interfaces();
    check.uplinks();
    check.is_connected = check.faults.len() == before;
    check.entries();
    check.addresses();
    check.duplicate_addresses();
    check.routes();
    check.masquerades();
    check.forwards();
    check.routed();
    check.totals();
}

struct Check<'a> {
    lines: Lines<'a>,
    file: &'a TopologyFile,
    parts: &'a Parts<'a>,
    /// The bridges that could be read, by their names.
    bridges: HashMap<&'a str, &'a Bridge>,
    networks: Networks<'a>,
    /// Whether all parts lead to each other without a fault. Where they do not, what reaches a
    /// router is not known.
    is_connected: bool,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Check<'a> {
    /// Reports a fault.
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault::new(span, message));
    }

    /// The line of a position, for messages.
    fn line(&self, span: &Range<usize>) -> usize {
        self.lines.line(span.start)
    }

    /// A hint for `wanted`, which is not among `known`.
    fn hint<'k>(&self, wanted: &str, known: impl Iterator<Item = &'k str>) -> String {
        if self.faults.len() > HINTED {
            return "use a name of this file".into();
        }
        suggestion::hint(wanted, known)
    }

    /// The entries that could be read, with their members.
    fn members(&self) -> impl Iterator<Item = (&'a Entry<'a>, &'a [Namespace])> + use<'a> {
        let parts = self.parts;
        let made = parts.entries.iter().zip(&parts.namespaces);
        made.filter_map(|(entry, members)| Some((entry, members.as_deref()?)))
    }

    /// The first router. Uplinks and bridges that name no router belong to it.
    fn first_router(&self) -> Option<&'a str> {
        let first = self.file.router.0.first()?;
        first.get_ref().namespace.as_ref().map(|name| name.get_ref().as_str())
    }
}

/// The name of a router in errors; `None`: the machine.
fn router_name(router: Option<&str>) -> String {
    router.map_or("the machine".to_owned(), |name| format!("router \"{name}\""))
}
