//! Shows the progress of the run: one line on a terminal, nothing elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(crate) struct Progress {
    begin: Instant,
    all: usize,
    begun: usize,
    /// The expected duration of all samples that are done, and of those that are not.
    done: Duration,
    rest: Duration,
    /// The expected duration of the current sample.
    current: Duration,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let none = Duration::ZERO;
        Self { begin: Instant::now(), all: 0, begun: 0, done: none, rest: none, current: none }
    }

    /// Adds samples that will be taken, with the expected duration of each.
    pub(crate) fn expect(&mut self, samples: usize, expected: Duration) {
        self.all += samples;
        self.rest += expected.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
    }

    /// Removes samples that will not be taken.
    pub(crate) fn skip(&mut self, samples: usize, expected: Duration) {
        self.all = self.all.saturating_sub(samples);
        let skipped = expected.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
        self.rest = self.rest.saturating_sub(skipped);
    }

    /// Begins the next sample.
    pub(crate) fn next(&mut self, workload: &str, mode: &str, expected: Duration) {
        self.done += self.current;
        self.current = expected;
        let left = left(self.begin.elapsed(), self.done, self.rest);
        self.rest = self.rest.saturating_sub(expected);
        self.begun += 1;
        line(&format!("{} of {}: {workload}, {mode}{left}", self.begun, self.all));
    }

    pub(crate) fn clear(&self) {
        line("");
    }
}

/// The time left: the expected time of the rest, corrected by how wrong the expectation was so far.
fn left(elapsed: Duration, done: Duration, rest: Duration) -> String {
    if done.is_zero() {
        return String::new();
    }
    let seconds = rest.mul_f64(elapsed.as_secs_f64() / done.as_secs_f64()).as_secs();
    if seconds < 60 {
        format!(", {seconds} s left")
    } else {
        format!(", {} min {} s left", seconds / 60, seconds % 60)
    }
}

fn line(text: &str) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        // A failed write of the progress line must not end the run.
        let _ = write!(terminal, "\r\x1b[K{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::left;

    #[test]
    fn the_time_left_is_shown_from_the_second_sample_on() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(1), seconds(0), seconds(10)), "");
        assert_eq!(left(seconds(10), seconds(5), seconds(5)), ", 10 s left");
        assert_eq!(left(seconds(60), seconds(10), seconds(30)), ", 3 min 0 s left");
    }
}
