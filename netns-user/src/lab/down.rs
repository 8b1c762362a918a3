//! Takes a lab down.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    error::LabError,
    lock::LabLock,
    preflight,
    record::{LabRecord, NamespaceOwner},
    take_down::{Cleared, recorded::clear, unrecorded::Lost},
};
use crate::{
    inhabitants::{Inhabitant, end_inhabitants, inhabitants},
    net::netns::Visitor,
};

/// The result of `down`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownOutcome {
    Down(TakenDown),
    /// No lab of that name was up.
    NotUp,
}

/// How a lab was taken down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenDown {
    /// Names of the lab's namespaces that somebody else's namespaces have now; they were left
    /// alone.
    pub foreign: Vec<String>,
    /// Files of the lab that were changed by hand; they stay.
    pub edited: Vec<PathBuf>,
    /// Hosts files of its namespaces that netns has not made; they stay.
    pub own_hosts: Vec<PathBuf>,
    /// Processes in its namespaces: those that were ended with `kill`, else those that still run.
    pub processes: Vec<Inhabitant>,
    /// Whether its record was missing or unreadable: then only what is recognisably the lab's was
    /// taken down.
    pub was_lost: bool,
}

/// Takes a lab down: datapath, links, namespaces, settings, record. Objects that are gone already
/// are no error, nor is a lab that is not up. With `kill`, the processes in its namespaces are
/// ended first.
///
/// # Errors
/// All failures together. The record then stays for another attempt.
pub fn down(lab: &str, kill: bool) -> Result<DownOutcome, LabError> {
    preflight::require_root()?;
    let lock = LabLock::acquire(|| true)?;
    match LabRecord::find(lab) {
        Ok(Some(mut record)) => {
            // `down` is the remedy for a broken lab: a failure here must not prevent it.
            let not_noted = record.begin_down().err();
            let processes = match own_namespaces(&record) {
                Ok(own) => processes_in(&own, kill)?,
                Err(error) if kill => return Err(error),
                Err(_) => Vec::new(),
            };
            let Cleared { foreign, edited, own_hosts, mut errors } = clear(&record, &lock);
            if !errors.is_empty() {
                errors.extend(not_noted);
            }
            LabError::collect(errors)?;
            Ok(DownOutcome::Down(TakenDown {
                foreign,
                edited,
                own_hosts,
                processes,
                was_lost: false,
            }))
        }
        Ok(None) | Err(LabError::BadRecord { .. } | LabError::OtherVersion(_)) => {
            let Some(lost) = Lost::find(lab)? else { return Ok(DownOutcome::NotUp) };
            let names = lost.namespaces().iter().map(String::as_str).collect();
            let processes = processes_in(&names, kill)?;
            let Cleared { edited, own_hosts, errors, .. } = lost.clear(lab, &lock);
            LabError::collect(errors)?;
            // Otherwise only a part of its record was left.
            let was_lost = lost.has_network() || lost.has_datapath();
            let foreign = Vec::new();
            Ok(DownOutcome::Down(TakenDown { foreign, edited, own_hosts, processes, was_lost }))
        }
        Err(error) => Err(error),
    }
}

/// The names of the labs on this machine. A lab of which only pins are left is not among them: it
/// may be up in another mount namespace.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn all_labs() -> Result<Vec<String>, LabError> {
    let (records, faults) = LabRecord::survey()?;
    let mut names: BTreeSet<String> =
        records.iter().map(|record| record.name().to_owned()).collect();
    for fault in faults {
        match fault {
            LabError::BadRecord { lab, .. } | LabError::OtherVersion(lab) => {
                names.insert(lab);
            }
            LabError::LostRecord(lab) => {
                let has_network = Lost::find(&lab)?.is_some_and(|lost| lost.has_network());
                names.extend(has_network.then_some(lab));
            }
            error => return Err(error),
        }
    }
    Ok(names.into_iter().collect())
}

/// The namespaces of a lab that are still its own.
fn own_namespaces(record: &LabRecord) -> Result<BTreeSet<&str>, LabError> {
    Visitor::send(|visitor| {
        let mut own = BTreeSet::new();
        for name in record.namespace_names() {
            if record.owner_of(name, visitor)? == NamespaceOwner::Own {
                own.insert(name);
            }
        }
        Ok(own)
    })
}

fn processes_in(names: &BTreeSet<&str>, kill: bool) -> Result<Vec<Inhabitant>, LabError> {
    if kill {
        let ended = end_inhabitants(names);
        return ended.map_err(|error| LabError::file("end the processes of the lab", error));
    }
    // A failure to list processes must not prevent `down`.
    Ok(inhabitants(names.iter().copied()).unwrap_or_default())
}
