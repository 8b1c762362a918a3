//! `netns masquerade add|del|list`

use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::{
    change::apply,
    nat::masquerade_table,
    print,
    routers::{LivingRouter, names, routers},
};
use crate::{
    cli::{MasqueradeArgs, MasqueradeChange, MasqueradeRuleArgs, RuleListArgs},
    datapath::{Datapath, DatapathError},
    lab,
    rules::{Filtering, Mapping, MasqueradeRule},
    step::masquerade_commands,
    topology::Topology,
};

/// Adds, deletes or lists masquerade rules of a running lab.
///
/// # Errors
/// When no lab can be chosen, the rule makes no sense in it, or the kernel refuses.
pub fn run(args: &MasqueradeArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let (rule_args, adds) = match &args.change {
        MasqueradeChange::Add(add) => (&add.rule, Some(add)),
        MasqueradeChange::Del(rule) => (rule, None),
        MasqueradeChange::List(args) => return list(args, json),
    };
    let topology = lab::choose(rule_args.about.lab())?.topology;
    let mut wanted = checked(rule_args, &topology)?;
    if let Some(add) = adds {
        wanted.except = add.except.iter().copied().collect();
        wanted.to = add.to;
        wanted.mss_clamp = add.mss_clamp;
        (wanted.mapping, wanted.filtering) = (add.mapping, add.filtering);
        if wanted.mapping != Mapping::EndpointIndependent
            && wanted.filtering != Filtering::default()
        {
            bail!(
                "--filtering {} works only with `--mapping endpoint-independent`: with any other \
                 mapping, only the remote address and port can send replies",
                wanted.filtering
            );
        }
    }
    let adds = adds.is_some();
    let (rule, routers) = if adds {
        let routers = routers_for(&topology, &wanted, rule_args.about.router())?;
        for router in &routers {
            router.recover(rule_args.changing)?;
            router.work(|datapath| datapath.require_new_masquerade(&wanted))?;
        }
        (wanted, routers)
    } else {
        find(&topology, &wanted, rule_args)?
    };
    let commands: Vec<String> =
        routers.iter().flat_map(|router| masquerade_commands(&router.netns, &rule, adds)).collect();
    let act = || {
        if adds {
            add(&routers, &rule)?;
        } else {
            del(&routers, &rule)?;
        }
        Ok(rule)
    };
    let done = if adds { "added" } else { "deleted" };
    apply(rule_args.changing, json, &commands, act, |rule| format!("{done}: {rule}\n"))
}

fn list(args: &RuleListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab())?.topology;
    let mut rules = Vec::new();
    for router in routers(&topology, args.about.router())? {
        rules.extend(router.work(Datapath::masquerades)?);
    }
    print(json, &rules, |rules| masquerade_table(rules))?;
    Ok(ExitCode::SUCCESS)
}

/// Adds the rule to all the routers, or to none.
fn add(routers: &[LivingRouter], rule: &MasqueradeRule) -> anyhow::Result<()> {
    for (done, router) in routers.iter().enumerate() {
        if let Err(error) =
            router.work(|datapath| datapath.add_masquerades(std::slice::from_ref(rule)))
        {
            // The first error is the one to report.
            let _ = del(&routers[..done], rule);
            return Err(error);
        }
    }
    Ok(())
}

fn del(routers: &[LivingRouter], rule: &MasqueradeRule) -> anyhow::Result<()> {
    routers.iter().try_for_each(|router| router.work(|datapath| datapath.remove_masquerade(rule)))
}

/// The routers of a new rule: the one with its uplink, or all that lead to its source.
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
            Some(uplink) => format!("it has no uplink \"{uplink}\""),
            None if chosen.iter().all(|router| !has_uplink(topology, router)) => {
                "it has no uplink".to_owned()
            }
            None => format!("another router leads to {}", rule.source),
        };
        bail!("`{rule}` does not apply to router \"{}\": {why}", names(&chosen));
    }
    Ok(fit)
}

fn has_uplink(topology: &Topology, router: &LivingRouter) -> bool {
    topology.uplinks_of(router.namespace()).next().is_some()
}

/// The rule to delete, and the routers that have it. Without an uplink, the source selects it.
fn find(
    topology: &Topology,
    wanted: &MasqueradeRule,
    args: &MasqueradeRuleArgs,
) -> anyhow::Result<(MasqueradeRule, Vec<LivingRouter>)> {
    let mut found: Option<(MasqueradeRule, Vec<LivingRouter>)> = None;
    for router in routers(topology, args.about.router())? {
        router.recover(args.changing)?;
        let rules = router.work(Datapath::masquerades)?;
        let is_meant = |rule: &MasqueradeRule| {
            rule.source == wanted.source
                && (wanted.uplink.is_none() || rule.uplink == wanted.uplink)
        };
        let mut meant: Vec<MasqueradeRule> =
            rules.into_iter().map(|status| status.rule).filter(is_meant).collect();
        // Without --uplink, a rule for every uplink comes first.
        if let Some(at) = meant.iter().position(|rule| rule.uplink == wanted.uplink) {
            meant.swap(0, at);
            meant.truncate(1);
        }
        if let [one, other, ..] = meant.as_slice() {
            bail!("`{one}` and `{other}` have this source: select one with --uplink");
        }
        let Some(rule) = meant.pop() else { continue };
        match &mut found {
            None => found = Some((rule, vec![router])),
            Some((first, routers)) if *first == rule => routers.push(router),
            Some((first, routers)) => bail!(
                "`{first}` of router \"{}\" and `{rule}` of router \"{}\" have this source: select \
                 one with --uplink or --router",
                names(routers),
                router.name()
            ),
        }
    }
    found.ok_or_else(|| anyhow!(DatapathError::NoRule(wanted.to_string())))
}

/// The rule, if it is valid in this lab.
fn checked(args: &MasqueradeRuleArgs, topology: &Topology) -> anyhow::Result<MasqueradeRule> {
    let source = args.source;
    if source != source.trunc() {
        bail!(
            "masquerade source {source} is an address, not a network: did you mean {}?",
            source.trunc()
        );
    }
    if !topology.networks().covers(source) {
        let bridges: Vec<String> =
            topology.bridges.iter().map(|bridge| bridge.address.trunc().to_string()).collect();
        let known = match bridges.is_empty() {
            true => String::new(),
            false => format!("; its bridges have {}", bridges.join(", ")),
        };
        bail!(
            "masquerade source {source} is not in a network of lab \"{}\": no bridge, cable or \
             route has an address in it{known}; `netns up --adopt FILE` makes a lab of a network \
             that was made by hand",
            topology.name
        );
    }
    if let Some(name) = &args.uplink {
        let uplinks: Vec<&str> =
            topology.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
        if !uplinks.contains(&name.as_str()) {
            bail!(
                "lab \"{}\" has no uplink \"{name}\": use one of {}",
                topology.name,
                uplinks.join(", ")
            );
        }
    }
    Ok(MasqueradeRule::new(source, args.uplink.clone()))
}
