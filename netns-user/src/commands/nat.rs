//! `netns nat [LAB]`: the rules as `iptables -nvL -t nat` shows them, and the drop reasons.

use std::process::ExitCode;

use serde::Serialize;

use super::{open_datapath, print};
use crate::{
    cli::NatArgs,
    datapath::{DropStatus, RuleStatus},
    lab,
    output::{
        bytes, count,
        style::{HEADING, paint},
        table,
    },
    rules::{ForwardRule, MasqueradeRule},
    topology::Topology,
};

/// The rules of a lab and what they have done.
#[derive(Debug, Serialize)]
struct Nat {
    lab: String,
    masquerades: Vec<RuleStatus<MasqueradeRule>>,
    forwards: Vec<RuleStatus<ForwardRule>>,
    drops: Vec<DropStatus>,
}

/// Shows the NAT rules of a living lab with their counters, and what was dropped.
///
/// # Errors
/// When no lab can be chosen or its datapath cannot be read.
pub fn run(args: &NatArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.lab.as_deref())?.topology;
    print(json, &read(&topology)?, text)?;
    Ok(ExitCode::SUCCESS)
}

/// The rules of a living lab as text.
///
/// # Errors
/// When its datapath cannot be read.
pub fn render(topology: &Topology) -> anyhow::Result<String> {
    Ok(text(&read(topology)?))
}

fn read(topology: &Topology) -> anyhow::Result<Nat> {
    let datapath = open_datapath(&topology.name)?;
    // Names of interfaces are known where the interfaces are.
    let masquerades = lab::in_router(topology, || datapath.masquerades())??;
    Ok(Nat {
        lab: topology.name.clone(),
        masquerades,
        forwards: datapath.forwards()?,
        drops: datapath.drops()?,
    })
}

fn text(nat: &Nat) -> String {
    let masquerades = nat.masquerades.iter().map(|status| {
        let MasqueradeRule { source, uplink } = &status.rule;
        let uplink = uplink.clone().unwrap_or_else(|| "any".into());
        [
            count(status.flows),
            count(status.packets),
            bytes(status.bytes),
            source.to_string(),
            uplink,
        ]
    });
    let forwards = nat.forwards.iter().map(|status| {
        let ForwardRule { protocol, address, port, target } = &status.rule;
        let address = address.map_or_else(|| "any".into(), |address| address.to_string());
        [
            count(status.flows),
            count(status.packets),
            bytes(status.bytes),
            protocol.to_string(),
            format!("{address}:{port}"),
            target.to_string(),
        ]
    });
    let mut text = format!("{}\n", paint(HEADING, "masquerade"));
    text += &table(&["FLOWS", "PKTS", "BYTES", "SOURCE", "UPLINK"], masquerades);
    text += &format!("\n{}\n", paint(HEADING, "forward"));
    text += &table(&["FLOWS", "PKTS", "BYTES", "PROTO", "HOST", "TARGET"], forwards);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ForwardProtocol;

    #[test]
    fn rules_and_drops_stand_in_tables() {
        let nat = Nat {
            lab: "lab".into(),
            masquerades: vec![RuleStatus {
                id: 1,
                rule: MasqueradeRule {
                    source: "192.168.15.0/24".parse().unwrap(),
                    uplink: Some("ens3".into()),
                },
                flows: 2,
                packets: 8,
                bytes: 672,
            }],
            forwards: vec![RuleStatus {
                id: 2,
                rule: ForwardRule {
                    protocol: ForwardProtocol::Tcp,
                    address: None,
                    port: 80,
                    target: "192.168.15.2:80".parse().unwrap(),
                },
                flows: 1,
                packets: 10,
                bytes: 1240,
            }],
            drops: vec![DropStatus {
                reason: "no-masquerade",
                meaning: "No rule.",
                packets: 1,
                bytes: 84,
            }],
        };
        assert_eq!(
            anstream::adapter::strip_str(&text(&nat)).to_string(),
            "\
masquerade
FLOWS  PKTS  BYTES  SOURCE           UPLINK
    2     8  672 B  192.168.15.0/24  ens3

forward
FLOWS  PKTS   BYTES  PROTO  HOST    TARGET
    1    10  1.2 kB  tcp    any:80  192.168.15.2:80

dropped
PKTS  BYTES  REASON         MEANING
   1   84 B  no-masquerade  No rule.
"
        );
    }
}
