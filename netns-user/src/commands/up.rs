//! `netns up [FILE]`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    TerminalProgress,
    change::apply,
    forward::{tell_other_forwards, tell_shadowed},
    wanted,
};
use crate::{
    cli::UpArgs,
    demo::Interrupt,
    lab::{
        self, KeptFiles, LabError, LabRecord, OtherForward, OtherMasquerade, ShadowedListener,
        UncoveredInterface, UpOutcome,
    },
    topology::Topology,
};

/// A shell reports a program that a signal ended as this plus the number of the signal.
const SIGNALLED: u8 = 128;

/// The notes name so many interfaces without an uplink, and count the rest.
const NAMED: usize = 5;

/// Builds the lab of a file, or the lecture's lab.
///
/// # Errors
/// As [`lab::up`], and when the file cannot be read or is faulty.
pub fn run(args: &UpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = wanted(args.file.as_deref(), args.via_stack)?;
    let commands = match args.changing.tells() {
        true => lab::plan(&topology)?.commands(),
        false => Vec::new(),
    };
    // A signal must not end the process in the middle, with half a lab.
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let name = &topology.name;
    let act = || {
        let outcome = build(&topology, &interrupt)?;
        // The lab is up even if the routes of the machine cannot be read.
        let uncovered = uncovered(name).unwrap_or_default();
        let shadowed = lab::shadowed(&topology).unwrap_or_default();
        let other_forwards = lab::other_forwards(&topology).unwrap_or_default();
        let other_masquerades = lab::other_masquerades(&topology).unwrap_or_default();
        if outcome != UpOutcome::AlreadyUp && !json {
            notes(&uncovered).lines().for_each(|line| crate::tell!("{line}"));
            tell_shadowed(&shadowed);
            tell_other_forwards(&other_forwards);
            tell_other_masquerades(&other_masquerades);
        }
        let kept = KeptFiles::of(&topology);
        if !json {
            tell_kept(&kept);
        }
        Ok(Done {
            lab: name,
            outcome,
            uncovered,
            shadowed,
            other_forwards,
            other_masquerades,
            edited: kept.edited(),
            own_hosts: kept.own_hosts,
        })
    };
    let text = |done: &Done<'_>| format!("lab \"{name}\" {}\n", done.in_words());
    match apply(args.changing, json, &commands, act, text) {
        Err(error) if matches!(error.downcast_ref(), Some(LabError::Interrupted)) => {
            crate::tell!("interrupted: all changes to lab \"{name}\" are undone");
            let code = |signal| ExitCode::from(SIGNALLED + signal);
            Ok(interrupt.signal().map_or(ExitCode::FAILURE, code))
        }
        done => done,
    }
}

/// The result of `up`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Done<'a> {
    /// The name of the lab.
    lab: &'a str,
    /// The result.
    outcome: UpOutcome,
    /// Interfaces without an uplink to which the machine routes packets of the lab: they are
    /// dropped.
    uncovered: Vec<UncoveredInterface>,
    /// Programs that get no new connections, since their ports are forwarded.
    shadowed: Vec<ShadowedListener>,
    /// Rules of other NATs for ports that the lab forwards.
    other_forwards: Vec<OtherForward>,
    /// Rules of other NATs for sources of the lab.
    other_masquerades: Vec<OtherMasquerade>,
    /// Files of the lab that were changed by hand, and are kept.
    edited: Vec<PathBuf>,
    /// Hosts files of its namespaces that netns has not made, and keeps.
    own_hosts: Vec<PathBuf>,
}

impl Done<'_> {
    fn in_words(&self) -> &'static str {
        match self.outcome {
            UpOutcome::Built => "is up",
            UpOutcome::Changed => "is changed",
            UpOutcome::AlreadyUp => "is already up: nothing to do",
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

/// The interfaces that routes lead to and that are no uplinks of the lab.
fn uncovered(lab: &str) -> Result<Vec<UncoveredInterface>, LabError> {
    // The record names the interface that "auto" stands for.
    lab::uncovered(&LabRecord::load(lab)?.topology)
}

/// Names the files of the lab that somebody has edited or made and are therefore kept.
pub(super) fn tell_kept(kept: &KeptFiles) {
    for file in &kept.own_hosts {
        crate::tell!(
            "note: {} was not made by netns, so `netns up` keeps it; delete it and run `netns up` \
             again to have the names of the lab in this namespace",
            file.display()
        );
    }
    for file in kept.edited() {
        crate::tell!(
            "note: {} was changed by hand, so `netns up` keeps it; delete it to have it written \
             again",
            file.display()
        );
    }
}

/// Names rules of other NATs for the lab's sources that come before the lab's own.
fn tell_other_masquerades(others: &[OtherMasquerade]) {
    for one in others.iter().filter(|one| one.is_used) {
        crate::tell!("note: {}; `{}` deletes it", one.in_words(), one.command);
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
            "note: packets of the lab {packets} are dropped: the machine routes them out of \
             \"{interface}\", which is not an uplink of the lab\n"
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
note: packets of the lab on the default route are dropped: the machine routes them out of \"tun0\", which is not an uplink of the lab
note: packets of the lab to 10.8.0.0/16 are dropped: the machine routes them out of \"wg0\", which is not an uplink of the lab
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
        let last = "note: and 3 more: `netns doctor FILE` names all such interfaces\n";
        assert!(notes.ends_with(last), "{notes}");
    }
}
