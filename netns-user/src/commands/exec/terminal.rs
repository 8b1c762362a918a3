//! The terminal on which `netns exec --isolate` was started.
//!
//! The command stays in our process group, so that it gets the signals of the terminal as it would
//! without us. A shell inside makes its own process groups and gives them the terminal, but it
//! cannot give it back: our process group has no number in its PID namespace.

use std::fs::File;

use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The controlling terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
    group: Pid,
    /// Whether our group was in the foreground when we were started or last continued.
    is_ours: bool,
}

impl Terminal {
    /// `None` when there is none.
    pub(super) fn open() -> Option<Self> {
        let tty = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let mut terminal = Self { tty, group: getpgrp(), is_ours: false };
        terminal.is_ours = terminal.foreground() == Some(terminal.group);
        Some(terminal)
    }

    /// Takes the terminal back from a group inside, and returns that group. If we were put in the
    /// background in the meantime, the terminal stays where it is.
    ///
    /// SIGTTOU must be blocked.
    pub(super) fn take_back(&self) -> Option<Pid> {
        let holder = self.foreground().filter(|holder| *holder != self.group)?;
        (self.is_ours && self.give(self.group)).then_some(holder)
    }

    /// After the process was continued: if it is in the foreground, gives the terminal to the group
    /// that had it before.
    pub(super) fn continued(&mut self, before: Option<Pid>) {
        self.is_ours = self.foreground() == Some(self.group);
        if let Some(before) = before.filter(|_| self.is_ours) {
            // Fails if that group has ended, which is no error.
            self.give(before);
        }
    }

    /// Checks whether a shell has moved us to the foreground.
    pub(super) fn look(&mut self) {
        self.is_ours |= self.foreground() == Some(self.group);
    }

    fn foreground(&self) -> Option<Pid> {
        tcgetpgrp(&self.tty).ok()
    }

    fn give(&self, group: Pid) -> bool {
        tcsetpgrp(&self.tty, group).is_ok()
    }
}
