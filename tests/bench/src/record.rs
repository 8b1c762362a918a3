//! The results of a run, as the JSON file holds them: docs/bench.md.

use serde::Serialize;

use crate::{machine::Machine, statistics::Summary, workloads::workload::Better};

/// Raised when a field changes its meaning or is removed.
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
    /// The time that one sample takes.
    pub(crate) window_ms: u128,
    pub(crate) machine: Machine,
    pub(crate) modes: Vec<ModeRecord>,
    #[serde(rename = "works")]
    pub(crate) workloads: Vec<WorkloadRecord>,
    pub(crate) results: Vec<ResultRecord>,
    pub(crate) advantages: Vec<AdvantageRecord>,
    pub(crate) programs: Vec<ProgramRecord>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModeRecord {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Why this mode was not measured.
    pub(crate) missing: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct WorkloadRecord {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The modes that it runs in.
    pub(crate) modes: Vec<&'static str>,
    /// For workloads that differ in one number: the name of their series, the number, and its unit.
    pub(crate) series: Option<&'static str>,
    pub(crate) x: Option<u32>,
    pub(crate) x_is: Option<&'static str>,
    /// The duration of all its rounds.
    pub(crate) seconds: f64,
}

/// One metric of a workload in a mode.
#[derive(Debug, Serialize)]
pub(crate) struct ResultRecord {
    #[serde(rename = "work")]
    pub(crate) workload: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// One for each round; null if the workload failed.
    pub(crate) samples: Vec<Option<f64>>,
    pub(crate) summary: Option<Summary>,
    /// Why samples are null.
    pub(crate) errors: Vec<String>,
}

/// How many times better `of` is than `against`, from the samples of each round. A value above 1 is
/// in favour of `of`, both for metrics to maximise and for metrics to minimise.
#[derive(Debug, Serialize)]
pub(crate) struct AdvantageRecord {
    #[serde(rename = "work")]
    pub(crate) workload: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) of: &'static str,
    pub(crate) against: &'static str,
    /// How many rounds have a sample of both.
    pub(crate) rounds: usize,
    pub(crate) summary: Summary,
}

/// The run time of one of our programs during a workload.
#[derive(Debug, Serialize)]
pub(crate) struct ProgramRecord {
    #[serde(rename = "work")]
    pub(crate) workload: &'static str,
    pub(crate) program: String,
    pub(crate) runs: u64,
    /// The mean of a run, including what the statistics themselves take.
    pub(crate) nanoseconds: f64,
    /// How many instructions the verifier checked.
    pub(crate) instructions: Option<u32>,
}
