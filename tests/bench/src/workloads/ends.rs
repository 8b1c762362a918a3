//! What the two ends of every workload share: their threads, their CPUs, and what they return.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;

use crate::cpu::{self, CLIENT};

/// How long an end waits for a packet before it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How many units of work a sample did (packets, bits, transactions), and in how many seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) units: f64,
    pub(super) seconds: f64,
}

/// The units per second, and the CPU time per unit: in seconds times `parts`.
pub(super) fn with_cpu(parts: f64, action: impl FnOnce() -> Result<Done>) -> Result<Vec<f64>> {
    let (done, busy) = cpu::busy_during(action)?;
    Ok(vec![done.units / done.seconds, busy * parts / done.units])
}

/// Runs a single-threaded action on the client's CPU.
pub(super) fn on_client_cpu<T: Send>(action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        join(scope.spawn(|| {
            cpu::pin(CLIENT)?;
            action()
        }))
    })
}

/// Tells other threads to end when it is dropped, also by a panic.
pub(super) struct StopOnDrop<'a>(pub(super) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for a thread and returns its result.
pub(super) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
