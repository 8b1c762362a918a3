//! The state of each part of a lab: whether it is there, and as its file says.
//!
//! It compares the actual state with the resources of the topology. It changes nothing, except that
//! each datapath gets the present addresses of its router.

mod datapath;
pub(crate) mod kept_files;
mod part;
mod survey;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    actual_state::ActualState,
    changes::{Change, ChangeKind, diff},
    datapaths::{RouterDatapath, datapaths},
    error::LabError,
    record::LabRecord,
    resources::{Deviation, Key, gates::gates, resources},
};
use crate::{datapath::Datapath, net::Netns, topology::Topology};
use kept_files::KeptFiles;
use survey::Survey;

pub use part::{Part, PartKind};

/// A lab and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LabStatus {
    /// The name of the lab.
    pub lab: String,
    /// False when its `up` or `down` was interrupted.
    pub complete: bool,
    /// True if another version of the program has installed a datapath.
    pub other_version: bool,
    /// Its parts and their states.
    pub parts: Vec<Part>,
    /// The present rules, in words.
    pub rules: Vec<String>,
}

impl LabStatus {
    /// The missing parts, in words.
    pub fn missing(&self) -> Vec<String> {
        let absent = self.parts.iter().filter(|part| !part.present);
        absent.map(|part| format!("{} \"{}\"", part.kind.name(), part.name)).collect()
    }

    /// Whether the lab is complete and every part works.
    pub fn is_whole(&self) -> bool {
        self.complete && self.parts.iter().all(Part::works)
    }
}

/// Checks every part of a lab, and updates the routers' addresses in its datapaths.
///
/// # Errors
/// When the kernel refuses to tell. A missing part is no error.
pub fn status(record: &LabRecord) -> Result<LabStatus, LabError> {
    let topology = &record.topology;
    let resources = resources(topology);
    let actual_state = ActualState::of(record, &resources)?;
    let actual = actual_state.actual(&resources);
    let changes = diff(&actual, &resources, &actual_state.link_addresses(&actual));
    let mut survey = Survey {
        topology,
        foreign: record.foreign_namespaces()?,
        actual_state,
        changed: changed(&changes),
        gates: gates(topology).into_iter().collect(),
        watched: HashSet::new(),
        other_version: false,
    };
    let datapaths = survey.look_at_datapaths()?;
    let mut parts = survey.namespaces();
    parts.extend(survey.uplinks_and_bridges());
    parts.extend(survey.cables());
    parts.extend(survey.missing(&resources));
    parts.extend(survey.changed_in_itself(&changes));
    parts.extend(survey.added(&resources));
    parts.extend(kept(topology));
    parts.extend(datapaths);
    Ok(LabStatus {
        lab: topology.name.clone(),
        complete: record.is_settled(),
        other_version: survey.other_version,
        parts,
        rules: living_rules(topology),
    })
}

/// The deviations of each resource. An interface that is switched off is reported otherwise.
fn changed(changes: &[Change]) -> HashMap<Key, Vec<Deviation>> {
    let changed = changes.iter().filter(|change| change.kind == ChangeKind::Change);
    let deviations = changed.map(|change| {
        let deviations = change.deviations.iter().filter(|it| !it.is_off());
        (change.resource.key(), deviations.cloned().collect())
    });
    deviations.collect()
}

/// The files that somebody has edited or made. They are kept, and are no fault.
fn kept(topology: &Topology) -> impl Iterator<Item = Part> {
    let part = |kind, file: PathBuf, detail| Part::new(kind, file.display().to_string(), detail);
    let KeptFiles { resolvers, hosts, own_hosts } = KeptFiles::of(topology);
    let resolvers = resolvers.into_iter().map(|file| (PartKind::Resolver, file));
    let edited = resolvers.chain(hosts.into_iter().map(|file| (PartKind::Hosts, file)));
    let edited = edited.map(move |(kind, file)| part(kind, file, "changed by hand; kept"));
    let own_hosts = own_hosts.into_iter();
    edited.chain(own_hosts.map(move |file| part(PartKind::Hosts, file, "not made by netns; kept")))
}

/// The rules that the kernel has; none without a datapath or a router.
fn living_rules(topology: &Topology) -> Vec<String> {
    let of_router = |datapath: RouterDatapath| {
        let living = Datapath::open(&datapath.spec.lab).ok()?;
        let netns = Netns::of(datapath.router.as_deref());
        let masquerades = netns.run(|| living.masquerades()).ok()?.ok()?;
        let forwards = living.forwards().ok()?;
        let masquerades = masquerades.into_iter().map(|status| status.rule.to_string());
        let forwards = forwards.into_iter().map(|status| status.rule.to_string());
        Some(masquerades.chain(forwards).collect::<Vec<_>>())
    };
    datapaths(topology).into_iter().filter_map(of_router).flatten().collect()
}
