//! `netns status [LAB]`

use std::{fmt::Write, process::ExitCode};

use super::{list::readable_records, print};
use crate::{
    cli::StatusArgs,
    lab::{self, LabRecord, LabStatus},
    output::{
        style::{BAD, GOOD, HEADING, paint},
        table,
    },
};

/// Shows labs with their parts; fails when one is not whole. Of records that cannot be read it
/// warns.
///
/// # Errors
/// When the lab is not up or the kernel refuses to tell.
pub fn run(args: &StatusArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let records = match &args.lab {
        Some(name) => vec![LabRecord::load(name)?],
        None => readable_records()?,
    };
    let labs = records.iter().map(lab::status).collect::<Result<Vec<_>, _>>()?;
    print(json, &labs, |labs| render(labs))?;
    let whole = labs.iter().all(LabStatus::is_whole);
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn render(labs: &[LabStatus]) -> String {
    if labs.is_empty() {
        return "no lab is up\n".into();
    }
    let mut text = String::new();
    for (number, lab) in labs.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        render_lab(&mut text, lab);
    }
    text
}

fn render_lab(text: &mut String, lab: &LabStatus) {
    let missing = lab.parts.iter().filter(|part| !part.present).count();
    let verdict = match (lab.complete, missing) {
        (false, _) => paint(BAD, "unfinished: clear it with `netns down`"),
        (true, 0) => paint(GOOD, "up"),
        (true, count) => paint(BAD, format!("damaged, {count} missing")),
    };
    let rows = lab.parts.iter().map(|part| {
        let state = if part.present { "there" } else { "MISSING" };
        [part.kind.name(), &part.name, state, &part.detail]
    });
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} {verdict}", paint(HEADING, format!("lab {}:", lab.lab)));
    text.push_str(&table(&["PART", "NAME", "STATE", "DETAIL"], rows));
    for rule in &lab.rules {
        let _ = writeln!(text, "{rule}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Part, PartKind};

    fn part(name: &str, present: bool) -> Part {
        Part { kind: PartKind::Namespace, name: name.into(), detail: "10.0.0.1/24".into(), present }
    }

    #[test]
    fn what_is_missing_is_shown() {
        let lab = LabStatus {
            lab: "lab".into(),
            complete: true,
            parts: vec![part("red", true), part("blue", false)],
            rules: vec!["masquerade 10.0.0.0/24 out of any uplink".into()],
        };
        assert!(!lab.is_whole());
        assert_eq!(lab.missing(), ["namespace \"blue\""]);
        let text = anstream::adapter::strip_str(&render(&[lab])).to_string();
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
