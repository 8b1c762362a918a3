//! `netns status [LAB]`

use std::{fmt::Write, path::Path, process::ExitCode};

use super::{down::is_file, list::readable_records, print, read_topology};
use crate::{
    cli::{StatusArgs, or_of_environment},
    lab::{self, LabError, LabRecord, LabStatus, Part},
    output::{
        style::{BAD, GOOD, HEADING, paint},
        table,
    },
};

/// From this many parts of one kind on, they are shown in one row.
const MANY: usize = 20;

/// Shows labs with their parts, and warns of records that cannot be read. The exit code is 1 when a
/// lab is damaged.
///
/// # Errors
/// When the lab is not up, its file is faulty, or the kernel cannot be asked.
pub fn run(args: &StatusArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let records = match or_of_environment(args.lab.as_ref()) {
        Some(lab) if is_file(&lab) => {
            vec![LabRecord::load(&read_topology(Path::new(&lab))?.name)?]
        }
        Some(name) => vec![LabRecord::load(&name)?],
        None => readable_records()?,
    };
    let records = settled(records)?;
    let labs = records.iter().map(lab::status).collect::<Result<Vec<_>, _>>()?;
    print(json, &labs, |labs| render(labs, args.all))?;
    let whole = labs.iter().all(LabStatus::is_whole);
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The records after every running change has ended. Labs that were taken down are left out.
fn settled(records: Vec<LabRecord>) -> Result<Vec<LabRecord>, LabError> {
    let settled = records.into_iter().map(|record| match lab::settled(record) {
        Err(LabError::NotUp(_)) => Ok(None),
        settled => settled.map(Some),
    });
    settled.filter_map(Result::transpose).collect()
}

fn render(labs: &[LabStatus], all: bool) -> String {
    if labs.is_empty() {
        return "no lab is up\n".into();
    }
    let mut text = String::new();
    for (number, lab) in labs.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        render_lab(&mut text, lab, all);
    }
    text
}

fn render_lab(text: &mut String, lab: &LabStatus, all: bool) {
    let missing = lab.parts.iter().filter(|part| !part.present).count();
    let there = || lab.parts.iter().filter(|part| part.present);
    let off = there().filter(|part| !part.off.is_empty()).count();
    let changed = there().filter(|part| !part.changed.is_empty()).count();
    let counts = [(missing, "missing"), (off, "off"), (changed, "changed")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    let verdict = match counts.as_slice() {
        _ if !lab.complete => {
            paint(BAD, "unfinished: its `up` or `down` was interrupted; run it again")
        }
        _ if lab.other_version => paint(
            BAD,
            "made by another version of netns: use that version, or run `netns up`, which rebuilds \
             the NAT and ends its connections",
        ),
        [] => paint(GOOD, "up"),
        [_, ..] => paint(BAD, format!("damaged, {}", counts.join(", "))),
    };
    let rows = if all { lab.parts.iter().map(row).collect() } else { folded(&lab.parts) };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} {verdict}", paint(HEADING, format!("lab {}:", lab.lab)));
    text.push_str(&table(&["PART", "NAME", "STATE", "DETAIL"], rows));
    for rule in &lab.rules {
        let _ = writeln!(text, "{rule}");
    }
}

fn row(part: &Part) -> [String; 4] {
    let state = match (part.present, part.off.as_slice(), part.changed.as_slice()) {
        (false, ..) => "MISSING",
        (true, [], []) => "there",
        (true, [], [_, ..]) => "CHANGED",
        (true, [_, ..], _) => "OFF",
    };
    let mut words = vec![part.detail.clone()];
    if part.present && !part.off.is_empty() {
        words.push(format!("off: {}", part.off.join(", ")));
    }
    words.extend(part.changed.iter().map(ToString::to_string));
    words.retain(|word| !word.is_empty());
    [part.kind.name().to_owned(), part.name.clone(), state.to_owned(), words.join("; ")]
}

/// The rows of all parts. Many successive parts of one kind that work share a row.
fn folded(parts: &[Part]) -> Vec<[String; 4]> {
    let alike = |one: &Part, other: &Part| one.kind == other.kind && one.works() && other.works();
    let groups = parts.chunk_by(alike);
    let rows = groups.flat_map(|group| match group {
        [first, .., last] if group.len() >= MANY => {
            let name = format!("{} … {}", first.name, last.name);
            let detail = format!("{} {}s", group.len(), first.kind.name());
            vec![[first.kind.name().to_owned(), name, "there".to_owned(), detail]]
        }
        group => group.iter().map(row).collect(),
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::PartKind;

    fn part(name: &str, present: bool) -> Part {
        let (name, detail) = (name.into(), "10.0.0.1/24".into());
        let (off, changed) = (Vec::new(), Vec::new());
        Part { kind: PartKind::Namespace, name, detail, present, off, changed }
    }

    #[test]
    fn many_parts_share_a_row_but_missing_ones_have_their_own() {
        let mut parts: Vec<Part> = (1..=60).map(|n| part(&format!("web-{n}"), true)).collect();
        parts[29].present = false;
        let rows = folded(&parts);
        let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(names, ["web-1 … web-29", "web-30", "web-31 … web-60"]);
        assert_eq!(rows[1][2], "MISSING");
        parts[29] = Part { off: vec!["eth0".into()], ..part("web-30", true) };
        assert_eq!(folded(&parts)[1][2..], ["OFF", "10.0.0.1/24; off: eth0"]);
        assert_eq!(rows[2][3], "30 namespaces");
    }

    #[test]
    fn a_missing_part_is_shown_and_the_lab_is_damaged() {
        let lab = LabStatus {
            lab: "lab".into(),
            complete: true,
            other_version: false,
            parts: vec![part("red", true), part("blue", false)],
            rules: vec!["masquerade 10.0.0.0/24 out of any uplink".into()],
        };
        assert!(!lab.is_whole());
        assert_eq!(lab.missing(), ["namespace \"blue\""]);
        let text = anstream::adapter::strip_str(&render(&[lab], false)).to_string();
        assert_eq!(
            text,
            "\
lab lab: damaged, 1 missing
PART       NAME  STATE    DETAIL
namespace  red   there    10.0.0.1/24
namespace  blue  MISSING  10.0.0.1/24
masquerade 10.0.0.0/24 out of any uplink
"
        );
    }
}
