//! The terminal on which `netns exec --isolate` was started.
//!
//! The command stays in our process group, so that what the terminal sends reaches it as it
//! would without us. A shell inside makes groups of its own and gives the terminal to them, but
//! it cannot give it back: the group it had it from has no number in its PID namespace.

use std::fs::File;

use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The controlling terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
    group: Pid,
    /// Whether it was our group's when we were last started or continued.
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

    /// Takes it back from a group inside, which is returned. One that went to the background
    /// meanwhile leaves it to whoever has it.
    ///
    /// SIGTTOU must be blocked.
    pub(super) fn take_back(&self) -> Option<Pid> {
        let holder = self.foreground().filter(|holder| *holder != self.group)?;
        (self.is_ours && self.give(self.group)).then_some(holder)
    }

    /// After the process was continued: gives it to the group that had it before, if it was
    /// continued in the foreground.
    pub(super) fn continued(&mut self, before: Option<Pid>) {
        self.is_ours = self.foreground() == Some(self.group);
        if let Some(before) = before.filter(|_| self.is_ours) {
            // A group that is gone needs no terminal.
            self.give(before);
        }
    }

    /// When a shell may have moved us from the background to the foreground.
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
