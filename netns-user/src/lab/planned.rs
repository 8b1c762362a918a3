//! What a plan changes, in words.

use std::collections::HashSet;

use serde::Serialize;

use super::{
    datapaths::RouterDatapath,
    diff::{Difference, Fate},
    pieces::{Deviation, Piece},
    plan::DatapathFate,
};
use crate::{datapath::DatapathChange, step::Place};

/// What is to become of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Add,
    Change,
    Remove,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    pub verb: Verb,
    /// "namespace", "cable", "route", …
    pub kind: &'static str,
    pub name: String,
    pub detail: String,
    /// The namespace that is added as well and that this belongs to.
    pub part_of: Option<String>,
}

pub(super) fn line(verb: Verb, kind: &'static str, name: String, detail: String) -> PlannedChange {
    PlannedChange { verb, kind, name, detail, part_of: None }
}

pub(super) fn network_line(
    difference: &Difference,
    made: &impl Fn(&Place) -> Option<String>,
) -> PlannedChange {
    let verb = match difference.fate {
        Fate::Added => Verb::Add,
        Fate::Changed => Verb::Change,
        Fate::Removed => Verb::Remove,
    };
    let (kind, name, mut detail) = difference.piece.words();
    match (&difference.piece, difference.deviations.as_slice()) {
        (Piece::Address { .. }, [_, ..]) => detail += ", comes after the first one",
        (_, []) => {}
        (_, deviations) => {
            let changes: Vec<String> = deviations.iter().map(Deviation::as_change).collect();
            detail = changes.join("; ");
        }
    }
    let part_of = match &difference.piece {
        Piece::Namespace { .. } => None,
        Piece::Bridge { end, .. } | Piece::Address { end, .. } => made(&end.place),
        Piece::Cable(cable) => made(&cable.far.place).or_else(|| made(&cable.near.place)),
        Piece::Route { place, .. } => made(place),
        Piece::Resolver { namespace, .. } => made(&Place::namespace(namespace)),
    };
    PlannedChange { verb, kind, name, detail, part_of }
}

/// Programs come and go with their cables: only those that were missing are told of.
pub(super) fn datapath_lines(
    datapath: &RouterDatapath,
    fate: &DatapathFate,
    new_ports: &HashSet<&str>,
) -> Vec<PlannedChange> {
    let spec = &datapath.spec;
    let changes = match fate {
        DatapathFate::Changed(changes) => changes,
        DatapathFate::Installed { replaces } => {
            let (verb, detail) = if *replaces {
                (Verb::Change, "is rebuilt, its connections end".to_owned())
            } else {
                (Verb::Add, format!("{} connections", spec.flow_capacity))
            };
            let mut lines = vec![line(verb, "datapath", spec.lab.clone(), detail)];
            let rules = spec.routed.iter().map(ToString::to_string);
            let rules = rules.chain(spec.masquerades.iter().map(ToString::to_string));
            let rules = rules.chain(spec.forwards.iter().map(ToString::to_string));
            lines.extend(rules.map(|rule| line(Verb::Add, "rule", rule, String::new())));
            return lines;
        }
    };
    let rule = |rule: String, added: &bool| {
        let (verb, detail) = if *added {
            (Verb::Add, String::new())
        } else {
            (Verb::Remove, "its connections end".to_owned())
        };
        line(verb, "rule", rule, detail)
    };
    let hook = |name: &String, added: &bool| {
        (*added && !new_ports.contains(name.as_str()))
            .then(|| line(Verb::Add, "program", format!("at {name}"), String::new()))
    };
    let switch = |key: &str, on: bool| {
        let state = if on { "off -> on" } else { "on -> off" };
        line(Verb::Change, "setting", key.to_owned(), state.to_owned())
    };
    let lines = changes.iter().filter_map(|change| match change {
        DatapathChange::SourceCheck(on) => Some(switch("nat.source_check", *on)),
        DatapathChange::ViaStack(on) => Some(switch("nat.via_stack", *on)),
        DatapathChange::Setting { key, from, to } => {
            Some(line(Verb::Change, "setting", key.clone(), format!("{from} -> {to}")))
        }
        DatapathChange::CableSourceCheck { port, check } => {
            let state = match check {
                None => "as nat.source_check",
                Some(true) => "on",
                Some(false) => "off",
            };
            let name = format!("source_check of {port}");
            Some(line(Verb::Change, "setting", name, state.to_owned()))
        }
        DatapathChange::Reassembler => {
            let detail = "reassembles fragments".to_owned();
            Some(line(Verb::Add, "reassembler", spec.lab.clone(), detail))
        }
        DatapathChange::ForwardGuard => {
            let detail = "drops packets routed out of an interface that is no uplink".to_owned();
            Some(line(Verb::Add, "guard", spec.lab.clone(), detail))
        }
        DatapathChange::Routed { routed, added } => {
            let verb = if *added { Verb::Add } else { Verb::Remove };
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
