//! `netns down [LAB|FILE]`

use std::{path::Path, process::ExitCode};

use schemars::JsonSchema;
use serde::Serialize;

use super::{STANDARD_INPUT, change::apply, read_topology};
use crate::{
    cli::{DownArgs, or_of_environment},
    inhabitants::Inhabitant,
    lab::{self, DownOutcome, LabError, LabRecord, TakenDown},
    topology::Topology,
};

/// The result of `down` for a lab.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Done {
    /// The name of the lab; `None`: no lab is up and none was named.
    lab: Option<String>,
    /// `"down"`, or `"not-up"` if there was nothing to do.
    outcome: &'static str,
    /// The processes in its namespaces: with `--kill` those that were ended, else those that still
    /// run; `None`: there are no such processes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processes: Vec<Inhabitant>,
}

impl Done {
    fn not_up(lab: Option<String>) -> Self {
        Self { lab, outcome: "not-up", processes: Vec::new() }
    }

    fn in_words(&self) -> String {
        match (&self.lab, self.outcome) {
            (None, _) => "no lab is up: nothing to do\n".into(),
            (Some(lab), "down") => format!("lab \"{lab}\" is down\n"),
            (Some(lab), _) => format!("lab \"{lab}\" is not up: nothing to do\n"),
        }
    }
}

/// Names the labs that are up, for somebody who has mistyped the name of one.
fn tell_labs() {
    let records = LabRecord::survey().map(|(records, _)| records).unwrap_or_default();
    let names: Vec<&str> = records.iter().map(LabRecord::name).collect();
    if !names.is_empty() {
        crate::tell!("note: labs that are up: {}", names.join(", "));
    }
}

/// Takes labs down.
///
/// # Errors
/// As [`lab::down`]; when several labs are up and none is named; when the file is faulty.
pub fn run(args: &DownArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    if args.all {
        return all(args, json);
    }
    let (name, topology) = match or_of_environment(args.lab.as_ref()) {
        Some(lab) if is_file(&lab) => {
            let topology = read_topology(Path::new(&lab))?;
            (Some(topology.name.clone()), Some(topology))
        }
        Some(lab) => (Some(lab), None),
        None => (only_lab()?, None),
    };
    let commands = match args.changing.tells() {
        true => commands(name.as_deref(), topology.as_ref(), args.changing.dry_run)?,
        false => Vec::new(),
    };
    let act = || match &name {
        Some(name) => down(name, args.kill),
        None => Ok(Done::not_up(None)),
    };
    apply(args.changing, json, &commands, act, Done::in_words)
}

/// The only lab that is up; `None`: none is.
fn only_lab() -> anyhow::Result<Option<String>> {
    let (records, faults) = LabRecord::survey()?;
    match (records.as_slice(), faults.into_iter().next()) {
        ([], None) => Ok(None),
        ([], Some(fault)) => Err(fault.into()),
        ([only], _) => Ok(Some(only.name().to_owned())),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(LabRecord::name).collect();
            Err(LabError::SeveralLabs(names.join(", ")).into())
        }
    }
}

/// The commands for a lab that is up, or for one that was made by a script of `up --dry-run`.
fn commands(
    name: Option<&str>,
    topology: Option<&Topology>,
    is_for_a_script: bool,
) -> anyhow::Result<Vec<String>> {
    let lecture = Topology::lecture();
    let name = name.unwrap_or(&lecture.name);
    let topology = topology.or_else(|| (name == lecture.name).then_some(&lecture));
    match topology {
        Some(topology) if is_for_a_script && !LabRecord::exists(name) => {
            Ok(lab::undo_commands(topology)?)
        }
        _ => Ok(lab::down_commands(name)?),
    }
}

fn all(args: &DownArgs, json: bool) -> anyhow::Result<ExitCode> {
    let names = lab::all_labs()?;
    let mut commands = Vec::new();
    if args.changing.tells() {
        for name in &names {
            commands.extend(lab::down_commands(name)?);
        }
    }
    let act = || {
        let mut done = Vec::new();
        let mut failed = None;
        for name in &names {
            match down(name, args.kill) {
                Ok(one) => done.push(one),
                // The other labs are still taken down.
                Err(error) => {
                    failed = Some(match failed {
                        None => error,
                        Some(first) => anyhow::anyhow!("{first:#}\n{error:#}"),
                    });
                }
            }
        }
        if failed.is_some() {
            // Standard output stays empty on an error, so the successes go to standard error.
            done.iter().for_each(|one| crate::tell!("{}", one.in_words().trim_end()));
        }
        failed.map_or(Ok(done), Err)
    };
    apply(args.changing, json, &commands, act, |done: &Vec<Done>| match done.as_slice() {
        [] => Done::not_up(None).in_words(),
        done => done.iter().map(Done::in_words).collect(),
    })
}

/// Takes one lab down, and reports on standard error what remains of it.
fn down(name: &str, kill: bool) -> anyhow::Result<Done> {
    let lab = Some(name.to_owned());
    let DownOutcome::Down(taken) = lab::down(name, kill)? else {
        tell_labs();
        return Ok(Done::not_up(lab));
    };
    let TakenDown { foreign, edited, own_hosts, processes, was_lost } = taken;
    for name in foreign {
        crate::tell!("warning: namespace \"{name}\" was not deleted: the lab did not make it");
    }
    for file in edited {
        crate::tell!("note: {} was not deleted: it was changed by hand", file.display());
    }
    for file in own_hosts {
        crate::tell!("note: {} was not deleted: netns has not made it", file.display());
    }
    if was_lost {
        crate::tell!(
            "warning: the record of lab \"{name}\" could not be read: netns removed the objects \
             that it recognised as part of the lab; `netns list` shows the remaining namespaces"
        );
    }
    for Inhabitant { namespace, pid, command } in &processes {
        match kill {
            true => crate::tell!("ended: process {pid} ({command}) in {namespace}"),
            false => crate::tell!(
                "note: process {pid} ({command}) still runs in namespace \"{namespace}\", which \
                 now has no name and exists until the process ends: end it with `kill {pid}`; \
                 `netns down --kill` ends such processes with the lab"
            ),
        }
    }
    Ok(Done { lab, outcome: "down", processes })
}

/// Whether an argument names a file. Names of labs have neither dots nor slashes, but a file may
/// have none either. `-` is standard input.
pub(super) fn is_file(argument: &str) -> bool {
    let is_path = argument == STANDARD_INPUT || argument.contains(['.', '/']);
    !LabRecord::exists(argument) && (is_path || Path::new(argument).is_file())
}
