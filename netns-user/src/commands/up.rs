//! `netns up [FILE]`

use std::process::ExitCode;

use serde_json::json;

use super::{Steps, print, read_topology};
use crate::{
    cli::UpArgs,
    lab::{self, UpOutcome},
    topology::Topology,
};

/// Builds the lab of a file, or the lecture's.
///
/// # Errors
/// As [`lab::up`], and when the file cannot be read or is faulty.
pub fn run(args: &UpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = match &args.file {
        Some(file) => read_topology(file)?,
        None => Topology::lecture(),
    };
    let steps = Steps::new();
    let outcome = lab::up(&topology, &steps)?;
    drop(steps);
    let name = &topology.name;
    let (word, text) = match outcome {
        UpOutcome::Built => ("built", format!("lab \"{name}\" is up\n")),
        UpOutcome::AlreadyUp => {
            ("already-up", format!("lab \"{name}\" is up already: nothing to do\n"))
        }
    };
    print(json, &json!({ "lab": name, "outcome": word }), |_| text)?;
    Ok(ExitCode::SUCCESS)
}
