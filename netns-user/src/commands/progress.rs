//! Progress of longer operations, on standard error.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    demo::Interrupt,
    lab::Progress,
    output::{duration, terminal},
};

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(80);

/// A step that is not counted.
const SPINNER: &str = "{spinner} {wide_msg}";

/// A step of several parts. The bar takes the rest of the terminal's width.
const BAR: &str = "{spinner} {msg}  {wide_bar}  {pos}/{len}{rate}{left}";

/// The same on a terminal that is too narrow for a bar.
const FIGURES: &str = "{spinner} {wide_msg} {pos}/{len}";

/// Columns beside the step's name: a bar of useful length, the count, the rate and the time left.
const BESIDE: usize = 52;

/// Without a terminal, only steps of at least so many parts print a line per tenth: shorter ones
/// end before such a line is read.
const MANY: usize = 100;

/// Shows steps. On a terminal they replace each other; elsewhere each has a line, and a step of
/// many parts has a line per tenth.
#[derive(Debug)]
pub struct TerminalProgress {
    /// `None` where standard error is no terminal.
    bar: Option<ProgressBar>,
    /// The current width of the terminal.
    columns: fn() -> usize,
    counted: Mutex<Option<Counted>>,
    /// `None` if the operation cannot be interrupted.
    interrupt: Option<Interrupt>,
}

/// The step whose parts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    step: String,
    all: usize,
    /// How many tenths of it have been reported.
    tenths: usize,
}

impl Counted {
    /// Whether another tenth is complete. The last one is reported by the end of the step.
    fn reaches(&mut self, done: usize) -> bool {
        let tenths = done * 10 / self.all.max(1);
        let is_new = self.all >= MANY && tenths > self.tenths && tenths < 10;
        self.tenths = self.tenths.max(tenths);
        is_new
    }
}

impl TerminalProgress {
    /// Shows steps on standard error, which may be a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self::on(io::stderr().is_terminal().then(ProgressDrawTarget::stderr), terminal::width)
    }

    fn on(terminal: Option<ProgressDrawTarget>, columns: fn() -> usize) -> Self {
        let bar = terminal.map(|terminal| {
            let bar = ProgressBar::with_draw_target(None, terminal).with_style(style(SPINNER));
            bar.enable_steady_tick(TURN);
            bar
        });
        Self { bar, columns, counted: Mutex::new(None), interrupt: None }
    }

    /// Shows the steps of an operation that can be interrupted.
    #[must_use]
    pub fn until(interrupt: &Interrupt) -> Self {
        let mut steps = Self::new();
        steps.interrupt = Some(interrupt.clone());
        steps
    }

    /// Counts the parts of a step. Returns whether a line is due where there is no terminal.
    fn count(&self, step: &str, done: usize, all: usize) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |counted: &&mut Counted| counted.step == step && counted.all == all;
        if counted.as_mut().filter(is_known).is_none() {
            *counted = Some(Counted { step: step.to_owned(), all, tenths: 0 });
            if let Some(bar) = &self.bar {
                bar.set_length(all as u64);
                bar.set_position(0);
                bar.set_message(step.to_owned());
                let has_room = step.width() + BESIDE <= (self.columns)();
                bar.set_style(if has_room { bar_style() } else { style(FIGURES) });
                // The rate and the time left are those of this step.
                bar.reset_eta();
                bar.reset_elapsed();
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
        }
        counted.as_mut().is_some_and(|counted| counted.reaches(done))
    }

    /// Ends the counting: the next step may not be counted.
    fn end_count(&self) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(bar) = &self.bar {
            bar.set_style(style(SPINNER));
        }
    }
}

/// Falls back to the default style if indicatif refuses the template.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn bar_style() -> ProgressStyle {
    style(BAR)
        .with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
            // Writing to indicatif's own text cannot fail.
            let rate = state.per_sec();
            let _ = if rate >= 0.5 { write!(text, "  {rate:.0}/s") } else { Ok(()) };
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn Write| {
            // Whole seconds, so that it does not flicker.
            let left = Duration::from_secs(state.eta().as_secs());
            let _ = if left.is_zero() { Ok(()) } else { write!(text, "  {} left", whole(left)) };
        })
        .progress_chars("━╸─")
}

