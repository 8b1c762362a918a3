//! `netns add NAME`

use std::process::ExitCode;

use serde_json::json;

use super::print;
use crate::{cli::AddArgs, lab, net::netns};

/// Makes a namespace.
///
/// # Errors
/// As [`netns::create`].
pub fn run(args: &AddArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    netns::create(&args.name)?;
    print(json, &json!({ "namespace": args.name, "outcome": "added" }), |_| String::new())?;
    Ok(ExitCode::SUCCESS)
}
