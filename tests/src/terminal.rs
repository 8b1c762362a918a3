//! A program at a pseudo-terminal.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Instant,
};

use nix::{
    libc,
    pty::{OpenptyResult, Winsize, openpty},
    sys::{
        signal::{Signal, kill, killpg},
        termios::{LocalFlags, tcgetattr},
    },
    unistd::{Pid, setsid},
};

use crate::{running, wait::DEADLINE};

/// A running program with a pseudo-terminal as standard input, output and error. Dropping this
/// kills it.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// Everything written to the screen so far, including escape sequences.
    shown: Vec<u8>,
    /// How much of it `wait_for` has searched.
    read: usize,
}

impl Terminal {
    /// Starts a program at a terminal with this number of columns and rows; (0, 0) means that the
    /// terminal does not know its size.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start((columns, rows): (u16, u16), command: &mut Command) -> Self {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).expect("a terminal");
        let copy = || slave.try_clone().expect("a file");
        command.stdin(copy()).stdout(copy()).stderr(copy()).env("TERM", "xterm");
        if !command.get_envs().any(|(name, _)| name == "NO_COLOR") {
            // The preference of the person who runs the tests must not matter.
            command.env_remove("NO_COLOR");
        }
        // SAFETY: between fork and exec it makes system calls and allocates nothing.
        unsafe { command.pre_exec(sit_down) };
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // The command has its own copies. With one left here, reading the screen would never end.
        drop(slave);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let keyboard = File::from(master);
        let (sender, screen) = channel();
        let mut output = keyboard.try_clone().expect("a file");
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails with EIO when the program has closed the terminal.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: Vec::new(), read: 0 }
    }

    /// Waits until the screen shows a text after the text of the last wait.
    ///
    /// # Panics
    /// When the program ends or the deadline passes before.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let new = &self.shown[self.read..];
            if let Some(at) = new.windows(part.len()).position(|text| text == part.as_bytes()) {
                self.read += at + part.len();
                return;
            }
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown.extend(bytes),
                Err(RecvTimeoutError::Timeout) => panic!("no {part:?} in {}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended without {part:?} in {}", self.text());
                }
            }
        }
    }

    /// Types these keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// When the program has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap_or_else(|error| panic!("{signal}: {error}"));
    }

    /// Whether the terminal gives each typed key to the program at once, without an echo.
    ///
    /// # Panics
    /// When the terminal is gone.
    #[must_use]
    #[track_caller]
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(self.keyboard.as_fd()).expect("a terminal");
        !modes.local_flags.contains(LocalFlags::ICANON)
    }

    /// Waits for the program's end; returns its status, and all that it showed.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn finish(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.shown.extend(bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end after {}", self.text()),
            }
        }
        (self.child.wait().expect("a child"), self.text())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id fits"))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already; then there is no process to kill or to wait for.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Makes the terminal the controlling one of a new session, so that Ctrl-C and `/dev/tty` work.
fn sit_down() -> io::Result<()> {
    setsid()?;
    // SAFETY: the request takes a number, and changes nothing of this program's memory.
    if unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    running::begin()
}
