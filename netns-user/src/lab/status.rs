//! What of a lab is there, and what of it is not as its file says.

mod datapath;
mod survey;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{
    LabError, LabRecord,
    datapaths::{RouterDatapath, datapaths},
    diff::{Difference, Fate, diff},
    gates::gates,
    in_place,
    pieces::{Deviation, Key, pieces},
    resolver,
    world::World,
};
use crate::{datapath::Datapath, step::Place, topology::Topology};
use survey::Survey;

/// What a part of a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    Namespace,
    Uplink,
    Bridge,
    Cable,
    Address,
    Route,
    #[serde(rename = "name servers")]
    Resolver,
    Datapath,
}

impl PartKind {
    /// The kind in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Uplink => "uplink",
            Self::Bridge => "bridge",
            Self::Cable => "cable",
            Self::Address => "address",
            Self::Route => "route",
            Self::Resolver => "name servers",
            Self::Datapath => "datapath",
        }
    }
}

/// A part of a lab and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub kind: PartKind,
    pub name: String,
    /// Its role, addresses and ends, as the topology has them.
    pub detail: String,
    pub present: bool,
    /// Interfaces of it that are there, but switched off.
    pub off: Vec<String>,
    /// What of it somebody has changed by hand.
    pub changed: Vec<Deviation>,
}

impl Part {
    /// A part that is there as it should be.
    fn new(kind: PartKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Self { kind, name, detail, present: true, off: Vec::new(), changed: Vec::new() }
    }

    /// Whether it is there, switched on, and as the topology has it.
    pub fn works(&self) -> bool {
        self.present && self.off.is_empty() && self.changed.is_empty()
    }
}

/// A lab and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabStatus {
    pub lab: String,
    /// False when its `up` or `down` was interrupted.
    pub complete: bool,
    /// True when another version of the program has made what translates.
    pub other_version: bool,
    pub parts: Vec<Part>,
    /// The rules that hold now, in words.
    pub rules: Vec<String>,
}

impl LabStatus {
    /// The parts that are not there, in words.
    pub fn missing(&self) -> Vec<String> {
        let absent = self.parts.iter().filter(|part| !part.present);
        absent.map(|part| format!("{} \"{}\"", part.kind.name(), part.name)).collect()
    }

    /// Whether the lab is finished, lacks nothing, and is as its topology has it.
    pub fn is_whole(&self) -> bool {
        self.complete && self.parts.iter().all(Part::works)
    }
}

/// Looks at every part of a lab, and has its datapaths take up the routers' present addresses.
///
/// # Errors
/// When the kernel refuses to tell; that a part is missing is no error.
pub fn status(record: &LabRecord) -> Result<LabStatus, LabError> {
    let topology = &record.topology;
    let pieces = pieces(topology);
    let world = World::of(record, &pieces)?;
    let actual = world.actual(&pieces);
    let differences = diff(&actual, &pieces, &world.link_addresses(&actual));
    let mut survey = Survey {
        topology,
        strangers: record.strangers()?,
        world,
        changed: changed(&differences),
        gates: gates(topology).into_iter().collect(),
        watched: HashSet::new(),
        other_version: false,
    };
    let datapaths = survey.look_at_datapaths()?;
    let mut parts = survey.namespaces();
    parts.extend(survey.uplinks_and_bridges());
    parts.extend(survey.cables());
    parts.extend(survey.missing(&pieces));
    parts.extend(survey.changed_in_itself(&differences));
    parts.extend(survey.added(&pieces));
    parts.extend(edited(topology));
    parts.extend(datapaths);
    Ok(LabStatus {
        lab: topology.name.clone(),
        complete: record.is_settled(),
        other_version: survey.other_version,
        parts,
        rules: living_rules(topology),
    })
}

/// What is changed of each piece. That something is off is told with its interface.
fn changed(differences: &[Difference]) -> HashMap<Key, Vec<Deviation>> {
    let changed = differences.iter().filter(|difference| difference.fate == Fate::Changed);
    let told = changed.map(|difference| {
        let deviations = difference.deviations.iter().filter(|it| !it.is_off());
        (difference.piece.key(), deviations.cloned().collect())
    });
    told.collect()
}

/// The files with name servers that somebody has edited. They are kept, and no fault.
fn edited(topology: &Topology) -> impl Iterator<Item = Part> {
    let files = resolver::edited(topology).into_iter();
    files.map(|file| {
        Part::new(PartKind::Resolver, file.display().to_string(), "changed by hand; kept")
    })
}

/// The rules as the kernel holds them; none without a datapath or a router to read it in.
fn living_rules(topology: &Topology) -> Vec<String> {
    let of_router = |datapath: RouterDatapath| {
        let living = Datapath::open(&datapath.spec.lab).ok()?;
        let place = Place::of(datapath.router.as_deref());
        let masquerades = in_place(&place, || living.masquerades()).ok()?.ok()?;
        let forwards = living.forwards().ok()?;
        let masquerades = masquerades.into_iter().map(|status| status.rule.to_string());
        let forwards = forwards.into_iter().map(|status| status.rule.to_string());
        Some(masquerades.chain(forwards).collect::<Vec<_>>())
    };
    datapaths(topology).into_iter().filter_map(of_router).flatten().collect()
}
