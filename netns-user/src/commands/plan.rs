//! `netns plan [FILE]`

use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

use serde_json::json;

use super::{print, read_topology};
use crate::{
    cli::PlanArgs,
    lab::{self, PlannedChange, Verb},
    output::style::{BAD, FAINT, FIGURE, GOOD, HEADING, paint},
    topology::Topology,
};

/// From how many namespaces on those of one kind are told of in one line.
const MANY: usize = 20;

/// Shows what `up` would add, change and remove.
///
/// # Errors
/// When the file is faulty, something is in the lab's way, or the kernel refuses to tell.
pub fn run(args: &PlanArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = match &args.file {
        Some(file) => read_topology(file)?,
        None => Topology::lecture(),
    };
    let plan = lab::plan(&topology)?;
    let changes = plan.changes();
    let value = json!({ "lab": plan.lab(), "changes": changes, "commands": plan.commands() });
    print(json, &value, |_| render(plan.lab(), &changes, args.all))?;
    Ok(ExitCode::SUCCESS)
}

fn render(lab: &str, changes: &[PlannedChange], all: bool) -> String {
    if changes.is_empty() {
        return format!("lab \"{lab}\" is as it should be: nothing to do\n");
    }
    let mut text = format!("{}\n", paint(HEADING, format!("lab {lab}:")));
    let folded = if all { Vec::new() } else { many(changes) };
    let width = changes.iter().map(|change| change.kind.len()).max().unwrap_or(0);
    for change in changes {
        // What belongs to a namespace that is added goes without saying.
        let is_part = change.part_of.is_some() && !all;
        if is_part || folded.contains(&(change.verb, change.kind)) {
            continue;
        }
        let _ = writeln!(text, "{}", line(change, width, changes));
    }
    for (verb, kind) in folded {
        let of_kind = changes.iter().filter(|change| {
            (change.verb, change.kind) == (verb, kind) && change.part_of.is_none()
        });
        let names: Vec<&str> = of_kind.map(|change| change.name.as_str()).collect();
        if let (Some(first), Some(last)) = (names.first(), names.last()) {
            let count = names.len();
            let _ = writeln!(text, "  {} {count} {kind}s: {first} … {last}", sign(verb));
        }
    }
    let _ = writeln!(text, "{}", summary(changes));
    text
}

/// A namespace is told of with the addresses that it gets.
fn line(change: &PlannedChange, width: usize, all: &[PlannedChange]) -> String {
    let PlannedChange { verb, kind, name, detail, .. } = change;
    let mut detail = detail.clone();
    if *kind == "namespace" && *verb == Verb::Add {
        let its = all.iter().filter(|other| {
            other.kind == "address" && other.part_of.as_deref() == Some(name.as_str())
        });
        let addresses: Vec<&str> = its.map(|address| address.name.as_str()).collect();
        let words = [addresses.join(", "), detail];
        detail = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    }
    let line = format!("  {} {kind:<width$} {name}", sign(*verb));
    if detail.is_empty() { line } else { format!("{line}  {}", paint(FAINT, detail)) }
}

fn sign(verb: Verb) -> String {
    match verb {
        Verb::Add => paint(GOOD, "+"),
        Verb::Change => paint(FIGURE, "~"),
        Verb::Remove => paint(BAD, "-"),
    }
}

/// What there is too much of to tell one by one.
fn many(changes: &[PlannedChange]) -> Vec<(Verb, &'static str)> {
    let mut counts: BTreeMap<(&'static str, u8), (Verb, usize)> = BTreeMap::new();
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
        "{} to add, {} to change, {} to remove; what is not listed stays as it is",
        count(Verb::Add),
        count(Verb::Change),
        count(Verb::Remove)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(verb: Verb, kind: &'static str, name: &str, part_of: Option<&str>) -> PlannedChange {
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
    fn what_belongs_to_a_new_namespace_is_told_with_it() {
        let changes = [
            change(Verb::Remove, "cable", "host:a - red:b", None),
            change(Verb::Add, "namespace", "green", None),
            change(Verb::Add, "address", "10.0.0.3/24", Some("green")),
        ];
        assert_eq!(
            plain(&changes),
            "\
lab lab:
  - cable     host:a - red:b
  + namespace green  10.0.0.3/24
1 to add, 0 to change, 1 to remove; what is not listed stays as it is
"
        );
    }

    #[test]
    fn many_of_a_kind_are_one_line() {
        let names: Vec<String> = (1..=30).map(|number| format!("web-{number}")).collect();
        let changes: Vec<PlannedChange> =
            names.iter().map(|name| change(Verb::Add, "namespace", name, None)).collect();
        let text = plain(&changes);
        assert!(text.contains("+ 30 namespaces: web-1 … web-30"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
