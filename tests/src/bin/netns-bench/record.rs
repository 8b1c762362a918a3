//! What a run has found, as the JSON file has it: docs/bench.md.

use serde::Serialize;

use crate::{machine::Machine, statistics::Summary, works::Better};

/// Grows when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 2;

#[derive(Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) schema: u32,
    /// When the run began, in seconds since 1970.
    pub(crate) began: u64,
    /// How long it took, in seconds.
    pub(crate) seconds: u64,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// Of one sample.
    pub(crate) window_ms: u128,
    pub(crate) machine: Machine,
    pub(crate) modes: Vec<ModeRecord>,
    pub(crate) works: Vec<WorkRecord>,
    pub(crate) results: Vec<ResultRecord>,
    pub(crate) advantages: Vec<AdvantageRecord>,
    pub(crate) programs: Vec<ProgramRecord>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModeRecord {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Why it was not measured.
    pub(crate) missing: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct WorkRecord {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The modes that it is done in.
    pub(crate) modes: Vec<&'static str>,
    /// Of works that differ in one number: what they have in common, the number, and of what.
    pub(crate) series: Option<&'static str>,
    pub(crate) x: Option<u32>,
    pub(crate) x_is: Option<&'static str>,
    /// How long all its rounds took.
    pub(crate) seconds: f64,
}

/// One figure of a work in a mode.
#[derive(Debug, Serialize)]
pub(crate) struct ResultRecord {
    pub(crate) work: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// One a round; null where the work failed.
    pub(crate) samples: Vec<Option<f64>>,
    pub(crate) summary: Option<Summary>,
    /// Why the samples that are null are so.
    pub(crate) errors: Vec<String>,
}

/// How many times better `of` is than `against`, from the samples round by round: more than 1 is
/// in favour of `of`, whichever way the figure goes.
#[derive(Debug, Serialize)]
pub(crate) struct AdvantageRecord {
    pub(crate) work: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) of: &'static str,
    pub(crate) against: &'static str,
    /// How many rounds both have a sample of.
    pub(crate) rounds: usize,
    pub(crate) summary: Summary,
}

/// What a program of ours costs during a work.
#[derive(Debug, Serialize)]
pub(crate) struct ProgramRecord {
    pub(crate) work: &'static str,
    pub(crate) program: String,
    pub(crate) runs: u64,
    /// Of a run, on average, with what counting takes.
    pub(crate) nanoseconds: f64,
    /// How many instructions the verifier looked at.
    pub(crate) instructions: Option<u32>,
}
