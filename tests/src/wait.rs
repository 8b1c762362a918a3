//! Polls for conditions that have no event to wait for.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The longest wait: longer than anything in these tests takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long to wait for a packet that must not arrive.
pub const SILENCE: Duration = Duration::from_millis(500);

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(20);

/// Polls until the condition is true.
///
/// # Panics
/// When it does not become true before the deadline.
#[track_caller]
pub fn eventually(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        thread::park_timeout(PAUSE);
    }
}
