//! `netns add NAME`

use std::process::ExitCode;

use super::change::{Change, NamedNamespace, carry_out};
use crate::{
    cli::AddArgs,
    lab,
    net::{NetError, netns},
    step::Step,
};

/// Adds a namespace.
///
/// # Errors
/// As [`netns::create`].
pub fn run(args: &AddArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let name = args.name.clone();
    netns::check_name(&name)?;
    if netns::exists(&name) {
        return Err(NetError::NamespaceExists(name).into());
    }
    let change = Change {
        outcome: "added",
        object: format!("namespace {name}"),
        fields: NamedNamespace { namespace: name.clone() },
        steps: vec![Step::AddNamespace { name }],
    };
    carry_out(args.changing, json, change)
}
