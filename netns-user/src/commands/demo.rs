//! `netns demo`: builds the lecture's lab, draws it, checks it and takes it down.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
    sync::mpsc,
    thread,
};

use anyhow::anyhow;

use crate::{
    commands::{TerminalProgress, nat, print_json},
    demo::{
        CheckRun, DemoLab, Interrupt, Moment, Roles,
        check::{Check, Verdict},
        checks, live, trickle,
    },
    graph::{Graph, text::text},
    net::Netns,
    output::{
        self, Guarded,
        style::{BAD, DRAWING, FAINT, FIGURE, GOOD, HEADING, paint},
        terminal,
    },
    topology::Topology,
};

/// The exit code that a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Columns of a check's name.
const NAME: usize = 31;

/// Runs the demonstration. Succeeds only when every check passed.
///
/// # Errors
/// When the lab cannot be built, or something other than a check fails.
pub fn run(json: bool) -> anyhow::Result<ExitCode> {
    // Before any thread starts, so that every thread inherits the blocked signals.
    let interrupt = Interrupt::watch()?;
    let topology = Topology::lecture();
    let roles = Roles::of(&topology)?;
    // The progress of the steps is cleared from the screen before anything else is written.
    let demo_lab = DemoLab::build(&topology, &TerminalProgress::new())?;
    let ran = run_checks(&topology, &roles, &demo_lab, &interrupt, json);
    let torn_down = demo_lab.tear_down();
    let code = ran.map_err(|error| match error.downcast::<io::Error>() {
        // Other commands treat a closed pipe as success. Here it is a failure, since success means
        // that every check passed.
        Ok(error) => anyhow!("the demonstration was cut short: {error}"),
        Err(error) => error,
    })?;
    torn_down?;
    if !json {
        writeln!(output::stdout(), "{}", paint(FAINT, "The lab is down."))?;
    }
    Ok(code)
}

fn run_checks(
    topology: &Topology,
    roles: &Roles,
    demo_lab: &DemoLab<'_>,
    interrupt: &Interrupt,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut check_run = CheckRun::prepare(demo_lab, roles)?;
    let verdicts = if json {
        let verdicts = check_run.run(interrupt, |_| Ok(()))?;
        print_json(&verdicts)?;
        verdicts
    } else {
        let in_place = io::stdout().is_terminal();
        let mut out = Report { out: output::stdout(), in_place };
        out.picture(topology)?;
        let verdicts = check_run.run(interrupt, |moment| match moment {
            Moment::Begins(check) => out.begin(check),
            Moment::Ended(verdict) => out.end(verdict),
        })?;
        // The results are shown even if the rules cannot be read.
        let rules = nat::render(topology);
        if let Ok(table) = &rules {
            out.rules(table)?;
        }
        out.summary(&verdicts, checks(roles).len())?;
        rules?;
        verdicts
    };
    if interrupt.requested() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !json && live::is_interactive() {
        stay(topology, roles, interrupt)?;
    }
    let held = verdicts.iter().all(|verdict| verdict.outcome.ok);
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows the live view with a little traffic, until a key or a signal ends it.
fn stay(topology: &Topology, roles: &Roles, interrupt: &Interrupt) -> anyhow::Result<()> {
    writeln!(output::stdout(), "{}\n", paint(FAINT, "The lab stays up until Ctrl-C."))?;
    let title = format!("lab {}", roles.lab);
    thread::scope(|scope| {
        // Dropped at the end of this closure, even in a panic, which ends the traffic.
        let (_stop, stopped) = mpsc::channel();
        scope.spawn(move || trickle(roles, &stopped));
        let mut source = live::LivingLab::open(&topology.name, Netns::of(topology.first_router()))?;
        live::watch(&title, &mut source, live::Area::Below, || interrupt.requested())
    })
}

/// The printed report of the demonstration.
struct Report<W: Write> {
    out: Guarded<W>,
    /// Whether a line can be overwritten.
    in_place: bool,
}

impl<W: Write> Report<W> {
    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}\n", paint(HEADING, text))
    }

    fn picture(&mut self, topology: &Topology) -> io::Result<()> {
        self.heading(&format!("The lab \"{}\"", topology.name))?;
        for line in text(&Graph::new(topology, true), terminal::width(), &DRAWING) {
            writeln!(self.out, "{line}")?;
        }
        self.heading("Checks")
    }

    fn begin(&mut self, check: &Check) -> io::Result<()> {
        if self.in_place {
            write!(self.out, "  {}", check.name)?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn end(&mut self, verdict: &Verdict) -> io::Result<()> {
        if self.in_place {
            self.out.begin_line_again()?;
        }
        let Verdict { name, shows, outcome } = verdict;
        let (mark, style) =
            if outcome.ok { (paint(GOOD, '✓'), FIGURE) } else { (paint(BAD, '✗'), BAD) };
        writeln!(self.out, "{mark} {name:<NAME$}  {}", paint(style, &outcome.figure))?;
        writeln!(self.out, "    {}", paint(FAINT, shows))
    }

    fn rules(&mut self, table: &str) -> io::Result<()> {
        self.heading("Rules and their counters")?;
        self.out.write_all(table.as_bytes())
    }

    fn summary(&mut self, verdicts: &[Verdict], planned: usize) -> io::Result<()> {
        let failed: Vec<&str> = verdicts
            .iter()
            .filter(|verdict| !verdict.outcome.ok)
            .map(|verdict| verdict.name.as_str())
            .collect();
        let done = verdicts.len();
        writeln!(self.out)?;
        if done < planned {
            writeln!(self.out, "Interrupted after {done} of {planned} checks.")?;
        }
        match failed.as_slice() {
            [] if done == planned => {
                writeln!(self.out, "{}", paint(GOOD, format!("All {done} checks passed.")))
            }
            [] => Ok(()),
            failed => {
                let count = format!("{} of {done} checks failed:", failed.len());
                writeln!(self.out, "{} {}", paint(BAD, count), failed.join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::check::Outcome;

    fn verdict(name: &str, ok: bool) -> Verdict {
        let outcome = Outcome { ok, figure: "0.041 ms".into() };
        Verdict { name: name.into(), shows: "why".into(), outcome }
    }

    fn written(work: impl FnOnce(&mut Report<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        let mut report = Report { out: Guarded::new(&mut bytes), in_place: false };
        work(&mut report).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_check_is_a_line_with_its_figure_and_its_reason() {
        assert_eq!(
            written(|report| report.end(&verdict("red pings blue", true))),
            "✓ red pings blue                   0.041 ms\n    why\n"
        );
    }

    #[test]
    fn the_summary_names_the_failed_checks() {
        let verdicts = [verdict("a", true), verdict("b", false), verdict("c", false)];
        assert_eq!(
            written(|report| report.summary(&verdicts, 3)),
            "\n2 of 3 checks failed: b; c\n"
        );
        assert_eq!(written(|report| report.summary(&verdicts[..1], 1)), "\nAll 1 checks passed.\n");
    }

    #[test]
    fn an_interrupted_summary_does_not_say_that_all_checks_passed() {
        assert_eq!(
            written(|report| report.summary(&[verdict("a", true)], 3)),
            "\nInterrupted after 1 of 3 checks.\n"
        );
    }
}
