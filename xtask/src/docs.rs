//! `cargo xtask docs`: writes the pages of docs/ that are made of the code.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, check};

/// The tests that compare the pages with the code. With this variable they write the pages.
const TESTS: &str = "commands::reference";
const WRITE: &str = "NETNS_WRITE_DOCS";

#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
docs/json.md comes from the types that the commands print, and docs/drop-reasons.md from the tables
of drop reasons. The unit tests of netns-user compare both with the code.")]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, Args {}: Args) -> Result<ExitCode> {
    let mut tests = workspace.cargo("test");
    tests.args(["--quiet", "--package", "netns-user", "--lib", TESTS]).env(WRITE, "1");
    check(&mut tests)?;
    println!("docs: docs/json.md and docs/drop-reasons.md are those of the code");
    Ok(ExitCode::SUCCESS)
}
