//! Writes docs/kernels.md: the programs that each kernel accepted, and the plays on it.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result};

use super::report::{Program, Report};
use crate::workspace::Workspace;

/// The file, from the root of the workspace.
const FILE: &str = "docs/kernels.md";

const INTRODUCTION: &str = "\
# Kernels

Which kernels accept the eBPF programs, and what was played on each. `cargo xtask verify --docs` has
made this page: do not edit it. The first kernel ran on the machine itself, the others are Debian's,
in virtual machines that qemu emulates.
";

const EXPLANATION: &str = "
The plays build labs with `netns`, change them while they are up, and send packets through them:

- `netns demo` performs the checks of the lecture's lab.
- Datagrams in fragments leave and arrive, in order and last first.
- Floods of many kinds come from inside and outside while two connections go on.
- With `via_stack`, datagrams and streams go both ways through the kernel's stack.
- With `redirect_peer`, they do not leave by the uplink's cable.
- When the first of two uplinks goes down, a flow in use leaves by the second.
- Each of 200 namespaces reaches the outside.

The NAT needs tcx links, which came with Linux 6.6, and a verifier that accepts the programs: that
of 6.7, or of a later release of 6.6. Debian has no package of 6.6, so it is not in the table. How
the kernels are chosen: [supported-kernels](design/supported-kernels.md).

## Instructions

How many instructions each kernel's verifier looks at for each program. It gives up at a million. On
the reference kernel each program has a budget, on others a quarter of a million.
";

/// Writes the page from the reports of all kernels.
pub(super) fn write(workspace: &Workspace, reports: &[Report]) -> Result<()> {
    let path = workspace.root().join(FILE);
    fs::write(&path, page(reports)).with_context(|| format!("cannot write {}", path.display()))?;
    println!("verify: wrote {FILE}");
    Ok(())
}

fn page(reports: &[Report]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let row = |page: &mut String, head: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.map(|cell| format!(" {cell} |")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {head} |{cells}");
    };
    let begin = |page: &mut String, head: &str| {
        page.push('\n');
        row(page, head, &mut reports.iter().map(|report| report.name().to_owned()));
        row(page, "---", &mut reports.iter().map(|_| "---".to_owned()));
    };

    begin(&mut page, "kernel");
    let mut line = |head: &str, cell: &dyn Fn(&Report) -> String| {
        row(&mut page, head, &mut reports.iter().map(cell));
    };
    line("release", &|report| format!("`{}`", report.release));
    line("programs accepted", &|report| report.programs.len().to_string());
    line("instructions verified", &|report| {
        with_commas(report.programs.iter().map(|program| program.instructions).sum())
    });
    line("longest program", &|report| longest(&report.programs));
    for name in names(reports, |report| report.plays.iter().map(|play| play.name.as_str())) {
        line(&format!("play: {name}"), &|report| {
            let play = report.plays.iter().find(|play| play.name == name);
            play.map_or("not played", |play| if play.succeeded { "ok" } else { "fails" }).to_owned()
        });
    }
    page += EXPLANATION;

    begin(&mut page, "program");
    for name in names(reports, |report| report.programs.iter().map(|one| one.name.as_str())) {
        let cell = |report: &Report| {
            let program = report.programs.iter().find(|program| program.name == name);
            program.map_or("refused".to_owned(), |program| with_commas(program.instructions))
        };
        row(&mut page, &format!("`{name}`"), &mut reports.iter().map(cell));
    }
    page
}

/// The names in all reports, each once, in their order.
fn names<'a, I: Iterator<Item = &'a str>>(
    reports: &'a [Report],
    of: impl Fn(&'a Report) -> I,
) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in reports.iter().flat_map(of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn longest(programs: &[Program]) -> String {
    let longest = programs.iter().max_by_key(|program| program.instructions);
    longest.map_or("-".to_owned(), |program| {
        format!("`{}`: {}", program.name, with_commas(program.instructions))
    })
}

/// A number with a comma after every three digits, from the right.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::report::Report, page, with_commas};

    fn report(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.read(line));
        report
    }

    #[test]
    fn a_row_compares_all_kernels_and_says_what_one_lacks() {
        let first = "Linux 6.18.44\nprogram instructions budget\nadmit 1532\nclaim 31877\n\
                     play  seconds  result\nnetns demo  1.0  ok\n";
        let second = "Linux 7.3.4+deb13-cloud-amd64\nprogram instructions budget\nclaim 30000\n\
                      play  seconds  result\nnetns demo  9.0  failed: no answer\n";
        let page = page(&[report(first), report(second)]);
        for row in [
            "| kernel | 6.18.44 | 7.3.4 |\n| --- | --- | --- |\n",
            "| release | `6.18.44` | `7.3.4+deb13-cloud-amd64` |\n",
            "| programs accepted | 2 | 1 |\n",
            "| instructions verified | 33,409 | 30,000 |\n",
            "| longest program | `claim`: 31,877 | `claim`: 30,000 |\n",
            "| play: netns demo | ok | fails |\n",
            "| program | 6.18.44 | 7.3.4 |\n",
            "| `admit` | 1,532 | refused |\n",
        ] {
            assert!(page.contains(row), "{row} is not in\n{page}");
        }
    }

    #[test]
    fn numbers_have_a_comma_after_every_three_digits() {
        let numbers = [(7, "7"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in numbers {
            assert_eq!(with_commas(number), text);
        }
    }
}
