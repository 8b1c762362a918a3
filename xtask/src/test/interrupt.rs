//! Ctrl-C while tests run. Each test is in a process group of its own, so the terminal's signal
//! reaches this process only, which has to end the tests itself.

use std::{
    fmt,
    sync::atomic::{AtomicI32, Ordering},
};

use nix::{
    Result,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
};

/// The signals that end a run of the tests.
const SIGNALS: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// The signal that has come, or 0.
static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::Relaxed);
}

/// Notes the signals for as long as it lives. Then they have the effect again that they had.
pub(super) struct Watch {
    former: Vec<(Signal, SigAction)>,
}

impl Watch {
    pub(super) fn begin() -> Result<Self> {
        CAME.store(0, Ordering::Relaxed);
        let action =
            SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
        let mut watch = Self { former: Vec::new() };
        for signal in SIGNALS {
            // SAFETY: the handler only writes to an atomic, which a signal may do at any moment.
            let former = unsafe { sigaction(signal, &action) }?;
            watch.former.push((signal, former));
        }
        Ok(watch)
    }

    /// Where the signal is written when it comes; 0 until then.
    pub(super) const fn signal(&self) -> &'static AtomicI32 {
        &CAME
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (signal, former) in &self.former {
            // SAFETY: this is the action that was there before, as the kernel told it.
            let _ = unsafe { sigaction(*signal, former) };
        }
    }
}

/// The error of a run that a signal has ended.
#[derive(Debug)]
pub(crate) struct Interrupted {
    pub(super) signal: i32,
    /// The tests that were running.
    pub(super) running: Vec<String>,
}

impl Interrupted {
    /// The exit code by which a shell tells that a signal has ended a command.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::try_from(128 + self.signal).unwrap_or(1)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Signal::try_from(self.signal).map_or("a signal", Signal::as_str);
        write!(f, "interrupted by {name}; tests that were running and are killed:")?;
        if self.running.is_empty() {
            return f.write_str(" none");
        }
        self.running.iter().try_for_each(|test| write!(f, "\n    {test}"))
    }
}

impl std::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use nix::sys::signal::{Signal, raise};

    use super::{Interrupted, Watch};

    #[test]
    fn a_signal_is_noted_and_does_not_end_the_process() {
        let watch = Watch::begin().expect("signals can be watched");
        raise(Signal::SIGTERM).expect("a signal can be raised");
        assert_eq!(watch.signal().load(Ordering::Relaxed), Signal::SIGTERM as i32);
    }

    #[test]
    fn the_error_names_the_tests_and_has_the_shells_exit_code() {
        let running = vec!["a".to_owned(), "b".to_owned()];
        let error = Interrupted { signal: Signal::SIGINT as i32, running };
        assert_eq!(error.exit_code(), 130);
        let text = "interrupted by SIGINT; tests that were running and are killed:\n    a\n    b";
        assert_eq!(error.to_string(), text);
    }
}
