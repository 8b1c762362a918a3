//! `netns doctor [FILE]`

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;

use super::{is_standard_input, print, read_topology};
use crate::{
    cli::DoctorArgs,
    doctor::{self, Finding, Subject, Trial, Verdict},
    output::{
        style::{BAD, FAINT, FIGURE, GOOD, PLAIN, WARNING, paint},
        terminal,
    },
};

/// The state of this machine.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// The lab that the machine is checked for; `None`: labs in general.
    lab: Option<&'a str>,
    /// Whether no finding is a fault.
    sound: bool,
    /// The result of each check.
    findings: &'a [Finding],
}

/// Fewest columns that text is wrapped to.
const NARROWEST: usize = 30;

/// Checks the machine. The exit code is 1 when a finding is a fault.
///
/// # Errors
/// When the file cannot be read or is faulty.
pub fn run(args: &DoctorArgs, json: bool) -> anyhow::Result<ExitCode> {
    let subject = match &args.file {
        Some(file) => {
            let on_disk = (!is_standard_input(file)).then(|| file.display().to_string());
            Subject::lab(read_topology(file)?, on_disk)
        }
        None => Subject::any_lab(),
    };
    let trial = if args.quick { Trial::Quick } else { Trial::All };
    let findings = doctor::examine(&subject, trial);
    let sound = doctor::is_sound(&findings);
    let report = Report { lab: subject.name(), sound, findings: &findings };
    print(json, &report, |report| render(report.findings, report.lab, width()))?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Columns of the terminal; elsewhere lines are not wrapped.
fn width() -> usize {
    if io::stdout().is_terminal() { terminal::width().max(NARROWEST) } else { usize::MAX }
}

fn render(findings: &[Finding], lab: Option<&str>, width: usize) -> String {
    let names = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let indent = names + 4;
    let mut text = String::new();
    for finding in findings {
        let (mark, style) = mark(finding.verdict);
        let head = format!("{} {:names$}  ", paint(style, mark), finding.check);
        paragraph(&mut text, &head, indent, PLAIN, &finding.found, width);
        let space = " ".repeat(indent);
        if let Some(meaning) = &finding.meaning {
            paragraph(&mut text, &space, indent, FAINT, meaning, width);
        }
        // Not wrapped, so that it can be copied.
        if let Some(command) = &finding.command {
            text += &format!("{space}{} {}\n", paint(FAINT, "$"), paint(FIGURE, command));
        }
    }
    text + "\n" + &summary(findings, lab) + "\n"
}

fn mark(verdict: Verdict) -> (char, Style) {
    match verdict {
        Verdict::Sound => ('✓', GOOD),
        Verdict::Doubtful => ('!', WARNING),
        Verdict::Faulty => ('✗', BAD),
    }
}

fn summary(findings: &[Finding], lab: Option<&str>) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (faults, doubts) = (count(Verdict::Faulty), count(Verdict::Doubtful));
    let what = lab.map_or_else(|| "labs".to_owned(), |lab| format!("lab \"{lab}\""));
    let verb = if lab.is_some() { "works" } else { "work" };
    let remarks = match doubts {
        0 => String::new(),
        1 => "; 1 warning (!)".to_owned(),
        many => format!("; {many} warnings (!)"),
    };
    match faults {
        0 => format!("{}{remarks}", paint(GOOD, format!("{what} {verb} on this machine"))),
        1 => format!("{}{remarks}", paint(BAD, "1 fault to repair first (✗)")),
        many => format!("{}{remarks}", paint(BAD, format!("{many} faults to repair first (✗)"))),
    }
}

/// Adds words after `head`, wrapped between `indent` and `width`.
fn paragraph(
    text: &mut String,
    head: &str,
    indent: usize,
    style: Style,
    words: &str,
    width: usize,
) {
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.split_whitespace() {
        let last = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= room
        });
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    for (number, line) in lines.iter().enumerate() {
        let space = " ".repeat(indent);
        let head = if number == 0 { head } else { &space };
        *text += &format!("{head}{}\n", paint(style, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict, meaning: Option<&str>, command: Option<&str>) -> Finding {
        Finding {
            check: "bpffs",
            verdict,
            found: "not mounted at /sys/fs/bpf".into(),
            meaning: meaning.map(Into::into),
            command: command.map(Into::into),
        }
    }

    fn plain(findings: &[Finding], width: usize) -> String {
        anstream::adapter::strip_str(&render(findings, None, width)).to_string()
    }

    #[test]
    fn text_is_wrapped_and_commands_are_not() {
        let doubt = finding(
            Verdict::Doubtful,
            Some("`netns up` mounts it"),
            Some("mount -t bpf bpf /sys/fs/bpf"),
        );
        let expected = "\
! bpffs  not mounted at
         /sys/fs/bpf
         `netns up` mounts it
         $ mount -t bpf bpf /sys/fs/bpf

labs work on this machine; 1 warning (!)
";
        assert_eq!(plain(&[doubt], 30), expected);
    }

    #[test]
    fn faults_are_counted() {
        let faults = [finding(Verdict::Faulty, None, None), finding(Verdict::Sound, None, None)];
        assert!(!doctor::is_sound(&faults));
        assert!(plain(&faults, usize::MAX).ends_with("\n1 fault to repair first (✗)\n"));
    }
}
