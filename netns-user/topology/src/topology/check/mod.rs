//! What only shows when the parts of a topology are seen together.

mod addresses;
mod duplicates;
mod interfaces;
mod limits;
mod links;
mod names;
mod routed;
mod routes;
mod rules;
mod uplink_addresses;

use std::{collections::HashMap, ops::Range};

use super::{
    error::{Fault, Lines},
    file::TopologyFile,
    model::{Bridge, Namespace},
    names::unknown,
    networks::Networks,
    read::{Entry, Parts},
};

/// With more faults than this, nobody reads hints, and searching for them takes its time.
const HINTS: usize = 100;

pub(super) fn check(text: &str, file: &TopologyFile, parts: &Parts<'_>, faults: &mut Vec<Fault>) {
    let named = parts.bridges.iter().flatten().rev();
    let bridges = named.map(|bridge| (bridge.name.as_str(), bridge)).collect();
    let networks = networks(parts);
    let mut check = Check { lines: Lines::new(text), file, parts, bridges, networks, faults };
    check.names();
    check.interfaces();
    check.uplinks();
    check.entries();
    check.addresses();
    check.duplicate_addresses();
    check.routes();
    check.rules();
    check.routed();
    check.limits();
}

/// The networks of what could be read.
fn networks<'a>(parts: &'a Parts<'_>) -> Networks<'a> {
    Networks::new(
        parts.routers.iter().flatten(),
        parts.uplinks.iter().flatten(),
        parts.bridges.iter().flatten(),
        parts.namespaces.iter().flatten().flatten(),
        parts.cables.iter().flatten(),
    )
}

struct Check<'a> {
    lines: Lines<'a>,
    file: &'a TopologyFile,
    parts: &'a Parts<'a>,
    /// Those that could be read, by their names.
    bridges: HashMap<&'a str, &'a Bridge>,
    networks: Networks<'a>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Check<'a> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault::new(span, message));
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.lines.line(span.start)
    }

    /// What to do about `wanted`, which is none of `known`.
    fn hint<'k>(&self, wanted: &str, known: impl Iterator<Item = &'k str>) -> String {
        if self.faults.len() > HINTS {
            return "use a name of this file".into();
        }
        unknown(wanted, known)
    }

    /// The members of the entries that could be read.
    fn members(&self) -> impl Iterator<Item = (&'a Entry<'a>, &'a [Namespace])> + use<'a> {
        let parts = self.parts;
        let made = parts.entries.iter().zip(&parts.namespaces);
        made.filter_map(|(entry, members)| Some((entry, members.as_deref()?)))
    }

    /// Whether all parts could be read that say where a network is.
    fn knows_all_networks(&self) -> bool {
        let parts = self.parts;
        parts.routers.iter().all(Option::is_some)
            && parts.uplinks.iter().all(Option::is_some)
            && parts.bridges.iter().all(Option::is_some)
            && parts.namespaces.iter().all(Option::is_some)
            && parts.cables.iter().all(Option::is_some)
    }

    /// The router that everything belongs to that names none.
    fn first_router(&self) -> Option<&'a str> {
        let first = self.file.router.0.first()?;
        first.get_ref().namespace.as_ref().map(|name| name.get_ref().as_str())
    }
}
