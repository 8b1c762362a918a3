//! `netns forward add|del|list`

use std::{net::Ipv4Addr, process::ExitCode};

use anyhow::{Context as _, anyhow, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::apply,
    routers::{LivingRouter, lab_of_rule, names, routers},
    rule_lists::list_rules,
};
use crate::{
    cli::{
        ForwardAddArgs, ForwardArgs, ForwardChange, ForwardDelArgs, ListenArgs, Protocols,
        RuleListArgs,
    },
    datapath::DatapathError,
    lab::{self, OtherForward, ShadowedListener},
    rules::{ForwardProtocol, ForwardRule},
    step::forward_command,
    topology::Topology,
};

/// The forward that was added or deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed<'a> {
    /// The name of the router that got it or had it; `"machine"`: this machine.
    router: &'a str,
    #[serde(flatten)]
    rule: &'a ForwardRule,
}

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
    let topology = lab_of_rule(&args.about)?;
    let target = topology.resolve(&args.target).map_err(|fault| anyhow!(fault))?;
    let rule = |protocol| ForwardRule {
        protocol,
        address: args.listen.address,
        ports: args.listen.port,
        target,
        from: args.from.iter().copied().collect(),
    };
    let rules: Vec<ForwardRule> = args.listen.protocol.iter().map(rule).collect();
    let rule = rules.first().context("there is no protocol")?;
    if rule.target_ports().is_none() {
        bail!(
            "`{} {}` does not fit at {}: the last port would be above 65535",
            rule.protocol,
            rule.ports,
            rule.target
        );
    }
    let router = router_of(&topology, rule, args.about.router())?;
    router.recover(args.changing)?;
    router.work(|datapath| datapath.require_new_forwards(&rules))?;
    let command = |rule| forward_command(&router.netns, rule, true);
    let commands: Vec<String> = rules.iter().flat_map(command).collect();
    let act = || {
        router.work(|datapath| datapath.add_forwards(&rules))?;
        // The rules are in place even if the listeners cannot be read.
        tell_shadowed(&lab::shadowed_by(&router.netns, &rules).unwrap_or_default());
        let uplinks: Vec<&str> =
            topology.uplinks_of(router.namespace()).map(|uplink| uplink.name.as_str()).collect();
        let others = lab::other_forwards_of(&router.netns, &rules, &uplinks);
        tell_other_forwards(&others.unwrap_or_default());
        let done = rules.iter().map(|rule| Changed { router: router.name(), rule });
        Ok(OneOrMany::of(&args.listen.protocol, done.collect()))
    };
    apply(args.changing, json, &commands, act, |done| done.in_words("added"))
}

/// The rules of a command: in JSON an object for one protocol, an array for a list of protocols.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(Changed<'a>),
    Many(Vec<Changed<'a>>),
}

impl<'a> OneOrMany<'a> {
    fn of(protocols: &Protocols, mut changed: Vec<Changed<'a>>) -> Self {
        match (changed.pop(), protocols.is_one()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                changed.extend(last);
                Self::Many(changed)
            }
        }
    }

    fn in_words(&self, outcome: &str) -> String {
        let changed = match self {
            Self::One(changed) => std::slice::from_ref(changed),
            Self::Many(changed) => changed,
        };
        changed.iter().map(|one| format!("{outcome}: {}\n", one.rule)).collect()
    }
}

/// The notes name so many programs whose ports are forwarded, and count the rest.
const NAMED: usize = 5;

/// Names programs that no longer get new connections.
pub(super) fn tell_shadowed(shadowed: &[ShadowedListener]) {
    tell_some(shadowed.iter().map(ShadowedListener::in_words), "programs");
}

/// Names rules of other NATs that get no packets from outside any more.
pub(super) fn tell_other_forwards(others: &[OtherForward]) {
    tell_some(others.iter().map(OtherForward::in_words), "rules");
}

fn tell_some(mut notes: impl ExactSizeIterator<Item = String>, objects: &str) {
    for note in notes.by_ref().take(NAMED) {
        crate::tell!("note: {note}");
    }
    if notes.len() > 0 {
        crate::tell!(
            "note: and {} more: `netns doctor FILE` names all such {objects}",
            notes.len()
        );
    }
}

fn del(args: &ForwardDelArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    let routers = routers(&topology, args.about.router())?;
    routers.iter().try_for_each(|router| router.recover(args.changing))?;
    let listen = &args.listen;
    let found: Vec<(&LivingRouter, ForwardRule)> = listen
        .protocol
        .iter()
        .map(|protocol| find(&routers, protocol, listen))
        .collect::<anyhow::Result<_>>()?;
    let command =
        |(router, rule): &(&LivingRouter, ForwardRule)| forward_command(&router.netns, rule, false);
    let commands: Vec<String> = found.iter().flat_map(command).collect();
    let act = || {
        // The rules of one router go together, or none goes.
        for router in &routers {
            let its = found.iter().filter(|(owner, _)| *owner == router);
            let rules: Vec<ForwardRule> = its.map(|(_, rule)| rule.clone()).collect();
            if !rules.is_empty() {
                router.work(|datapath| datapath.remove_forwards(&rules))?;
            }
        }
        let done = found.iter().map(|(router, rule)| Changed { router: router.name(), rule });
        Ok(OneOrMany::of(&listen.protocol, done.collect()))
    };
    apply(args.changing, json, &commands, act, |done| done.in_words("deleted"))
}

/// The rule of a protocol, and the only router that has it.
fn find<'a>(
    routers: &'a [LivingRouter],
    protocol: ForwardProtocol,
    listen: &ListenArgs,
) -> anyhow::Result<(&'a LivingRouter, ForwardRule)> {
    let ListenArgs { port, address, .. } = *listen;
    let mut found = Vec::new();
    let mut missing = None;
    for router in routers {
        match router.open()?.find_forward(protocol, address, port) {
            Ok(rule) => found.push((router, rule)),
            Err(error @ DatapathError::PartOfRule { .. }) => missing = Some(error),
            Err(error @ DatapathError::NoRule(_)) => missing = missing.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    match (found.pop(), missing) {
        (Some(only), _) if found.is_empty() => Ok(only),
        (None, Some(error)) => Err(error.into()),
        (last, _) => {
            let several = found.into_iter().chain(last).map(|(router, _)| router.clone());
            bail!(
                "several routers have the rule `forward {protocol} {port}`: select one with \
                 --router: {}",
                names(&several.collect::<Vec<_>>())
            );
        }
    }
}

fn list(args: &RuleListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    let routers = routers(&topology, args.about.router())?;
    list_rules(json, &routers, |router| Ok(router.open()?.forwards()?))?;
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
    if let (Some(_), [chosen]) = (name, found.as_slice())
        && !has_behind(topology, chosen, target)
    {
        let mut others = routers(topology, None)?;
        others.retain(|router| has_behind(topology, router, target));
        if !others.is_empty() {
            bail!(
                "{target} is behind router \"{}\", not behind \"{}\": select that router with \
                 --router, or leave --router out",
                names(&others),
                chosen.name()
            );
        }
    }
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
