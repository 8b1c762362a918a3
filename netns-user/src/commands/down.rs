//! `netns down [LAB|FILE]`

use std::{path::Path, process::ExitCode};

use serde_json::json;

use super::{print, read_topology, up};
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
    if args.changing.dry_run || args.changing.explain {
        up::tell(&lab::down_commands(&name)?, json)?;
    }
    if args.changing.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let (word, text) = match lab::down(&name)? {
        DownOutcome::Down { strangers } => {
            for stranger in strangers {
                anstream::eprintln!(
                    "warning: namespace \"{stranger}\" is not the one that the lab made, and was \
                     left alone"
                );
            }
            ("down", format!("lab \"{name}\" is down\n"))
        }
        DownOutcome::NotUp => ("not-up", format!("lab \"{name}\" is not up: nothing to do\n")),
    };
    print(json, &json!({ "lab": name, "outcome": word }), |_| text)?;
    Ok(ExitCode::SUCCESS)
}

/// Names of labs have neither dots nor slashes; a file may have neither, too.
fn is_file(argument: &str) -> bool {
    !LabRecord::exists(argument) && (argument.contains(['.', '/']) || Path::new(argument).is_file())
}
