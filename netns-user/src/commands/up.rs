//! `netns up [FILE]`

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::{Steps, print, read_topology};
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
    let topology = match &args.file {
        Some(file) => read_topology(file)?,
        None => Topology::lecture(),
    };
    if args.changing.dry_run {
        return tell(&lab::plan(&topology)?.commands(), json);
    }
    if args.changing.explain {
        tell(&lab::plan(&topology)?.commands(), json)?;
    }
    // Half-way through, a signal would leave half a lab.
    let interrupt = Interrupt::watch().context("cannot listen for signals")?;
    let steps = Steps::until(&interrupt);
    let outcome = lab::up(&topology, &steps);
    drop(steps);
    let name = &topology.name;
    let (word, text) = match outcome {
        Err(LabError::Interrupted) => return Ok(interrupted(name, &interrupt)),
        Err(error) => return Err(error.into()),
        Ok(UpOutcome::Built) if interrupt.requested() => {
            lab::down(name)?;
            return Ok(interrupted(name, &interrupt));
        }
        Ok(UpOutcome::Built) => ("built", format!("lab \"{name}\" is up\n")),
        Ok(UpOutcome::Changed) => ("changed", format!("lab \"{name}\" is changed\n")),
        Ok(UpOutcome::AlreadyUp) => {
            ("already-up", format!("lab \"{name}\" is up already: nothing to do\n"))
        }
    };
    print(json, &json!({ "lab": name, "outcome": word }), |_| text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints commands: a script, unless JSON is asked for.
pub(super) fn tell(commands: &[String], json: bool) -> anyhow::Result<ExitCode> {
    print(json, &json!({ "commands": commands }), |_| {
        commands.iter().map(|command| format!("{command}\n")).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn interrupted(lab: &str, interrupt: &Interrupt) -> ExitCode {
    anstream::eprintln!("interrupted: lab \"{lab}\" is taken down again");
    interrupt.signal().map_or(ExitCode::FAILURE, |signal| ExitCode::from(SIGNALLED + signal))
}
