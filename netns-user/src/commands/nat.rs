//! `netns nat [LAB]`: the rules as `iptables -nvL -t nat` shows them, and the drop reasons.

use std::{collections::HashMap, process::ExitCode};

use serde::Serialize;

use super::{
    print,
    routers::{LivingRouter, routers},
};
use crate::{
    cli::NatArgs,
    datapath::{DropStatus, RuleStatus, UsageStatus},
    lab,
    output::{
        bytes, count,
        style::{HEADING, paint},
        table,
    },
    rules::{ForwardRule, Mapping, MasqueradeRule},
    topology::Topology,
};

/// The rules of a lab with their counters: those of its only router, or those of each router.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Nat {
    One {
        lab: String,
        #[serde(flatten)]
        rules: Rules,
    },
    Several {
        lab: String,
        routers: Vec<RouterRules>,
    },
}

#[derive(Debug, Serialize)]
struct RouterRules {
    router: String,
    #[serde(flatten)]
    rules: Rules,
}

/// The rules of a router.
#[derive(Debug, Serialize)]
struct Rules {
    /// Whether translated packets pass through the kernel's network stack.
    via_stack: bool,
    masquerades: Vec<RuleStatus<MasqueradeRule>>,
    forwards: Vec<RuleStatus<ForwardRule>>,
    usage: Vec<Usage>,
    drops: Vec<DropStatus>,
}

/// The connections of one cable or uplink in the flow table.
#[derive(Debug, Serialize)]
struct Usage {
    /// The namespace at the end of the cable; `None`: it is no cable to a namespace.
    namespace: Option<String>,
    #[serde(flatten)]
    status: UsageStatus,
}

/// Shows the NAT rules of a running lab with their counters, and the dropped packets.
///
/// # Errors
/// When no lab can be chosen or its datapath cannot be read.
pub fn run(args: &NatArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    print(json, &read(&topology, args.about.router())?, text)?;
    Ok(ExitCode::SUCCESS)
}

/// The rules of a running lab as text.
///
/// # Errors
/// When its datapath cannot be read.
pub fn render(topology: &Topology) -> anyhow::Result<String> {
    Ok(text(&read(topology, None)?))
}

fn read(topology: &Topology, router: Option<&str>) -> anyhow::Result<Nat> {
    let lab = topology.name.clone();
    let routers = routers(topology, router)?;
    if let [only] = routers.as_slice() {
        return Ok(Nat::One { lab, rules: rules(topology, only)? });
    }
    let of_router = |router: &LivingRouter| {
        Ok(RouterRules { router: router.name().to_owned(), rules: rules(topology, router)? })
    };
    let routers = routers.iter().map(of_router).collect::<anyhow::Result<_>>()?;
    Ok(Nat::Several { lab, routers })
}

fn rules(topology: &Topology, router: &LivingRouter) -> anyhow::Result<Rules> {
    let plugged = topology.plugged().map(|(namespace, plug)| (plug, &namespace.name));
    let is_here = |bridge: &str| topology.has_bridge(router.namespace(), bridge);
    let owners: HashMap<&str, &String> = plugged
        .filter(|(plug, _)| is_here(&plug.bridge))
        .map(|(plug, name)| (plug.port.as_str(), name))
        .collect();
    let of_somebody = |status: UsageStatus| {
        let owner = status.interface.as_deref().and_then(|port| owners.get(port));
        Usage { namespace: owner.map(ToString::to_string), status }
    };
    // Interface indexes have names only in the router's own namespace.
    router.work(|datapath| {
        Ok(Rules {
            via_stack: datapath.settings()?.via_stack != 0,
            masquerades: datapath.masquerades()?,
            forwards: datapath.forwards()?,
            usage: datapath.usage()?.into_iter().map(of_somebody).collect(),
            drops: datapath.drops()?,
        })
    })
}

fn text(nat: &Nat) -> String {
    match nat {
        Nat::One { rules, .. } => tables(rules),
        Nat::Several { routers, .. } => {
            let texts: Vec<String> = routers
                .iter()
                .map(|RouterRules { router, rules }| {
                    format!("{}\n\n{}", paint(HEADING, format!("router {router}")), tables(rules))
                })
                .collect();
            texts.join("\n")
        }
    }
}

fn tables(nat: &Rules) -> String {
    let mut text = String::new();
    if nat.via_stack {
        text +=
            &format!("{}\n\n", paint(HEADING, "via_stack: packets pass through the network stack"));
    }
    text += &format!("{}\n", paint(HEADING, "masquerade"));
    text += &masquerade_table(&nat.masquerades);
    text += &format!("\n{}\n", paint(HEADING, "forward"));
    text += &forward_table(&nat.forwards);
    if !nat.usage.is_empty() {
        text += &format!("\n{}\n", paint(HEADING, "connections by origin"));
        text += &usage_table(&nat.usage);
    }
    if !nat.drops.is_empty() {
        let drops = nat.drops.iter().map(|drop| {
            [
                count(drop.packets),
                bytes(drop.bytes),
                drop.reason.to_owned(),
                drop.meaning.to_owned(),
            ]
        });
        text += &format!("\n{}\n", paint(HEADING, "dropped"));
        text += &table(&["PKTS", "BYTES", "REASON", "MEANING"], drops);
    }
    text
}

