//! Builds a lab.

use super::{
    LabError, LabRecord, Progress,
    build::build_network,
    clear::{clear, clear_network},
    in_router, preflight,
    progress::step,
    record, status,
};
use netns_common::abi::Timeouts;

use crate::{
    datapath::{CableSpec, Datapath, DatapathSpec},
    net::sysctl,
    topology::Topology,
};

/// What `up` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpOutcome {
    /// The lab stands and lives on without a process.
    Built,
    /// The very same lab was there already; nothing was changed.
    AlreadyUp,
}

/// Builds the lab, its datapath included. What an interrupted `up` left is cleared first.
/// On failure everything that was made is taken down again.
///
/// # Errors
/// When it is not allowed, something is in the way, the kernel refuses, or a lab of that
/// name is up that is not the same or has lost a part.
pub fn up(topology: &Topology, progress: &dyn Progress) -> Result<UpOutcome, LabError> {
    preflight::require_root()?;
    preflight::require_kernel()?;
    let _lock = record::lock()?;
    if let Some(old) = LabRecord::find(&topology.name)? {
        if old.complete {
            return compare(&old, topology);
        }
        step(progress, "clearing what an interrupted `up` left", || {
            LabError::collect(clear(&old))
        })?;
    }
    let mut record = LabRecord::new(topology, preflight::auto_uplink(topology)?);
    preflight::check_free(&record.topology)?;
    record.write()?;
    match build(&mut record, progress) {
        Ok(()) => {}
        // The datapath comes last, and cleans up after its own failure.
        Err(error) => return Err(error.with(clear_network(&record))),
    }
    record.complete = true;
    match record.write() {
        Ok(()) => Ok(UpOutcome::Built),
        Err(error) => Err(error.with(clear(&record))),
    }
}

/// Whether the living lab is the one asked for, whole.
fn compare(old: &LabRecord, topology: &Topology) -> Result<UpOutcome, LabError> {
    let asked = LabRecord::new(topology, old.auto.clone());
    if asked.topology != old.topology {
        return Err(LabError::Changed(old.name().to_owned()));
    }
    let missing = status(old)?.missing();
    if missing.is_empty() {
        return Ok(UpOutcome::AlreadyUp);
    }
    Err(LabError::Damaged { lab: old.name().to_owned(), missing: missing.join(", ") })
}

fn build(record: &mut LabRecord, progress: &dyn Progress) -> Result<(), LabError> {
    if record.topology.uses_machine() {
        step(progress, "forwarding", || forward_packets(record))?;
    }
    let cables = build_network(record, progress)?;
    let spec = datapath_spec(&record.topology, cables);
    step(progress, "datapath", || {
        in_router(&record.topology, || Datapath::install(&spec))??;
        Ok(())
    })
}

/// Makes the machine a router. What the setting was is recorded first.
fn forward_packets(record: &mut LabRecord) -> Result<(), LabError> {
    let before = sysctl::read(sysctl::IP_FORWARD)?;
    if before != "1" {
        record.ip_forward = Some(before);
        record.write()?;
        sysctl::write(sysctl::IP_FORWARD, "1")?;
    }
    Ok(())
}

fn datapath_spec(topology: &Topology, cables: Vec<CableSpec>) -> DatapathSpec {
    DatapathSpec {
        lab: topology.name.clone(),
        flow_capacity: topology.nat.flow_table,
        uplinks: topology.uplinks.iter().map(|uplink| uplink.name.clone()).collect(),
        cables,
        inside: topology.bridges.iter().map(|bridge| bridge.address.trunc()).collect(),
        masquerades: topology.masquerades.clone(),
        forwards: topology.forwards.clone(),
        timeouts: Timeouts::default(),
        source_check: topology.nat.source_check,
    }
}
