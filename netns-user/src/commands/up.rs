//! `netns up [FILE]`

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::{Steps, change::perform, wanted};
use crate::{
    cli::UpArgs,
    demo::Interrupt,
    lab::{self, LabError, UpOutcome},
    topology::Topology,
};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: u8 = 128;

/// Builds the lab of a file, or the lecture's.
///
/// # Errors
/// As [`lab::up`], and when the file cannot be read or is faulty.
pub fn run(args: &UpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = wanted(args.file.as_deref(), args.via_stack)?;
    let commands = match args.changing.tells() {
        true => lab::plan(&topology)?.commands(),
        false => Vec::new(),
    };
    // Half-way through, a signal would leave half a lab.
    let interrupt = Interrupt::watch().context("cannot listen for signals")?;
    let name = &topology.name;
    let act = || Ok(Done { lab: name, outcome: build(&topology, &interrupt)? });
    let text = |done: &Done<'_>| format!("lab \"{name}\" {}\n", done.in_words());
    match perform(args.changing, json, &commands, act, text) {
        Err(error) if matches!(error.downcast_ref(), Some(LabError::Interrupted)) => {
            anstream::eprintln!("interrupted: lab \"{name}\" is as it was before");
            let code = |signal| ExitCode::from(SIGNALLED + signal);
            Ok(interrupt.signal().map_or(ExitCode::FAILURE, code))
        }
        done => done,
    }
}

/// What was done, as JSON shows it.
#[derive(Debug, Serialize)]
struct Done<'a> {
    lab: &'a str,
    outcome: UpOutcome,
}

impl Done<'_> {
    fn in_words(&self) -> &'static str {
        match self.outcome {
            UpOutcome::Built => "is up",
            UpOutcome::Changed => "is changed",
            UpOutcome::AlreadyUp => "is up already: nothing to do",
        }
    }
}

fn build(topology: &Topology, interrupt: &Interrupt) -> Result<UpOutcome, LabError> {
    let outcome = lab::up(topology, &Steps::until(interrupt))?;
    if outcome == UpOutcome::Built && interrupt.requested() {
        lab::down(&topology.name)?;
        return Err(LabError::Interrupted);
    }
    Ok(outcome)
}
