//! `netns del NAME`

use std::process::ExitCode;

use serde_json::json;

use super::print;
use crate::{cli::DelArgs, lab, net::netns};

/// Takes the name of a namespace away.
///
/// # Errors
/// As [`netns::delete`].
pub fn run(args: &DelArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    netns::delete(&args.name)?;
    print(json, &json!({ "namespace": args.name, "outcome": "deleted" }), |_| String::new())?;
    Ok(ExitCode::SUCCESS)
}
