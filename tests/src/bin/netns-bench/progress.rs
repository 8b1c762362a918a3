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
}

impl Progress {
    /// Of so many samples.
    pub(crate) fn new(all: usize) -> Self {
        Self { begin: Instant::now(), all, begun: 0 }
    }

    /// So many samples will not be taken.
    pub(crate) fn skip(&mut self, samples: usize) {
        self.all = self.all.saturating_sub(samples);
    }

    /// The next sample begins.
    pub(crate) fn next(&mut self, work: &str, mode: &str) {
        let left = left(self.begin.elapsed(), self.begun, self.all);
        self.begun += 1;
        line(&format!("{} of {}: {work}, {mode}{left}", self.begun, self.all));
    }

    pub(crate) fn clear(&self) {
        line("");
    }
}

/// What the rest takes when each sample takes as long as those before did.
fn left(elapsed: Duration, done: usize, all: usize) -> String {
    let (Ok(done @ 1..), Ok(all)) = (u32::try_from(done), u32::try_from(all)) else {
        return String::new();
    };
    let seconds = (elapsed / done * all.saturating_sub(done)).as_secs();
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
        assert_eq!(left(Duration::ZERO, 0, 10), "");
        assert_eq!(left(Duration::from_secs(10), 5, 10), ", 10 s left");
        assert_eq!(left(Duration::from_secs(60), 10, 40), ", 3 min 0 s left");
    }
}
