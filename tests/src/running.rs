//! A process that runs in the background of a test.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        signal::{SigHandler, Signal, killpg, signal},
    },
    unistd::Pid,
};

use crate::{enter, wait::DEADLINE};

/// The longest run of a command: `netns up` loads programs, whose verification takes a minute or
/// more in an emulated machine on a busy host.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// The output that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Stdout,
    Stderr,
}

/// A running process with its descendants. Dropping this kills them all, so that none keeps a
/// namespace of the test alive.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<(Channel, String)>,
    /// Its output so far.
    said: Vec<(Channel, String)>,
}

impl Running {
    /// Starts a command in a namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start(namespace: Option<&str>, command: &mut Command) -> Self {
        let name = Name(namespace, command).to_string();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        // SAFETY: between fork and exec it makes system calls and allocates nothing.
        unsafe { command.pre_exec(begin) };
        let mut child =
            enter(namespace, || command.spawn()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        pass_on(Channel::Stdout, child.stdout.take(), sender.clone());
        pass_on(Channel::Stderr, child.stderr.take(), sender);
        Self { name, child, lines, said: Vec::new() }
    }

    /// Waits for a line of output that contains the text, and returns that line.
    ///
    /// # Panics
    /// When the process ends or the deadline passes before.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((channel, line)) => {
                    self.said.push((channel, line.clone()));
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{self} has not said {part:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{self} ended without {part:?}"),
            }
        }
    }

    /// Sends the process, but not its descendants, a signal.
    ///
    /// # Panics
    /// When the process has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.pid(), signal)
            .unwrap_or_else(|error| panic!("signal to {self}: {error}"));
    }

    /// Whether the process has ended.
    ///
    /// # Panics
    /// When waitpid(2) fails.
    #[track_caller]
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait();
        status.unwrap_or_else(|error| panic!("{self}: {error}")).is_some()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id fits"))
    }

    /// Waits for its end and returns its complete output.
    ///
    /// # Panics
    /// When it does not end in time, or a process that it leaves behind keeps its output open.
    #[track_caller]
    pub fn finish(mut self) -> (ExitStatus, String, String) {
        let deadline = Instant::now() + LONGEST_RUN;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{self} does not end"),
            }
        }
        let status = self.child.wait().unwrap_or_else(|error| panic!("{self}: {error}"));
        (status, self.text(Channel::Stdout), self.text(Channel::Stderr))
    }

    fn text(&self, of: Channel) -> String {
        let lines = self.said.iter().filter(|(channel, _)| *channel == of);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is no process to kill or to wait for.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (self.text(Channel::Stdout), self.text(Channel::Stderr));
        write!(f, "{}\n--- stdout\n{stdout}--- stderr\n{stderr}---\nit", self.name)
    }
}

/// Prepares the child before exec: it dies with the test, and the signals that end a program have
/// their default action, which nohup or a shell that runs the tests in the background may have
/// changed.
pub(crate) fn begin() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    for ending in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: this sets the default action and installs no handler.
        unsafe { signal(ending, SigHandler::SigDfl)? };
    }
    Ok(())
}

fn pass_on(
    channel: Channel,
    pipe: Option<impl Read + Send + 'static>,
    to: Sender<(Channel, String)>,
) {
    let pipe = pipe.expect("the output is a pipe");
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            let sent = to.send((channel, text.trim_end_matches('\n').to_owned()));
            line.clear();
            if sent.is_err() {
                break;
            }
        }
    });
}

/// A command as a person would type it.
pub(crate) struct Name<'a>(pub(crate) Option<&'a str>, pub(crate) &'a Command);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = self.0 {
            write!(f, "[{namespace}] ")?;
        }
        write!(f, "$ {}", self.1.get_program().display())?;
        self.1.get_args().try_for_each(|argument| write!(f, " {}", argument.display()))
    }
}