/// A length of time in whole seconds, minutes or hours.
fn whole(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => duration(length),
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for TerminalProgress {
    fn started(&self, step: &str) {
        self.end_count();
        if let Some(bar) = &self.bar {
            bar.set_message(step.to_owned());
        }
    }

    fn finished(&self, step: &str) {
        self.end_count();
        if self.bar.is_none() {
            crate::tell!("{step}: done");
        }
    }

    fn advanced(&self, step: &str, done: usize, all: usize) -> bool {
        if self.count(step, done, all) && self.bar.is_none() {
            crate::tell!("{step}: {done} of {all}");
        }
        self.goes_on()
    }

    fn goes_on(&self) -> bool {
        !self.interrupt.as_ref().is_some_and(Interrupt::requested)
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    const STEP: &str = "1000 namespaces";

    /// The text on a terminal of this many columns after the work.
    fn shown(
        columns: fn() -> usize,
        work: impl FnOnce(&TerminalProgress),
    ) -> (String, TerminalProgress, InMemoryTerm) {
        let terminal = InMemoryTerm::new(5, u16::try_from(columns()).unwrap());
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let steps = TerminalProgress::on(Some(target), columns);
        // The drawing must not depend on time.
        steps.bar.as_ref().unwrap().disable_steady_tick();
        work(&steps);
        steps.bar.as_ref().unwrap().force_draw();
        (terminal.contents(), steps, terminal)
    }

    #[test]
    fn a_counted_step_has_a_bar_as_wide_as_the_terminal() {
        let widths: [fn() -> usize; 2] = [|| 70, || 120];
        for columns in widths {
            let (text, ..) = shown(columns, |steps| {
                steps.started(STEP);
                steps.advanced(STEP, 0, 1000);
                steps.advanced(STEP, 500, 1000);
            });
            assert!(text.contains("1000 namespaces  ━"), "{text}");
            assert!(text.contains("500/1000"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            assert_eq!(text.width(), columns(), "{text}");
            let full = text.matches('━').count();
            let empty = text.matches('─').count();
            assert!(full.abs_diff(empty) <= 1, "{text}");
        }
    }

    #[test]
    fn a_narrow_terminal_keeps_to_one_line() {
        let (text, ..) = shown(
            || 20,
            |steps| {
                steps.advanced(STEP, 500, 1000);
            },
        );
        assert!(text.ends_with(" 1000 name 500/1000"), "{text}");
        assert_eq!(text.width(), 20, "{text}");
    }

    #[test]
    fn the_next_step_has_no_bar_and_the_end_leaves_nothing() {
        let (text, steps, terminal) = shown(
            || 60,
            |steps| {
                steps.advanced(STEP, 999, 1000);
                steps.finished(STEP);
                steps.started("datapath");
            },
        );
        assert!(text.ends_with(" datapath"), "{text}");
        assert!(!text.contains("1000"), "{text}");
        drop(steps);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn without_a_terminal_each_tenth_is_reported_once() {
        let steps = TerminalProgress::on(None, || 80);
        let told =
            |all| (0..all).filter(|done| steps.count("step", *done, all)).collect::<Vec<_>>();
        assert_eq!(told(1000), [100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(told(105), [11, 21, 32, 42, 53, 63, 74, 84, 95]);
        assert!(told(MANY - 1).is_empty());
        assert!(told(0).is_empty());
    }

    #[test]
    fn a_step_that_begins_again_is_counted_again() {
        let steps = TerminalProgress::on(None, || 80);
        assert!(steps.count("step", 500, 1000));
        assert!(!steps.count("step", 550, 1000));
        steps.finished("step");
        assert!(steps.count("step", 100, 1000));
    }
}
