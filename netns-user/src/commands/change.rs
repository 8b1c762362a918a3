//! What all commands that change something do: tell the commands that it stands for, do it, and
//! say what was done.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use super::{print_json, print_text};
use crate::{
    cli::Changing,
    step::{NetlinkPool, Step, apply_all},
};

/// A change made of steps, checked as far as it can be without making it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) steps: Vec<Step>,
    /// What will have been done, in a word: "added", "deleted", …
    pub(super) outcome: &'static str,
    /// What it is done to, for a person.
    pub(super) object: String,
    /// What it is done to, for a program: the fields of an object.
    pub(super) fields: Value,
}

/// Makes a change, or tells of it, as `changing` wants it.
///
/// # Errors
/// Of the step that fails; those before it have been taken back.
pub(super) fn carry_out(
    changing: Changing,
    json: bool,
    change: Change,
) -> anyhow::Result<ExitCode> {
    let Change { steps, outcome, object, mut fields } = change;
    let commands: Vec<String> = steps.iter().flat_map(Step::commands).collect();
    let act = || {
        apply_all(&steps)?;
        // The change stands; a port that cannot be waited for opens all the same.
        let _ = NetlinkPool::new().await_ports(&steps);
        insert(&mut fields, "outcome", json!(outcome));
        Ok(fields)
    };
    apply(changing, json, &commands, act, |_| format!("{outcome}: {object}\n"))
}

/// Tells `commands` if it is wanted, and does what they stand for unless it is not. What is
/// printed as text with them is a script: the outcome is a comment in it.
///
/// # Errors
/// Those of `act`, or when standard output takes it not.
pub(super) fn apply<T: Serialize>(
    changing: Changing,
    json: bool,
    commands: &[String],
    act: impl FnOnce() -> anyhow::Result<T>,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<ExitCode> {
    let tells = changing.tells();
    if tells && !json {
        let script: String = commands.iter().map(|command| format!("{command}\n")).collect();
        print_text(&script)?;
    }
    if changing.dry_run {
        if json {
            print_json(&json!({ "commands": commands }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let done = act()?;
    if json {
        let mut value = serde_json::to_value(&done)?;
        if tells {
            insert(&mut value, "commands", json!(commands));
        }
        print_json(&value)?;
    } else {
        let mark = if tells { "# " } else { "" };
        let lines = text(&done);
        print_text(&lines.lines().map(|line| format!("{mark}{line}\n")).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(key.to_owned(), value);
    }
}
