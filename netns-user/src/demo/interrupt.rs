//! Signals that ask the program to stop: Ctrl-C, `kill`, or a closed terminal.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use nix::sys::signal::{SigSet, Signal};

/// Records whether SIGINT, SIGTERM or SIGHUP arrived.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicU8>);

/// No signal has this number.
const NONE: u8 = 0;

impl Interrupt {
    /// From now on these signals no longer end the process but only set a flag.
    ///
    /// Call it before any other thread is started: threads inherit the blocked signals, and the
    /// kernel delivers a signal to any thread that does not block it.
    pub fn watch() -> io::Result<Self> {
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block()?;
        let requested = Arc::new(AtomicU8::new(NONE));
        let flag = Arc::clone(&requested);
        thread::Builder::new().name("signals".into()).spawn(move || {
            while let Ok(signal) = signals.wait() {
                // Signals have numbers up to 64.
                flag.store(u8::try_from(signal as i32).unwrap_or(u8::MAX), Ordering::Relaxed);
            }
        })?;
        Ok(Self(requested))
    }

    /// Whether a signal has arrived.
    pub fn requested(&self) -> bool {
        self.signal().is_some()
    }

    /// The number of the signal that arrived last.
    pub fn signal(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != NONE)
    }
}
