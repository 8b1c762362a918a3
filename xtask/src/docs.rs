//! `cargo xtask docs`: writes the pages of docs/ that are made of the code.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, check};

/// The tests that compare the pages with the code. With this variable they write the pages.
const TESTS: &str = "commands::reference";
const HABITS: &str = "the_document_has_every_habit";
const WRITE: &str = "NETNS_WRITE_DOCS";

#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
docs/json.md comes from the types that the commands print, docs/drop-reasons.md from the tables of
drop reasons, and the tables of docs/habits.md from tests/tests/habits/table.rs. Tests compare all
three with the code.")]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, Args {}: Args) -> Result<ExitCode> {
    let mut tests = workspace.cargo("test");
    tests.args(["--quiet", "--package", "netns-user", "--lib", TESTS]).env(WRITE, "1");
    check(&mut tests)?;
    let mut habits = workspace.cargo("test");
    habits
        .args(["--quiet", "--package", "netns-tests", "--test", "habits", HABITS])
        .env(WRITE, "1");
    check(&mut habits)?;
    println!("docs: docs/json.md, docs/drop-reasons.md and docs/habits.md are those of the code");
    Ok(ExitCode::SUCCESS)
}
