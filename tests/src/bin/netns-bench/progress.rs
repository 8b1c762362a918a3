//! How far the run is: one line on a terminal, nothing elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(crate) struct Progress {
    begin: Instant,
    all: usize,
    begun: usize,
    /// What the samples that are done were thought to take, and those that are not.
    done: Duration,
    rest: Duration,
    /// The same of the sample that goes on.
    current: Duration,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let none = Duration::ZERO;
        Self { begin: Instant::now(), all: 0, begun: 0, done: none, rest: none, current: none }
    }

    /// So many samples will be taken, each of which is thought to take so long.
    pub(crate) fn expect(&mut self, samples: usize, likely: Duration) {
        self.all += samples;
        self.rest += likely.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
    }

    /// So many of them will not.
    pub(crate) fn skip(&mut self, samples: usize, likely: Duration) {
        self.all = self.all.saturating_sub(samples);
        let skipped = likely.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX));
        self.rest = self.rest.saturating_sub(skipped);
    }

    /// The next sample begins.
    pub(crate) fn next(&mut self, work: &str, mode: &str, likely: Duration) {
        self.done += self.current;
        self.current = likely;
        let left = left(self.begin.elapsed(), self.done, self.rest);
        self.rest = self.rest.saturating_sub(likely);
        self.begun += 1;
        line(&format!("{} of {}: {work}, {mode}{left}", self.begun, self.all));
    }

    pub(crate) fn clear(&self) {
        line("");
    }
}

/// What the rest takes when thoughts are as wrong about it as about what is done.
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
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(terminal, "\r\x1b[K{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::left;

    #[test]
    fn the_time_left_is_told_once_it_is_known() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(1), seconds(0), seconds(10)), "");
        assert_eq!(left(seconds(10), seconds(5), seconds(5)), ", 10 s left");
        assert_eq!(left(seconds(60), seconds(10), seconds(30)), ", 3 min 0 s left");
    }
}
