//! `netns plan [FILE]`

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, process::ExitCode};

use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;

use super::{print, up::tell_kept, wanted};
use crate::{
    cli::PlanArgs,
    lab::{self, ChangeKind, KeptFiles, PlannedChange},
    output::{
        style::{BAD, FIGURE, GOOD, HEADING, paint},
        table,
    },
};

/// From this many changes of one kind on, they are shown in one line.
const MANY: usize = 20;

/// The exit code when there are changes, if it is asked for.
const PENDING: u8 = 3;

/// The changes that `up` would make.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Planned<'a> {
    /// The name of the lab.
    lab: &'a str,
    /// The objects to add, change and remove; empty: the lab matches its file.
    changes: &'a [PlannedChange],
    /// The equivalent commands, as a script for a shell.
    commands: Vec<String>,
    /// Files of the lab that were changed by hand, and are kept.
    edited: Vec<PathBuf>,
    /// Hosts files of its namespaces that netns has not made, and keeps.
    own_hosts: Vec<PathBuf>,
}

/// Shows the objects that `up` would add, change and remove.
///
/// # Errors
/// When the file is faulty, a name of the lab is taken, or the kernel cannot be asked.
pub fn run(args: &PlanArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = wanted(args.file.as_deref(), args.via_stack)?;
    let plan = lab::plan(&topology)?;
    let changes = plan.planned_changes();
    let kept = KeptFiles::of(&topology);
    let planned = Planned {
        lab: plan.lab(),
        changes: &changes,
        commands: plan.commands(),
        edited: kept.edited(),
        own_hosts: kept.own_hosts.clone(),
    };
    print(json, &planned, |plan| render(plan.lab, plan.changes, args.all))?;
    if !json {
        tell_kept(&kept);
    }
    let is_pending = args.exit_code && !changes.is_empty();
    Ok(if is_pending { ExitCode::from(PENDING) } else { ExitCode::SUCCESS })
}

fn render(lab: &str, changes: &[PlannedChange], all: bool) -> String {
    if changes.is_empty() {
        return format!("lab \"{lab}\" matches its file: nothing to do\n");
    }
    let folded = if all { Vec::new() } else { many(changes) };
    // The parts of a new namespace are not listed one by one.
    let shown = changes.iter().filter(|change| {
        (all || change.part_of.is_none()) && !folded.contains(&(change.verb, change.kind))
    });
    let rows = shown.map(|change| row(change, changes));
    let rows = rows.chain(folded.iter().map(|(verb, kind)| folded_row(*verb, kind, changes)));
    let mut text = format!("{}\n", paint(HEADING, format!("lab {lab}:")));
    for line in table(&["", "PART", "NAME", "DETAIL"], rows).lines() {
        let signs = [ChangeKind::Add, ChangeKind::Change, ChangeKind::Remove]
            .map(|verb| (sign(verb), style(verb)));
        let sign = signs.iter().find_map(|(sign, style)| Some((style, line.strip_prefix(sign)?)));
        let _ = match sign {
            Some((style, rest)) => writeln!(text, "{}{rest}", paint(*style, &line[..1])),
            None => writeln!(text, "{line}"),
        };
    }
    let _ = writeln!(text, "{}", summary(changes));
    text
}

/// The row of a change. The row of a new namespace shows its addresses.
fn row(change: &PlannedChange, all: &[PlannedChange]) -> [String; 4] {
    let PlannedChange { verb, kind, name, detail, .. } = change;
    let mut words = vec![detail.clone()];
    if *kind == "namespace" && *verb == ChangeKind::Add {
        let its = all.iter().filter(|other| {
            other.kind == "address" && other.part_of.as_deref() == Some(name.as_str())
        });
        words.splice(0..0, its.map(|address| address.name.clone()));
    }
    words.retain(|word| !word.is_empty());
    [sign(*verb).to_owned(), (*kind).to_owned(), name.clone(), words.join(", ")]
}

/// One row for all changes of a kind.
fn folded_row(verb: ChangeKind, kind: &str, changes: &[PlannedChange]) -> [String; 4] {
    let of_kind = changes
        .iter()
        .filter(|change| change.verb == verb && change.kind == kind && change.part_of.is_none());
    let names: Vec<&str> = of_kind.map(|change| change.name.as_str()).collect();
    let (first, last) = (names.first().unwrap_or(&""), names.last().unwrap_or(&""));
    let detail = format!("{} in all", names.len());
    [sign(verb).to_owned(), kind.to_owned(), format!("{first} … {last}"), detail]
}

fn sign(verb: ChangeKind) -> &'static str {
    match verb {
        ChangeKind::Add => "+",
        ChangeKind::Change => "~",
        ChangeKind::Remove => "-",
    }
}

fn style(verb: ChangeKind) -> Style {
    match verb {
        ChangeKind::Add => GOOD,
        ChangeKind::Change => FIGURE,
        ChangeKind::Remove => BAD,
    }
}

/// The kinds with too many changes to list one by one.
fn many(changes: &[PlannedChange]) -> Vec<(ChangeKind, &'static str)> {
    let mut counts: BTreeMap<(&'static str, u8), (ChangeKind, usize)> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.part_of.is_none()) {
        counts.entry((change.kind, change.verb as u8)).or_insert((change.verb, 0)).1 += 1;
    }
    let many = counts.into_iter().filter(|(_, (_, count))| *count >= MANY);
    many.map(|((kind, _), (verb, _))| (verb, kind)).collect()
}

fn summary(changes: &[PlannedChange]) -> String {
    let own = || changes.iter().filter(|change| change.part_of.is_none());
    let count = |verb| own().filter(|change| change.verb == verb).count();
    format!(
        "{} to add, {} to change, {} to remove; everything else stays, also objects added by hand",
        count(ChangeKind::Add),
        count(ChangeKind::Change),
        count(ChangeKind::Remove)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(
        verb: ChangeKind,
        kind: &'static str,
        name: &str,
        part_of: Option<&str>,
    ) -> PlannedChange {
        PlannedChange {
            verb,
            kind,
            name: name.to_owned(),
            detail: String::new(),
            part_of: part_of.map(str::to_owned),
        }
    }

    fn plain(changes: &[PlannedChange]) -> String {
        anstream::adapter::strip_str(&render("lab", changes, false)).to_string()
    }

    #[test]
    fn the_row_of_a_new_namespace_shows_its_addresses() {
        let changes = [
            change(ChangeKind::Remove, "cable", "host:a - red:b", None),
            change(ChangeKind::Add, "namespace", "green", None),
            change(ChangeKind::Add, "address", "10.0.0.3/24", Some("green")),
        ];
        assert_eq!(
            plain(&changes),
            "\
lab lab:
   PART       NAME            DETAIL
-  cable      host:a - red:b
+  namespace  green           10.0.0.3/24
1 to add, 0 to change, 1 to remove; everything else stays, also objects added by hand
"
        );
    }

    #[test]
    fn many_changes_of_a_kind_are_one_line() {
        let names: Vec<String> = (1..=30).map(|number| format!("web-{number}")).collect();
        let changes: Vec<PlannedChange> =
            names.iter().map(|name| change(ChangeKind::Add, "namespace", name, None)).collect();
        let text = plain(&changes);
        assert!(text.contains("+  namespace  web-1 … web-30  30 in all"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
