//! Measures the run time of each eBPF program during a workload with the kernel's statistics.
//!
//! The statistics read the clock twice a run. Therefore they are collected in a separate sample,
//! which does not count towards the figures of the workload.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{
    programs::{ProgramInfo, loaded_programs},
    sys::{Stats, enable_stats},
};

use crate::{
    network::Network, record::ProgramRecord, tracking::flush, workloads::workload::Workload,
};

/// Together these run nearly every program of the fast path.
const WORKLOADS: [&str; 6] =
    ["udp-1", "forward-only-100k", "new-flows-10k", "tcp-crr", "publish-1", "east-west"];

/// Whether the run time of programs is measured during a workload.
pub(crate) fn are_measured(workload: &Workload) -> bool {
    WORKLOADS.contains(&workload.name)
}

/// The ids of the programs that others have loaded.
#[derive(Debug)]
pub(crate) struct ForeignPrograms(HashSet<u32>);

impl ForeignPrograms {
    /// Every program that exists before any of ours is loaded. Empty if the kernel does not list
    /// programs; it then does not report run times either.
    pub(crate) fn now() -> Self {
        Self(programs().unwrap_or_default().iter().map(ProgramInfo::id).collect())
    }
}

/// Runs a workload once more with statistics on.
///
/// # Errors
/// When the workload fails, or the kernel keeps no statistics.
pub(crate) fn measure(
    workload: &Workload,
    network: &Network,
    window: Duration,
    foreign: &ForeignPrograms,
) -> Result<Vec<ProgramRecord>> {
    flush(network)?;
    if workload.repeats_its_flows() {
        // Other workloads measure what the start of a flow costs.
        workload.sample(network, window, None)?;
    }
    let before = runs()?;
    let statistics =
        enable_stats(Stats::RunTime).context("cannot switch the statistics of programs on")?;
    workload.sample(network, window, None)?;
    drop(statistics);
    flush(network)?;
    let mut costs = Vec::new();
    for program in programs()? {
        let (runs_before, time_before) = before.get(&program.id()).copied().unwrap_or_default();
        let runs = program.run_count() - runs_before;
        if runs > 0 && !foreign.0.contains(&program.id()) {
            costs.push(ProgramRecord {
                workload: workload.name,
                program: program.name_as_str().unwrap_or("?").to_owned(),
                runs,
                nanoseconds: (program.run_time() - time_before).as_secs_f64() * 1e9 / runs as f64,
                instructions: program.verified_instruction_count(),
            });
        }
    }
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.runs));
    Ok(costs)
}

/// How often each loaded program has run, and for how long in all, by its id.
fn runs() -> Result<HashMap<u32, (u64, Duration)>> {
    let of = |program: ProgramInfo| (program.id(), (program.run_count(), program.run_time()));
    Ok(programs()?.into_iter().map(of).collect())
}

fn programs() -> Result<Vec<ProgramInfo>> {
    loaded_programs().collect::<Result<_, _>>().context("cannot list the loaded programs")
}
