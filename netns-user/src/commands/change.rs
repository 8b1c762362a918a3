//! The common part of all commands that change something: print the equivalent commands, make the
//! change and print the result.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{print_json, print_text};
use crate::{
    cli::Changing,
    step::{NetlinkPool, Step, apply_all},
};

/// A change made of steps. It is checked as far as possible before it is made.
#[derive(Debug)]
pub(super) struct Change<F> {
    pub(super) steps: Vec<Step>,
    /// The result in a word: "added", "deleted", …
    pub(super) outcome: &'static str,
    /// The changed object, for the text.
    pub(super) object: String,
    /// The changed object, for JSON.
    pub(super) fields: F,
}

/// A namespace: one that was added, deleted or looked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NamedNamespace {
    /// The name of the namespace.
    pub(super) namespace: String,
}

/// The result of a change, as JSON shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed<F> {
    #[serde(flatten)]
    fields: F,
    /// The result: `"added"`, `"deleted"`, `"attached"`, `"detached"` or `"set"`.
    outcome: &'static str,
}

/// The result of a dry run: nothing was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DryRun<'a> {
    /// The equivalent commands of each step, as a script for a shell.
    commands: &'a [String],
}

/// Makes a change or prints its commands, as `changing` says.
///
/// # Errors
/// The error of the step that fails; the steps before it have been undone.
pub(super) fn carry_out<F: Serialize + JsonSchema>(
    changing: Changing,
    json: bool,
    change: Change<F>,
) -> anyhow::Result<ExitCode> {
    let Change { steps, outcome, object, fields } = change;
    let commands: Vec<String> = steps.iter().flat_map(Step::commands).collect();
    let act = || {
        apply_all(&steps)?;
        // The change is made. A port whose state cannot be watched begins to forward anyway.
        let _ = NetlinkPool::new().await_ports(&steps);
        Ok(Changed { fields, outcome })
    };
    apply(changing, json, &commands, act, |_| format!("{outcome}: {object}\n"))
}

/// Prints `commands` if that is wanted, and calls `act` except in a dry run. Text that is printed
/// with the commands is a script, in which the result is a comment.
///
/// # Errors
/// Those of `act`, and when standard output cannot be written.
pub(super) fn apply<T: Serialize + JsonSchema>(
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
            print_json(&DryRun { commands })?;
        } else if commands.is_empty() {
            crate::tell!("nothing to do");
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
