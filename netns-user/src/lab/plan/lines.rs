//! The lines that describe a plan to a person.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::datapath::DatapathPlan;
use crate::{
    datapath::DatapathChange,
    lab::{
        changes::{Change, ChangeKind},
        datapaths::RouterDatapath,
        resources::{Deviation, Resource},
    },
    net::Netns,
};

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedChange {
    /// Whether `up` would add, change or remove the object.
    pub verb: ChangeKind,
    /// The kind of the object: `"namespace"`, `"cable"`, `"bridge"`, `"address"`, `"route"`,
    /// `"name servers"`, `"hosts file"`, `"datapath"`, `"rule"`, `"program"`, `"setting"`,
    /// `"guard"` or `"reassembler"`.
    pub kind: &'static str,
    /// The name of the object.
    pub name: String,
    /// Further details, in words; empty: there are none.
    pub detail: String,
    /// The new or removed namespace that this belongs to; `None`: it belongs to none.
    pub part_of: Option<String>,
}

pub(in crate::lab) fn line(
    verb: ChangeKind,
    kind: &'static str,
    name: String,
    detail: String,
) -> PlannedChange {
    PlannedChange { verb, kind, name, detail, part_of: None }
}

pub(in crate::lab) fn network_line(
    change: &Change,
    made: &impl Fn(&Netns) -> Option<String>,
) -> PlannedChange {
    let verb = change.kind;
    let (kind, name, mut detail) = change.resource.describe();
    match (&change.resource, change.deviations.as_slice()) {
        (Resource::Address { .. }, [_, ..]) => detail += ", comes after the first one",
        (_, []) => {}
        (_, deviations) => {
            let changes: Vec<String> = deviations.iter().map(Deviation::as_change).collect();
            detail = changes.join("; ");
        }
    }
    let part_of = match &change.resource {
        Resource::Namespace { .. } | Resource::Hosts { .. } => None,
        Resource::Bridge { interface, .. } | Resource::Address { interface, .. } => {
            made(&interface.netns)
        }
        Resource::Cable(cable) => made(&cable.far.netns).or_else(|| made(&cable.near.netns)),
        Resource::Route { netns, .. } => made(netns),
        Resource::Resolver { namespace, .. } | Resource::HostsLink { namespace, .. } => {
            made(&Netns::named(namespace))
        }
    };
    PlannedChange { verb, kind, name, detail, part_of }
}

/// The lines about a datapath. A program of a new cable is not mentioned: it belongs to the cable.
pub(in crate::lab) fn datapath_lines(
    datapath: &RouterDatapath,
    kind: &DatapathPlan,
    new_ports: &HashSet<&str>,
) -> Vec<PlannedChange> {
    let spec = &datapath.spec;
    let changes = match kind {
        DatapathPlan::Change(changes) => changes,
        DatapathPlan::Install { replaces } => {
            let (verb, detail) = if *replaces {
                (ChangeKind::Change, "is rebuilt, its connections end".to_owned())
            } else {
                (ChangeKind::Add, format!("{} connections", spec.flow_capacity))
            };
            let mut lines = vec![line(verb, "datapath", spec.lab.clone(), detail)];
            let rules = spec.routed.iter().map(ToString::to_string);
            let rules = rules.chain(spec.masquerades.iter().map(ToString::to_string));
            let rules = rules.chain(spec.forwards.iter().map(ToString::to_string));
            lines.extend(rules.map(|rule| line(ChangeKind::Add, "rule", rule, String::new())));
            return lines;
        }
    };
    let rule = |rule: String, added: &bool| {
        let (verb, detail) = if *added {
            (ChangeKind::Add, String::new())
        } else {
            (ChangeKind::Remove, "its connections end".to_owned())
        };
        line(verb, "rule", rule, detail)
    };
    let hook = |name: &String, added: &bool| {
        (*added && !new_ports.contains(name.as_str()))
            .then(|| line(ChangeKind::Add, "program", format!("at {name}"), String::new()))
    };
    let switch = |key: &str, on: bool| {
        let state = if on { "off -> on" } else { "on -> off" };
        line(ChangeKind::Change, "setting", key.to_owned(), state.to_owned())
    };
    let lines = changes.iter().filter_map(|change| match change {
        DatapathChange::SourceCheck(on) => Some(switch("nat.source_check", *on)),
        DatapathChange::ViaStack(on) => Some(switch("nat.via_stack", *on)),
        DatapathChange::Setting { key, from, to } => {
            Some(line(ChangeKind::Change, "setting", key.clone(), format!("{from} -> {to}")))
        }
        DatapathChange::CableSourceCheck { port, check } => {
            let state = match check {
                None => "as nat.source_check",
                Some(true) => "on",
                Some(false) => "off",
            };
            let name = format!("source_check of {port}");
            Some(line(ChangeKind::Change, "setting", name, state.to_owned()))
        }
        DatapathChange::Reassembler => {
            let detail = "reassembles fragments".to_owned();
            Some(line(ChangeKind::Add, "reassembler", spec.lab.clone(), detail))
        }
        DatapathChange::ForwardGuard => {
            let detail = "drops packets routed out of an interface that is no uplink".to_owned();
            Some(line(ChangeKind::Add, "guard", spec.lab.clone(), detail))
        }
        DatapathChange::Routed { routed, added } => {
            let verb = if *added { ChangeKind::Add } else { ChangeKind::Remove };
            Some(line(verb, "rule", routed.to_string(), String::new()))
        }
        DatapathChange::Uplink { name, added } | DatapathChange::Cable { port: name, added } => {
            hook(name, added)
        }
        DatapathChange::Masquerade { rule: masquerade, added } => {
            Some(rule(masquerade.to_string(), added))
        }
        DatapathChange::Forward { rule: forward, added } => Some(rule(forward.to_string(), added)),
    });
    lines.collect()
}