/// The connections and quotas of each namespace and uplink.
fn usage_table(usage: &[Usage]) -> String {
    let rows = usage.iter().map(|Usage { namespace, status }| {
        let name = match (namespace, &status.interface) {
            (Some(namespace), _) => namespace.clone(),
            (None, Some(interface)) => format!("from {interface}"),
            (None, None) if status.of_other_nats => "other NATs".into(),
            (None, None) => "others".into(),
        };
        [
            name,
            count(status.connections),
            count(status.unreplied),
            count(status.quota.into()),
            count(status.unreplied_quota.into()),
        ]
    });
    table(&["ORIGIN", "FLOWS", "UNREPLIED", "QUOTA", "UNREPLIED QUOTA"], rows)
}

/// Masquerade rules with their counters.
pub(super) fn masquerade_table(rules: &[RuleStatus<MasqueradeRule>]) -> String {
    let rows = rules.iter().map(|status| {
        let MasqueradeRule { source, uplink, except, to, mss_clamp, mapping, filtering } =
            &status.rule;
        let mut more: Vec<String> = to.iter().map(|to| format!("as {to}")).collect();
        more.extend(except.iter().map(|network| format!("except to {network}")));
        more.extend(mss_clamp.iter().map(|clamp| format!("mss {clamp}")));
        if *mapping == Mapping::EndpointIndependent {
            more.push(format!("{mapping} mapping, {filtering} filtering"));
        }
        [
            count(status.flows),
            count(status.packets),
            bytes(status.bytes),
            source.to_string(),
            uplink.clone().unwrap_or_else(|| "any".into()),
            more.join(", "),
        ]
    });
    // The column of options is left out if no rule has options.
    let plain = |status: &RuleStatus<MasqueradeRule>| {
        let MasqueradeRule { source, uplink, .. } = &status.rule;
        status.rule == MasqueradeRule::new(*source, uplink.clone())
    };
    let heads = ["FLOWS", "PKTS", "BYTES", "SOURCE", "UPLINK", "OPTIONS"];
    let columns = if rules.iter().all(plain) { 5 } else { 6 };
    table(&heads[..columns], rows.map(|row| row.into_iter().take(columns)))
}

/// Forward rules with their counters.
pub(super) fn forward_table(rules: &[RuleStatus<ForwardRule>]) -> String {
    let rows = rules.iter().map(|status| {
        let ForwardRule { protocol, address, ports, from, .. } = &status.rule;
        let address = address.map_or_else(|| "any".into(), |address| address.to_string());
        [
            count(status.flows),
            count(status.packets),
            bytes(status.bytes),
            protocol.to_string(),
            format!("{address}:{ports}"),
            status.rule.leads_to(),
            from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ]
    });
    let heads = ["FLOWS", "PKTS", "BYTES", "PROTO", "HOST", "TARGET", "FROM"];
    let columns = if rules.iter().all(|status| status.rule.from.is_empty()) { 6 } else { 7 };
    table(&heads[..columns], rows.map(|row| row.into_iter().take(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ForwardProtocol;

    fn usage(interface: &str, connections: u64, unreplied: u64) -> UsageStatus {
        UsageStatus {
            interface: Some(interface.into()),
            of_other_nats: false,
            connections,
            unreplied,
            quota: 65_536,
            unreplied_quota: 16_384,
        }
    }

    #[test]
    fn rules_usage_and_drops_are_shown_in_tables() {
        let rules = Rules {
            via_stack: true,
            masquerades: vec![RuleStatus {
                id: 1,
                rule: MasqueradeRule::new("192.168.15.0/24".parse().unwrap(), Some("ens3".into())),
                flows: 2,
                packets: 8,
                bytes: 672,
            }],
            forwards: vec![RuleStatus {
                id: 2,
                rule: ForwardRule::new(
                    ForwardProtocol::Tcp,
                    80,
                    "192.168.15.2:80".parse().unwrap(),
                ),
                flows: 1,
                packets: 10,
                bytes: 1240,
            }],
            usage: vec![
                Usage { namespace: None, status: usage("ens3", 1, 0) },
                Usage { namespace: Some("red".into()), status: usage("veth-red-br", 70, 20) },
            ],
            drops: vec![DropStatus {
                reason: "no-masquerade",
                meaning: "No rule.",
                packets: 1,
                bytes: 84,
            }],
        };
        assert_eq!(
            anstream::adapter::strip_str(&text(&Nat::One { lab: "lab".into(), rules })).to_string(),
            "\
via_stack: packets pass through the network stack

masquerade
FLOWS  PKTS  BYTES  SOURCE           UPLINK
    2     8  672 B  192.168.15.0/24  ens3

forward
FLOWS  PKTS   BYTES  PROTO  HOST    TARGET
    1    10  1.2 kB  tcp    any:80  192.168.15.2:80

connections by origin
ORIGIN     FLOWS  UNREPLIED  QUOTA  UNREPLIED QUOTA
from ens3      1          0  65536            16384
red           70         20  65536            16384

dropped
PKTS  BYTES  REASON         MEANING
   1   84 B  no-masquerade  No rule.
"
        );
    }
}
