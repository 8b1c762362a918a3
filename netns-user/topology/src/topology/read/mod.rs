//! From the file's text to the model. What cannot be read is reported and left out, so that
//! the rest of the file can still be checked.

mod entry;
mod hand_out;
mod links;
mod namespaces;
mod rules;
mod values;

pub(super) use entry::{COUNT, Entry};
use hand_out::Given;
use namespaces::Switch;
pub(super) use rules::{FLOW_TABLE, QUOTA, TIMEOUT};
pub(super) use values::{MTU, has_edges};

use super::{
    check,
    error::Fault,
    file::TopologyFile,
    model::{Bridge, Cable, Namespace, Router, Topology, Uplink},
};
use crate::rules::{ForwardRule, MasqueradeRule};

/// The file's parts in the file's order; `None` for those that could not be read.
#[derive(Debug)]
pub(super) struct Parts<'f> {
    pub(super) routers: Vec<Option<Router>>,
    pub(super) uplinks: Vec<Option<Uplink>>,
    pub(super) bridges: Vec<Option<Bridge>>,
    pub(super) entries: Vec<Entry<'f>>,
    /// For each entry its members.
    pub(super) namespaces: Vec<Option<Vec<Namespace>>>,
    pub(super) cables: Vec<Option<Cable>>,
    pub(super) masquerades: Vec<Option<MasqueradeRule>>,
    pub(super) forwards: Vec<Option<ForwardRule>>,
}

/// Reads and checks the whole file. `None` only when there are faults.
pub(super) fn read(text: &str, file: &TopologyFile, faults: &mut Vec<Fault>) -> Option<Topology> {
    let nat = rules::nat(&file.nat, faults);
    let first = links::first_router(&file.router);
    let first = first.as_deref();
    let routers = links::routers(&file.router, faults);
    let bridges: Vec<_> =
        file.bridges.iter().map(|part| links::bridge(part, first, faults)).collect();
    let uplinks: Vec<_> =
        file.uplinks.iter().map(|part| links::uplink(part, first, &bridges, faults)).collect();
    let cables: Vec<_> = file.cables.iter().map(|part| links::cable(part, faults)).collect();
    let dns: Vec<_> = file
        .bridges
        .iter()
        .map(|part| values::ips(&part.dns, &format!("bridge \"{}\"", part.name.get_ref()), faults))
        .collect();
    let switches = hand_out::by_name(file, &bridges)
        .into_iter()
        .map(|(name, (place, bridge))| (name, Switch { bridge, dns: &dns[place] }))
        .collect();
    let given = Given::new(&bridges, &uplinks, &cables);
    let entries = namespaces::entries(file, faults);
    let namespaces = namespaces::namespaces(&entries, &switches, given, faults);
    drop(switches);
    let parts = Parts {
        routers,
        uplinks,
        bridges,
        entries,
        namespaces,
        cables,
        masquerades: file.masquerades.iter().map(|part| rules::masquerade(part, faults)).collect(),
        forwards: file.forwards.iter().map(|part| rules::forward(part, faults)).collect(),
    };
    check::check(text, file, &parts, faults);
    Some(Topology {
        name: file.name.get_ref().clone(),
        nat: nat?,
        routers: parts.routers.into_iter().collect::<Option<_>>()?,
        uplinks: parts.uplinks.into_iter().collect::<Option<_>>()?,
        bridges: parts.bridges.into_iter().collect::<Option<_>>()?,
        namespaces: parts.namespaces.into_iter().collect::<Option<Vec<_>>>()?.concat(),
        cables: parts.cables.into_iter().collect::<Option<_>>()?,
        masquerades: parts.masquerades.into_iter().collect::<Option<_>>()?,
        forwards: parts.forwards.into_iter().collect::<Option<_>>()?,
    })
}
