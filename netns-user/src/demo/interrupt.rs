//! A wish to stop: Ctrl-C, `kill`, or the terminal going away.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::sys::signal::{SigSet, Signal};

/// Tells whether SIGINT, SIGTERM or SIGHUP arrived.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on these signals no longer end the process, they only raise the flag.
    ///
    /// Call it before any other thread is started: threads inherit that the signals are
    /// blocked, and a signal goes to any thread that does not block it.
    pub fn watch() -> io::Result<Self> {
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block()?;
        let requested = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&requested);
        thread::Builder::new().name("signals".into()).spawn(move || {
            while signals.wait().is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(Self(requested))
    }

    /// Whether somebody wants an end.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
