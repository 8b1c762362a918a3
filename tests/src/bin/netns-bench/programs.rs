//! What each program costs while a work is done, as the kernel counts it.
//!
//! Counting takes two looks at a clock a run, so it is done in a sample of its own, which is no
//! part of the work's figures.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{
    programs::{ProgramInfo, loaded_programs},
    sys::{Stats, enable_stats},
};

use crate::{places::Place, record::ProgramRecord, tracking::forget, works::Work};

/// Between them they bring nearly every program of the fast way to run.
const WORKS: [&str; 6] =
    ["udp-1", "forward-only-100k", "new-flows-10k", "tcp-crr", "publish-1", "east-west"];

/// Whether programs are counted during a work.
pub(crate) fn are_counted(work: &Work) -> bool {
    WORKS.contains(&work.name)
}

/// Programs that others have loaded, by their numbers.
#[derive(Debug)]
pub(crate) struct Strangers(HashSet<u32>);

impl Strangers {
    /// All that there are before any of ours is loaded. None where the kernel does not tell, which then
    /// tells of no costs either.
    pub(crate) fn now() -> Self {
        Self(programs().unwrap_or_default().iter().map(ProgramInfo::id).collect())
    }
}

/// Does a work once more and counts.
///
/// # Errors
/// When it fails, or the kernel does not count.
pub(crate) fn during(
    work: &Work,
    place: &Place,
    window: Duration,
    strangers: &Strangers,
) -> Result<Vec<ProgramRecord>> {
    forget(place)?;
    if work.repeats_its_flows() {
        // What it costs to begin them is counted by the works that are about that.
        work.sample(place, window)?;
    }
    let before = runs()?;
    let counting = enable_stats(Stats::RunTime).context("cannot have programs counted")?;
    work.sample(place, window)?;
    drop(counting);
    forget(place)?;
    let mut costs = Vec::new();
    for program in programs()? {
        let (was_run, took) = before.get(&program.id()).copied().unwrap_or_default();
        let runs = program.run_count() - was_run;
        if runs > 0 && !strangers.0.contains(&program.id()) {
            costs.push(ProgramRecord {
                work: work.name,
                program: program.name_as_str().unwrap_or("?").to_owned(),
                runs,
                nanoseconds: (program.run_time() - took).as_secs_f64() * 1e9 / runs as f64,
                instructions: program.verified_instruction_count(),
            });
        }
    }
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.runs));
    Ok(costs)
}

/// How often each loaded program was run, and how long that took, by its number.
fn runs() -> Result<HashMap<u32, (u64, Duration)>> {
    let of = |program: ProgramInfo| (program.id(), (program.run_count(), program.run_time()));
    Ok(programs()?.into_iter().map(of).collect())
}

fn programs() -> Result<Vec<ProgramInfo>> {
    loaded_programs().collect::<Result<_, _>>().context("cannot list the loaded programs")
}
