//! `netns forward add|del`

use std::process::ExitCode;

use super::{in_datapath, open_datapath, print};
use crate::{
    cli::{ForwardAddArgs, ForwardArgs, ForwardChange, ForwardDelArgs},
    lab,
    rules::ForwardRule,
};

/// Adds or deletes a port forward of a living lab.
///
/// # Errors
/// When no lab can be chosen, the rule makes no sense in it, or the kernel refuses.
pub fn run(args: &ForwardArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let (rule, done) = match &args.change {
        ForwardChange::Add(args) => (add(args)?, "added"),
        ForwardChange::Del(args) => (del(args)?, "deleted"),
    };
    print(json, &rule, |rule| format!("{done}: {rule}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn add(args: &ForwardAddArgs) -> anyhow::Result<ForwardRule> {
    let topology = lab::choose(args.lab.as_deref())?.topology;
    let rule = ForwardRule {
        protocol: args.listen.protocol,
        address: args.listen.address,
        port: args.listen.port,
        target: args.target,
    };
    in_datapath(&topology, |datapath| {
        if let Some(address) = rule.address {
            datapath.require_host_address(address)?;
        }
        datapath.add_forward(&rule)
    })?;
    Ok(rule)
}

fn del(args: &ForwardDelArgs) -> anyhow::Result<ForwardRule> {
    let topology = lab::choose(args.lab.as_deref())?.topology;
    let listen = &args.listen;
    let datapath = open_datapath(&topology.name)?;
    Ok(datapath.remove_forward(listen.protocol, listen.address, listen.port)?)
}
