//! `netns del NAME`

use std::process::ExitCode;

use anyhow::bail;

use super::{
    change::{Change, NamedNamespace, carry_out},
    lookup::require_namespace,
    owner::require_no_lab,
};
use crate::{
    cli::DelArgs,
    lab,
    net::{Interface, netns},
    shell,
    step::{NetlinkPool, Step, Survey},
};

/// Removes the name of a namespace.
///
/// # Errors
/// When it belongs to a lab, and as [`crate::net::netns::delete`].
pub fn run(args: &DelArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let name = args.name.clone();
    if !netns::exists(&name)
        && let Some(interface) = interface_named(&name)?
    {
        let word = shell::word(&interface.to_string());
        bail!(
            "there is no namespace \"{name}\", but {interface} is an interface: delete that with \
             `netns link del {word}`"
        );
    }
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

/// The first interface of this name, on the machine or in a named namespace.
fn interface_named(name: &str) -> anyhow::Result<Option<Interface>> {
    let mut pool = NetlinkPool::new();
    let survey = Survey::of_all(&mut pool)?;
    let mut found = survey.namespaces().filter(|(_, links)| links.iter().any(|it| it.name == name));
    Ok(found.next().map(|(netns, _)| Interface::new(netns.clone(), name)))
}
