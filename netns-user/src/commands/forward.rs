//! `netns forward add|del|list`

use std::{net::Ipv4Addr, process::ExitCode};

use anyhow::bail;

use super::{
    change::apply,
    nat::forward_table,
    print,
    routers::{LivingRouter, names, routers},
};
use crate::{
    cli::{ForwardAddArgs, ForwardArgs, ForwardChange, ForwardDelArgs, ListenArgs, RuleListArgs},
    datapath::DatapathError,
    lab::{self, OtherForward, ShadowedListener},
    rules::ForwardRule,
    step::forward_command,
    topology::Topology,
};

/// Adds, deletes or lists port forwards of a running lab.
///
/// # Errors
/// When no lab can be chosen, the rule makes no sense in it, or the kernel refuses.
pub fn run(args: &ForwardArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        ForwardChange::Add(args) => add(args, json),
        ForwardChange::Del(args) => del(args, json),
        ForwardChange::List(args) => list(args, json),
    }
}

fn add(args: &ForwardAddArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab())?.topology;
    let rule = ForwardRule {
        protocol: args.listen.protocol,
        address: args.listen.address,
        ports: args.listen.port,
        target: args.target,
        from: args.from.iter().copied().collect(),
    };
    if rule.target_ports().is_none() {
        bail!(
            "`{} {}` does not fit at {}: the last port would be above 65535",
            rule.protocol,
            rule.ports,
            rule.target
        );
    }
    let router = router_of(&topology, &rule, args.about.router())?;
    let rules = std::slice::from_ref(&rule);
    router.recover(args.changing)?;
    router.work(|datapath| datapath.require_new_forwards(rules))?;
    let commands = forward_command(&router.netns, &rule, true);
    let act = || {
        router.work(|datapath| datapath.add_forwards(rules))?;
        // The rule is in place even if the listeners cannot be read.
        tell_shadowed(&lab::shadowed_by(&router.netns, rules).unwrap_or_default());
        let uplinks: Vec<&str> =
            topology.uplinks_of(router.namespace()).map(|uplink| uplink.name.as_str()).collect();
        let others = lab::other_forwards_of(&router.netns, rules, &uplinks);
        tell_other_forwards(&others.unwrap_or_default());
        Ok(&rule)
    };
    apply(args.changing, json, &commands, act, |rule| format!("added: {rule}\n"))
}

/// The notes name so many programs whose ports are forwarded, and count the rest.
const NAMED: usize = 5;

/// Names programs that no longer get new connections.
pub(super) fn tell_shadowed(shadowed: &[ShadowedListener]) {
    let (named, more) = shadowed.split_at(shadowed.len().min(NAMED));
    for one in named {
        crate::tell!("note: {}", one.in_words());
    }
    if !more.is_empty() {
        crate::tell!("note: and {} more: `netns doctor FILE` names all such programs", more.len());
    }
}

/// Names rules of other NATs that get no packets from outside any more.
pub(super) fn tell_other_forwards(others: &[OtherForward]) {
    let (named, more) = others.split_at(others.len().min(NAMED));
    for one in named {
        crate::tell!("note: {}", one.in_words());
    }
    if !more.is_empty() {
        crate::tell!("note: and {} more: `netns doctor FILE` names all such rules", more.len());
    }
}

fn del(args: &ForwardDelArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab())?.topology;
    let ListenArgs { protocol, port, address } = args.listen;
    let mut found = Vec::new();
    let mut missing = None;
    for router in routers(&topology, args.about.router())? {
        router.recover(args.changing)?;
        match router.open()?.find_forward(protocol, address, port) {
            Ok(rule) => found.push((router, rule)),
            Err(error @ DatapathError::PartOfRule { .. }) => missing = Some(error),
            Err(error @ DatapathError::NoRule(_)) => missing = missing.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    let (router, rule) = match (found.pop(), missing) {
        (Some(only), _) if found.is_empty() => only,
        (None, Some(error)) => return Err(error.into()),
        (last, _) => {
            let several: Vec<LivingRouter> =
                found.into_iter().chain(last).map(|(router, _)| router).collect();
            bail!(
                "several routers have the rule `forward {protocol} {port}`: select one with \
                 --router: {}",
                names(&several)
            );
        }
    };
    let commands = forward_command(&router.netns, &rule, false);
    let act = || {
        router.work(|datapath| datapath.remove_forward(&rule))?;
        Ok(&rule)
    };
    apply(args.changing, json, &commands, act, |rule| format!("deleted: {rule}\n"))
}

fn list(args: &RuleListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab())?.topology;
    let mut rules = Vec::new();
    for router in routers(&topology, args.about.router())? {
        rules.extend(router.open()?.forwards()?);
    }
    print(json, &rules, |rules| forward_table(rules))?;
    Ok(ExitCode::SUCCESS)
}

/// The router that the target is behind.
fn router_of(
    topology: &Topology,
    rule: &ForwardRule,
    name: Option<&str>,
) -> anyhow::Result<LivingRouter> {
    let target = *rule.target.ip();
    let mut found = routers(topology, name)?;
    // With one router, its datapath checks the target itself.
    if found.len() > 1 {
        found.retain(|router| has_behind(topology, router, target));
    }
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(DatapathError::NoTarget(target).into()),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            bail!("{target} is behind several routers: select one with --router: {}", names(&found))
        }
    }
}

/// Whether a namespace, or another router's uplink, has this address on a bridge of the router or
/// at the other end of a cable.
fn has_behind(topology: &Topology, router: &LivingRouter, target: Ipv4Addr) -> bool {
    let is_its = |bridge: &str| topology.has_bridge(router.namespace(), bridge);
    let mut namespaces = topology.plugged();
    let mut uplinks = topology.uplinks.iter();
    let mut cables = topology.cables_of(router.namespace());
    namespaces.any(|(_, plug)| plug.address.addr() == target && is_its(&plug.bridge))
        || uplinks.any(|uplink| {
            uplink.has_address(target) && uplink.plug().is_some_and(|plug| is_its(&plug.bridge))
        })
        || cables.any(|(_, _, far)| far.address.is_some_and(|address| address.addr() == target))
}
