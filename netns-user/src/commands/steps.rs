//! Progress of longer work, on standard error.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{demo::Interrupt, lab::Progress};

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(80);

/// Shows steps: in place on a terminal, one line each elsewhere.
#[derive(Debug)]
pub struct Steps {
    /// `None` where nobody sees it turn.
    spinner: Option<ProgressBar>,
    /// `None` where nothing but its end ends the work.
    interrupt: Option<Interrupt>,
}

impl Steps {
    /// For a terminal or not, as standard error is.
    #[must_use]
    pub fn new() -> Self {
        let spinner = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(TURN);
            // Indicatif's own style is as good, should it not like the template.
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { spinner, interrupt: None }
    }

    /// Work that an interrupt ends early.
    #[must_use]
    pub fn until(interrupt: &Interrupt) -> Self {
        let mut steps = Self::new();
        steps.interrupt = Some(interrupt.clone());
        steps
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl Progress for Steps {
    fn started(&self, step: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(step.to_owned());
        }
    }

    fn finished(&self, step: &str) {
        if self.spinner.is_none() {
            anstream::eprintln!("{step}: done");
        }
    }

    fn advanced(&self, step: &str, done: usize, all: usize) -> bool {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{step}: {done} of {all}"));
        }
        !self.interrupt.as_ref().is_some_and(Interrupt::requested)
    }
}
