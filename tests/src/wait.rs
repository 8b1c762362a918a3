//! Waiting for what has no event of its own, never longer than a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Longer than anything in these tests takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long what must not come is waited for.
pub const SILENCE: Duration = Duration::from_millis(500);

/// How long a poll that found nothing is put off.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until it holds.
///
/// # Panics
/// When it does not hold in time.
#[track_caller]
pub fn eventually(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        thread::park_timeout(PAUSE);
    }
}
