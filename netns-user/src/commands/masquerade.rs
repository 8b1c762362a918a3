//! `netns masquerade add|del|list`

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::apply,
    routers::{LivingRouter, lab_of_rule, name_of, names, routers},
    rule_lists::list_rules,
};
use crate::{
    cli::{MasqueradeArgs, MasqueradeChange, MasqueradeRuleArgs, RuleListArgs},
    datapath::{Datapath, DatapathError},
    lab,
    rules::{Filtering, Mapping, MasqueradeRule},
    step::masquerade_commands,
    topology::Topology,
};

/// The masquerade that was added or deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed<'a> {
    /// The names of the routers that got it or had it; `"machine"`: this machine.
    routers: Vec<&'a str>,
    #[serde(flatten)]
    rule: &'a MasqueradeRule,
}

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
    let topology = lab_of_rule(&rule_args.about)?;
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
        Ok(Changed { routers: routers.iter().map(LivingRouter::name).collect(), rule: &rule })
    };
    let outcome = if adds { "added" } else { "deleted" };
    apply(rule_args.changing, json, &commands, act, |done| format!("{outcome}: {}\n", done.rule))
}

fn list(args: &RuleListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    let routers = routers(&topology, args.about.router())?;
    list_rules(json, &routers, |router| router.work(Datapath::masquerades))?;
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
    let networks = topology.networks();
    let its = networks.routers_of_masquerade(rule);
    let chosen = routers(topology, name)?;
    let fit: Vec<LivingRouter> =
        chosen.iter().filter(|router| its.contains(&router.namespace())).cloned().collect();
    let refused = |routers: &[LivingRouter], why: String| {
        anyhow!("`{rule}` does not apply to router \"{}\": {why}", names(routers))
    };
    if let (Some(uplink), true) = (&rule.uplink, fit.is_empty()) {
        return Err(refused(&chosen, format!("it has no uplink \"{uplink}\"")));
    }
    // The router of --router or --uplink must be one that packets of the source reach.
    let asked = if rule.uplink.is_some() { &fit } else { &chosen };
    for router in asked.iter().filter(|_| name.is_some() || rule.uplink.is_some()) {
        let instead = networks.routers_instead_of(router.namespace(), rule.source);
        let Some(instead) = instead else { continue };
        let others: Vec<&str> = instead.into_iter().map(name_of).collect();
        let others = others.join("\" and \"");
        let option = if rule.uplink.is_some() { "an uplink of it" } else { "it with --router" };
        let why = format!("{} is behind router \"{others}\": select {option}", rule.source);
        return Err(refused(std::slice::from_ref(router), why));
    }
    if fit.is_empty() {
        let why = match chosen.iter().all(|router| !has_uplink(topology, router)) {
            true => "it has no uplink".to_owned(),
            false => {
                let its: Vec<&str> = its.into_iter().map(name_of).collect();
                let its = its.join("\" and \"");
                format!("{} is behind router \"{its}\": select it with --router", rule.source)
            }
        };
        return Err(refused(&chosen, why));
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
             route has an address in it{known}; for a network that was made by hand, write its \
             bridge into the lab's file and run `netns up FILE`",
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
