//! Builds a lab, or changes one that is up.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    apply::apply,
    datapaths::datapaths,
    error::LabError,
    lock::LabLock,
    plan::Plan,
    preflight,
    progress::{Progress, Silent, step},
    record::{self, LabRecord, resolved},
    take_down::recorded::{clear, clear_unbuilt},
};
use crate::{
    datapath::Datapath,
    net::{
        Netns,
        hosts::{links, shared},
    },
    topology::Topology,
};

/// Attempts to complete a change.
const ROUNDS: usize = 3;

/// The result of `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpOutcome {
    /// The lab was built, and stays up without a process.
    Built,
    /// The lab was up, and was changed.
    Changed,
    /// The same lab was up already; nothing was changed.
    AlreadyUp,
}

/// Builds the lab with its datapaths, or changes one that is up where it differs. Remains of an
/// interrupted `up` are cleared, or completed. On failure everything is as before.
///
/// # Errors
/// When the caller is not root, something is in the way, or the kernel refuses.
pub fn up(topology: &Topology, progress: &dyn Progress) -> Result<UpOutcome, LabError> {
    preflight::require_root()?;
    if !LabRecord::exists(&topology.name) {
        preflight::requirements::require()?;
    }
    let lock = LabLock::acquire(|| progress.goes_on())?;
    match LabRecord::find(&topology.name)? {
        Some(record) if record.is_usable() => change(record, topology, &lock, progress),
        Some(unfinished) => {
            let what = match unfinished.going_down {
                true => "finishing an interrupted `down`",
                false => "removing the rest of an interrupted `up`",
            };
            step(progress, what, || LabError::collect(clear(&unfinished, &lock).errors))?;
            preflight::requirements::require()?;
            build(topology, &lock, progress)
        }
        None => build(topology, &lock, progress),
    }
}

fn build(
    topology: &Topology,
    lock: &LabLock,
    progress: &dyn Progress,
) -> Result<UpOutcome, LabError> {
    let mut record = LabRecord::new(topology, preflight::auto_uplink(topology)?);
    preflight::check_free(&record.topology, None)?;
    let plan = Plan::new(record.topology.clone())?;
    // A process that was killed while it removed a record may have left a part of it.
    record::files::remove(record.name())?;
    record.write()?;
    let _expedited = lock.expedite_rcu(plan.grace_periods())?;
    let built = apply(&plan, &mut record, progress).and_then(|()| record.finish());
    match built {
        Ok(()) => Ok(UpOutcome::Built),
        Err(error) => Err(error.with(clear_unbuilt(&record, lock))),
    }
}

/// Changes a lab. Parts that do not change are not touched, and keep their connections.
fn change(
    mut record: LabRecord,
    topology: &Topology,
    lock: &LabLock,
    progress: &dyn Progress,
) -> Result<UpOutcome, LabError> {
    let auto = preflight::auto_uplink(topology)?;
    let wanted = resolved(topology, auto.as_deref());
    preflight::check_free(&wanted, Some(&record))?;
    let plan = Plan::between(&record, wanted.clone())?;
    if plan.is_empty() && record.complete && record.topology == wanted {
        refresh(&wanted)?;
        return Ok(UpOutcome::AlreadyUp);
    }
    preflight::requirements::require()?;
    let before = record.complete.then(|| record.topology.clone());
    record.begin_change(wanted.clone())?;
    record.auto = auto;
    let _expedited = lock.expedite_rcu(plan.grace_periods())?;
    let changed = apply(&plan, &mut record, progress)
        .and_then(|()| converge(&mut record, &wanted, progress))
        .and_then(|()| finish(&mut record));
    let Err(error) = changed else { return Ok(UpOutcome::Changed) };
    // A half changed lab is of no use: change it back.
    let Some(before) = before else { return Err(error) };
    match go_back(&mut record, before) {
        Ok(()) => Err(error),
        Err(failure) => Err(error.with(vec![failure])),
    }
}

/// Plans and applies again until nothing is left to do. An object that was about to disappear when
/// the plan was made, such as a cable of a namespace that somebody has just deleted, is missing by
/// now.
fn converge(
    record: &mut LabRecord,
    wanted: &Topology,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    for _ in 0..ROUNDS {
        let rest = Plan::between(record, wanted.clone())?;
        if rest.is_empty() {
            break;
        }
        apply(&rest, record, progress)?;
    }
    Ok(())
}

/// Updates the routers' addresses in the datapaths of an unchanged lab, and the machine's entries
/// in its hosts file; completes interrupted changes of rules.
fn refresh(topology: &Topology) -> Result<(), LabError> {
    shared::refresh(&topology.name)?;
    for datapath in datapaths(topology) {
        let living = Datapath::open(&datapath.spec.lab)?;
        let netns = Netns::of(datapath.router.as_deref());
        netns.run(|| {
            living.refresh_host_addresses()?;
            living.recover_rules()
        })??;
    }
    Ok(())
}

fn go_back(record: &mut LabRecord, before: Topology) -> Result<(), LabError> {
    let plan = Plan::between(record, before.clone())?;
    record.begin_change(before)?;
    apply(&plan, record, &Silent)?;
    finish(record)
}

/// Records that a change is complete. A command that was killed may have deleted the link of a
/// namespace without its folder: this is the last that knows of the namespace.
fn finish(record: &mut LabRecord) -> Result<(), LabError> {
    let wanted: HashSet<&str> =
        record.topologies().next().into_iter().flat_map(Topology::namespace_names).collect();
    let gone = record.namespace_names().into_iter().filter(|name| !wanted.contains(name));
    for name in gone {
        links::remove(name, record.name())?;
    }
    record.finish()
}
