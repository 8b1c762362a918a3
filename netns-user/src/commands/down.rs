//! `netns down [LAB|FILE]`

use std::{path::Path, process::ExitCode};

use serde_json::{Value, json};

use super::{change::perform, print, read_topology};
use crate::{
    cli::DownArgs,
    lab::{self, DownOutcome, LabError, LabRecord},
};

/// Takes a lab down.
///
/// # Errors
/// As [`lab::down`]; when several labs are up and none is named; when the file is faulty.
pub fn run(args: &DownArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let name = match &args.lab {
        Some(lab) if is_file(lab) => read_topology(Path::new(lab))?.name,
        Some(lab) => lab.clone(),
        None => {
            let (records, faults) = LabRecord::survey()?;
            match (records.as_slice(), faults.into_iter().next()) {
                ([], None) => {
                    print(json, &json!({ "lab": null, "outcome": "not-up" }), |_| {
                        "no lab is up: nothing to do\n".into()
                    })?;
                    return Ok(ExitCode::SUCCESS);
                }
                ([], Some(fault)) => return Err(fault.into()),
                ([only], _) => only.name().to_owned(),
                (several, _) => {
                    let names: Vec<&str> = several.iter().map(LabRecord::name).collect();
                    return Err(LabError::SeveralLabs(names.join(", ")).into());
                }
            }
        }
    };
    let commands = match args.changing.tells() {
        true => lab::down_commands(&name)?,
        false => Vec::new(),
    };
    let act = || {
        let outcome = lab::down(&name)?;
        if let DownOutcome::Down { strangers } = &outcome {
            for stranger in strangers {
                anstream::eprintln!(
                    "warning: namespace \"{stranger}\" is not the one that the lab made, and was \
                     left alone"
                );
            }
        }
        let word = if outcome == DownOutcome::NotUp { "not-up" } else { "down" };
        Ok(json!({ "lab": name, "outcome": word }))
    };
    let text = |done: &Value| match done["outcome"].as_str() {
        Some("down") => format!("lab \"{name}\" is down\n"),
        _ => format!("lab \"{name}\" is not up: nothing to do\n"),
    };
    perform(args.changing, json, &commands, act, text)
}

/// Names of labs have neither dots nor slashes; a file may have neither, too.
pub(super) fn is_file(argument: &str) -> bool {
    !LabRecord::exists(argument) && (argument.contains(['.', '/']) || Path::new(argument).is_file())
}
