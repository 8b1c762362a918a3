//! `netns del NAME`

use std::process::ExitCode;

use super::{
    change::{Change, NamedNamespace, carry_out},
    lookup::require_namespace,
    owner::require_no_lab,
};
use crate::{cli::DelArgs, lab, step::Step};

/// Removes the name of a namespace.
///
/// # Errors
/// When it belongs to a lab, and as [`crate::net::netns::delete`].
pub fn run(args: &DelArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let name = args.name.clone();
    require_namespace(&name)?;
    require_no_lab(&name)?;
    let change = Change {
        outcome: "deleted",
        object: format!("namespace {name}"),
        fields: NamedNamespace { namespace: name.clone() },
        steps: vec![Step::DeleteNamespace { name }],
    };
    carry_out(args.changing, json, change)
}
