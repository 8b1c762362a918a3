//! `netns up [FILE]`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use serde::Serialize;

use super::{TerminalProgress, change::apply, forward::tell_shadowed, wanted};
use crate::{
    cli::UpArgs,
    demo::Interrupt,
    lab::{self, LabError, LabRecord, ShadowedListener, UncoveredInterface, UpOutcome},
    topology::Topology,
};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: u8 = 128;

/// How many interfaces without an uplink are named.
const NAMED: usize = 5;

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
    let act = || {
        let outcome = build(&topology, &interrupt)?;
        // The lab is up, whether or not the routes of the machine can be read.
        let uncovered = uncovered(name).unwrap_or_default();
        let shadowed = lab::shadowed(&topology).unwrap_or_default();
        if outcome != UpOutcome::AlreadyUp && !json {
            notes(&uncovered).lines().for_each(|line| crate::tell!("{line}"));
            tell_shadowed(&shadowed);
        }
        let edited = lab::edited_resolvers(&topology);
        if !json {
            tell_edited(&edited);
        }
        Ok(Done { lab: name, outcome, uncovered, shadowed, edited })
    };
    let text = |done: &Done<'_>| format!("lab \"{name}\" {}\n", done.in_words());
    match apply(args.changing, json, &commands, act, text) {
        Err(error) if matches!(error.downcast_ref(), Some(LabError::Interrupted)) => {
            crate::tell!("interrupted: lab \"{name}\" is as it was before");
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
    /// Where the machine routes packets of the lab that the datapath drops.
    uncovered: Vec<UncoveredInterface>,
    /// Programs that get no new connection, since their ports are forwarded.
    shadowed: Vec<ShadowedListener>,
    /// Files of the lab's that were changed by hand, and are kept.
    edited: Vec<PathBuf>,
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
    let outcome = lab::up(topology, &TerminalProgress::until(interrupt))?;
    if outcome == UpOutcome::Built && interrupt.requested() {
        lab::down(&topology.name, false)?;
        return Err(LabError::Interrupted);
    }
    Ok(outcome)
}

/// The interfaces that no uplink of the lab covers, as it is up.
fn uncovered(lab: &str) -> Result<Vec<UncoveredInterface>, LabError> {
    // The record names the interface that "auto" stands for.
    lab::uncovered(&LabRecord::load(lab)?.topology)
}

/// Tells which files of the lab's somebody has changed by hand, so that they are kept.
pub(super) fn tell_edited(edited: &[PathBuf]) {
    for file in edited {
        crate::tell!(
            "note: {} was changed by hand since `netns up` wrote it, and is kept; without it, \
             `netns up` writes it again",
            file.display()
        );
    }
}

/// A line for each of the first interfaces, and one for the rest.
fn notes(uncovered: &[UncoveredInterface]) -> String {
    let (named, more) = uncovered.split_at(uncovered.len().min(NAMED));
    let mut text = String::new();
    for found in named {
        let UncoveredInterface { interface, destination } = found;
        let packets = if found.is_default() {
            "on the default route".into()
        } else {
            format!("to {destination}")
        };
        text += &format!(
            "note: packets of the lab {packets} are dropped: the machine routes them by \
             \"{interface}\", which is no uplink of the lab\n"
        );
    }
    if !more.is_empty() {
        text += &format!(
            "note: and {} more: `netns doctor FILE` names all such interfaces\n",
            more.len()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncovered(interface: &str, destination: &str) -> UncoveredInterface {
        let destination = destination.parse().unwrap();
        UncoveredInterface { interface: interface.to_owned(), destination }
    }

    #[test]
    fn each_interface_without_an_uplink_has_a_note() {
        let found = [uncovered("tun0", "0.0.0.0/0"), uncovered("wg0", "10.8.0.0/16")];
        assert_eq!(
            notes(&found),
            "\
note: packets of the lab on the default route are dropped: the machine routes them by \"tun0\", which is no uplink of the lab
note: packets of the lab to 10.8.0.0/16 are dropped: the machine routes them by \"wg0\", which is no uplink of the lab
"
        );
        assert_eq!(notes(&[]), "");
    }

    #[test]
    fn more_than_five_interfaces_are_counted() {
        let found: Vec<UncoveredInterface> =
            (0..8).map(|number| uncovered(&format!("br{number}"), "10.8.0.0/16")).collect();
        let notes = notes(&found);
        assert_eq!(notes.lines().count(), 6, "{notes}");
        assert!(
            notes.ends_with("note: and 3 more: `netns doctor FILE` names all such interfaces\n")
        );
    }
}
