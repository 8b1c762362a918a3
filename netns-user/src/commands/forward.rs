//! `netns forward add|del`

use std::process::ExitCode;

use super::{change::perform, in_datapath, open_datapath};
use crate::{
    cli::{ForwardAddArgs, ForwardArgs, ForwardChange, ForwardDelArgs, ListenArgs},
    lab,
    rules::ForwardRule,
    step::{Place, forward_command},
};

/// Adds or deletes a port forward of a living lab.
///
/// # Errors
/// When no lab can be chosen, the rule makes no sense in it, or the kernel refuses.
pub fn run(args: &ForwardArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        ForwardChange::Add(args) => add(args, json),
        ForwardChange::Del(args) => del(args, json),
    }
}

fn add(args: &ForwardAddArgs, json: bool) -> anyhow::Result<ExitCode> {
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
        datapath.require_new_forward(&rule)
    })?;
    let commands = forward_command(&Place::of(topology.first_router()), &rule, true);
    let act = || {
        in_datapath(&topology, |datapath| datapath.add_forward(&rule))?;
        Ok(rule)
    };
    perform(args.changing, json, &commands, act, |rule| format!("added: {rule}\n"))
}

fn del(args: &ForwardDelArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.lab.as_deref())?.topology;
    let ListenArgs { protocol, port, address } = args.listen;
    let datapath = open_datapath(&topology.name)?;
    let rule = datapath.find_forward(protocol, address, port)?;
    let commands = forward_command(&Place::of(topology.first_router()), &rule, false);
    let act = || Ok(datapath.remove_forward(protocol, address, port)?);
    perform(args.changing, json, &commands, act, |rule| format!("deleted: {rule}\n"))
}
