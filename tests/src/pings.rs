//! A ping that runs in the background of a test.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use nix::sys::signal::Signal;

use crate::{Inside, Running};

/// A hundred pings a second until the test ends them.
#[derive(Debug)]
pub struct Pings(Running);

impl Pings {
    /// Starts the pings and waits for the first answer.
    #[must_use]
    #[track_caller]
    pub fn start(from: &Inside, to: &str) -> Self {
        // `-D` prints the time before each answer.
        let mut pings = from.start("ping", &["-n", "-D", "-i", "0.01", to]);
        pings.wait_for("icmp_seq=1 ");
        Self(pings)
    }

    /// Waits for one more answer and ends the pings. Pings sent after the last answer may still be
    /// on their way and do not count as lost.
    ///
    /// # Panics
    /// When no more answer arrives, or one is missing among those that arrived.
    #[track_caller]
    pub fn end_without_loss(mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64();
        while answered_at(&self.0.wait_for("bytes from")) <= now {}
        self.0.signal(Signal::SIGINT);
        let (_, said, _) = self.0.finish();
        let answers = said.lines().filter(|line| line.contains("bytes from"));
        let numbers: BTreeSet<usize> = answers.map(number).collect();
        let last = numbers.last().copied().unwrap_or_default();
        let lost: Vec<_> = (1..=last).filter(|number| !numbers.contains(number)).collect();
        assert!(lost.is_empty(), "of {last} pings these were lost: {lost:?}");
    }
}

/// The seconds in `[1700000000.123456] 64 bytes from …`.
fn answered_at(line: &str) -> f64 {
    let seconds = line.trim_start_matches('[').split(']').next();
    seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("no time: {line}"))
}

fn number(line: &str) -> usize {
    let rest = line.split("icmp_seq=").nth(1).and_then(|rest| rest.split(' ').next());
    rest.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}
