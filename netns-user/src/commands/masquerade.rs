//! `netns masquerade add|del`

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use ipnet::Ipv4Net;

use super::{
    change::perform,
    routers::{LivingRouter, names, routers},
};
use crate::{
    cli::{MasqueradeArgs, MasqueradeChange, MasqueradeRuleArgs},
    datapath::{Datapath, DatapathError},
    lab,
    rules::MasqueradeRule,
    step::masquerade_command,
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
    let wanted = checked(rule_args, &topology)?;
    let (rule, routers) = if adds {
        let routers = routers_for(&topology, &wanted, rule_args.router.as_deref())?;
        for router in &routers {
            router.work(|datapath| datapath.require_new_masquerade(&wanted))?;
        }
        (wanted, routers)
    } else {
        find(&topology, &wanted, rule_args.router.as_deref())?
    };
    let commands: Vec<String> =
        routers.iter().map(|router| masquerade_command(&router.place, &rule, adds)).collect();
    let act = || {
        if adds {
            add(&routers, &rule)?;
        } else {
            del(&routers, &rule)?;
        }
        Ok(rule)
    };
    let done = if adds { "added" } else { "deleted" };
    perform(rule_args.changing, json, &commands, act, |rule| format!("{done}: {rule}\n"))
}

/// Adds the rule to all of the routers, or to none.
fn add(routers: &[LivingRouter], rule: &MasqueradeRule) -> anyhow::Result<()> {
    for (done, router) in routers.iter().enumerate() {
        if let Err(error) = router.work(|datapath| datapath.add_masquerade(rule)) {
            // The first error is the one that tells.
            let _ = del(&routers[..done], rule);
            return Err(error);
        }
    }
    Ok(())
}

fn del(routers: &[LivingRouter], rule: &MasqueradeRule) -> anyhow::Result<()> {
    routers
        .iter()
        .try_for_each(|router| router.work(|datapath| datapath.remove_masquerade(rule)).map(drop))
}

/// The routers that a new rule is for: that of its uplink, or all that have a bridge in its
/// source.
fn routers_for(
    topology: &Topology,
    rule: &MasqueradeRule,
    name: Option<&str>,
) -> anyhow::Result<Vec<LivingRouter>> {
    let its = topology.routers_of_masquerade(rule);
    let chosen = routers(topology, name)?;
    let fit: Vec<LivingRouter> =
        chosen.iter().filter(|router| its.contains(&router.namespace())).cloned().collect();
    if fit.is_empty() {
        let why = match &rule.uplink {
            Some(uplink) => format!("uplink \"{uplink}\" is none of its own"),
            None => format!("it has no bridge in {}", rule.source),
        };
        bail!("`{rule}` is not for router \"{}\": {why}", names(&chosen));
    }
    Ok(fit)
}

/// The rule that is meant, and the routers that have it: without an uplink it is the source
/// that names it.
fn find(
    topology: &Topology,
    wanted: &MasqueradeRule,
    name: Option<&str>,
) -> anyhow::Result<(MasqueradeRule, Vec<LivingRouter>)> {
    let mut found: Option<(MasqueradeRule, Vec<LivingRouter>)> = None;
    for router in routers(topology, name)? {
        let rules = router.work(Datapath::masquerades)?;
        let is_meant = |rule: &MasqueradeRule| {
            rule.source == wanted.source
                && (wanted.uplink.is_none() || rule.uplink == wanted.uplink)
        };
        let Some(rule) = rules.into_iter().map(|status| status.rule).find(is_meant) else {
            continue;
        };
        match &mut found {
            None => found = Some((rule, vec![router])),
            Some((first, routers)) if *first == rule => routers.push(router),
            Some((first, routers)) => bail!(
                "`{first}` of router \"{}\" and `{rule}` of router \"{}\" have that source: say \
                 with --uplink or --router which one",
                names(routers),
                router.name()
            ),
        }
    }
    found.ok_or_else(|| anyhow!(DatapathError::NoRule(wanted.to_string())))
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
    let covers = |inside: &Ipv4Net| source.contains(inside) || inside.contains(&source);
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
