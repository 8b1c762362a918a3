//! `netns nat [LAB]`: the rules as `iptables -nvL -t nat` shows them, and the drop reasons.

use std::{collections::HashMap, process::ExitCode};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    print,
    routers::{LivingRouter, routers},
    rule_lists::{RuleKind, rules_of},
};
use crate::{
    cli::NatArgs,
    datapath::{DropStatus, RuleStatus, UsageStatus},
    lab,
    output::{
        bytes, count,
        style::{FAINT, HEADING, paint},
        table,
    },
    rules::{ForwardRule, MasqueradeRule},
    topology::Topology,
};

/// The NAT of a lab. If it shows one router, the fields of that router besides `router` stand
/// beside `lab` too. These are deprecated aliases: use `routers`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Nat<'a> {
    /// The name of the lab.
    lab: &'a str,
    /// The routers in the order of the topology file, or the one that `--router` selects.
    routers: &'a [RouterRules],
    /// The aliases. Programs that were written for labs with one router use them.
    #[serde(flatten)]
    #[schemars(skip)]
    only: Option<&'a Rules>,
}

/// A router and its NAT.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RouterRules {
    /// The name of the router; `"machine"`: this machine.
    router: String,
    #[serde(flatten)]
    rules: Rules,
}

/// The rules of a router.
#[derive(Debug, Serialize, JsonSchema)]
struct Rules {
    /// Whether translated packets pass through the kernel's network stack.
    via_stack: bool,
    /// The masquerade rules with their counters.
    masquerades: Vec<RuleStatus<MasqueradeRule>>,
    /// The forward rules with their counters.
    forwards: Vec<RuleStatus<ForwardRule>>,
    /// The connections in the flow table by their origin. Origins without connections are missing.
    usage: Vec<Usage>,
    /// The dropped packets by reason. Reasons that never occurred are missing.
    drops: Vec<DropStatus>,
}

/// The connections of one cable or uplink in the flow table.
#[derive(Debug, Serialize, JsonSchema)]
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
    let routers = read(&topology, args.about.router())?;
    print(json, &Nat::new(&topology.name, &routers), |nat| text(nat.routers))?;
    Ok(ExitCode::SUCCESS)
}

/// The rules of a running lab as text.
///
/// # Errors
/// When its datapath cannot be read.
pub fn render(topology: &Topology) -> anyhow::Result<String> {
    Ok(text(&read(topology, None)?))
}

impl<'a> Nat<'a> {
    fn new(lab: &'a str, routers: &'a [RouterRules]) -> Self {
        let only = match routers {
            [only] => Some(&only.rules),
            _ => None,
        };
        Self { lab, routers, only }
    }
}

fn read(topology: &Topology, router: Option<&str>) -> anyhow::Result<Vec<RouterRules>> {
    let of_router = |router: &LivingRouter| {
        Ok(RouterRules { router: router.name().to_owned(), rules: rules(topology, router)? })
    };
    routers(topology, router)?.iter().map(of_router).collect()
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

/// The tables of each router. Several routers have a heading each.
fn text(routers: &[RouterRules]) -> String {
    if let [only] = routers {
        return tables(only);
    }
    let headed = |of: &RouterRules| {
        format!("{}\n\n{}", paint(HEADING, format!("router {}", of.router)), tables(of))
    };
    routers.iter().map(headed).collect::<Vec<_>>().join("\n")
}

fn tables(RouterRules { router, rules }: &RouterRules) -> String {
    let mut text = String::new();
    if rules.via_stack {
        text +=
            &format!("{}\n\n", paint(HEADING, "via_stack: packets pass through the network stack"));
    }
    text += &format!("{}\n", paint(HEADING, MasqueradeRule::NAME));
    text += &rules_of(router, &rules.masquerades);
    text += &format!("\n{}\n", paint(HEADING, ForwardRule::NAME));
    text += &rules_of(router, &rules.forwards);
    if !rules.usage.is_empty() {
        text += &format!("\n{}\n", paint(HEADING, "connections by origin"));
        text += &usage_table(&rules.usage);
    }
    if !rules.drops.is_empty() {
        let drops = rules.drops.iter().map(|drop| {
            [
                count(drop.packets),
                bytes(drop.bytes),
                drop.reason.to_owned(),
                drop.meaning.to_owned(),
            ]
        });
        text += &format!("\n{}\n", paint(HEADING, "dropped"));
        text += &table(&["PKTS", "BYTES", "REASON", "MEANING"], drops);
        text += &format!("{}\n", paint(FAINT, REMEDIES));
    }
    text
}

/// Where the remedy for each drop reason is.
const REMEDIES: &str =
    "`netns nat --json` and docs/drop-reasons.md have the cause and the remedy of each reason";

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

#[cfg(test)]
mod tests {
    use netns_common::abi::DropReason;
    use serde_json::{Value, json};

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

    fn empty(router: &str) -> RouterRules {
        let rules = Rules {
            via_stack: false,
            masquerades: Vec::new(),
            forwards: Vec::new(),
            usage: Vec::new(),
            drops: Vec::new(),
        };
        RouterRules { router: router.to_owned(), rules }
    }

    fn plain(routers: &[RouterRules]) -> String {
        anstream::adapter::strip_str(&text(routers)).to_string()
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
            drops: vec![DropStatus::new(DropReason::TableFull, 1, 84)],
        };
        assert_eq!(
            plain(&[RouterRules { router: "host".into(), rules }]),
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
PKTS  BYTES  REASON      MEANING
   1   84 B  table-full  The flow table is full.
`netns nat --json` and docs/drop-reasons.md have the cause and the remedy of each reason
"
        );
    }

    #[test]
    fn a_router_without_rules_has_sentences_instead_of_empty_tables() {
        assert_eq!(
            plain(&[empty("host")]),
            "\
masquerade
router host has no masquerade rule: `netns masquerade add SOURCE` adds one

forward
router host has no forward rule: `netns forward add PROTOCOL PORT TARGET` adds one
"
        );
    }

    #[test]
    fn the_json_has_one_shape_for_any_number_of_routers() {
        let json = |routers: &[RouterRules]| -> Value {
            serde_json::to_value(Nat::new("town", routers)).unwrap()
        };
        let one = json(&[empty("home")]);
        let two = json(&[empty("home"), empty("provider")]);
        assert_eq!(two["routers"][0], one["routers"][0]);
        assert_eq!(two["routers"][1]["router"], "provider");
        let fields = two.as_object().unwrap().keys().collect::<Vec<_>>();
        assert_eq!(fields, ["lab", "routers"]);
        // A lab with one router keeps the fields that it had before `routers`.
        for alias in ["via_stack", "masquerades", "forwards", "usage", "drops"] {
            assert_eq!(one[alias], one["routers"][0][alias], "{alias}");
        }
        assert_eq!(one["masquerades"], json!([]));
    }
}
