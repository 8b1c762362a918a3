//! `netns masquerade add|del`

use std::process::ExitCode;

use anyhow::bail;

use super::{change::perform, in_datapath};
use crate::{
    cli::{MasqueradeArgs, MasqueradeChange, MasqueradeRuleArgs},
    lab,
    rules::MasqueradeRule,
    step::{Place, masquerade_command},
    topology::Topology,
};

/// Adds or deletes a masquerade rule of a living lab.
///
/// # Errors
/// When no lab can be chosen, the rule makes no sense in it, or the kernel refuses.
pub fn run(args: &MasqueradeArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let (rule_args, adds) = match &args.change {
        MasqueradeChange::Add(rule) => (rule, true),
        MasqueradeChange::Del(rule) => (rule, false),
    };
    let topology = lab::choose(rule_args.lab.as_deref())?.topology;
    let rule = checked(rule_args, &topology)?;
    let rule = in_datapath(&topology, |datapath| {
        if adds {
            datapath.require_new_masquerade(&rule).map(|()| rule)
        } else {
            datapath.find_masquerade(&rule).map(|found| found.rule)
        }
    })?;
    let commands = vec![masquerade_command(&Place::of(topology.first_router()), &rule, adds)];
    let act = || {
        in_datapath(&topology, |datapath| {
            if adds {
                datapath.add_masquerade(&rule).map(|()| rule)
            } else {
                datapath.remove_masquerade(&rule)
            }
        })
    };
    let done = if adds { "added" } else { "deleted" };
    perform(rule_args.changing, json, &commands, act, |rule| format!("{done}: {rule}\n"))
}

/// The rule, if it makes sense in this lab.
fn checked(args: &MasqueradeRuleArgs, topology: &Topology) -> anyhow::Result<MasqueradeRule> {
    let source = args.source;
    if source != source.trunc() {
        bail!(
            "masquerade source {source} is an address, not a network: did you mean {}?",
            source.trunc()
        );
    }
    let covers = |inside: &ipnet::Ipv4Net| source.contains(inside) || inside.contains(&source);
    if !topology.bridges.iter().any(|bridge| covers(&bridge.address.trunc())) {
        let inside: Vec<String> =
            topology.bridges.iter().map(|bridge| bridge.address.trunc().to_string()).collect();
        bail!(
            "masquerade source {source} covers nothing of lab \"{}\": its networks are {}",
            topology.name,
            inside.join(", ")
        );
    }
    if let Some(name) = &args.uplink {
        let uplinks: Vec<&str> =
            topology.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
        if !uplinks.contains(&name.as_str()) {
            bail!(
                "lab \"{}\" has no uplink \"{name}\": its uplinks are {}",
                topology.name,
                uplinks.join(", ")
            );
        }
    }
    Ok(MasqueradeRule { source, uplink: args.uplink.clone() })
}
