//! `netns exec --isolate`: a PID namespace and a /proc for the command.
//!
//! There are three processes: this one, which stays outside and watches; an init, which is PID 1
//! inside; and the command, a child of this process and not of the init. The command itself is not
//! PID 1, because the kernel discards every signal to PID 1 that it does not handle: `sleep` could
//! not be interrupted. The init reaps orphans of the command. When it dies, the kernel kills every
//! process inside, and it dies with this process, however that ends.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, PipeWriter, Read, Write},
    os::{
        fd::AsFd,
        unix::{fs::FileExt, process::CommandExt},
    },
    process::{self, Command, ExitCode},
};

use anyhow::Context;
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl,
        signal::{SigHandler, SigSet, Signal, kill, raise, signal},
        signalfd::{SfdFlags, SignalFd, siginfo},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, pause},
};

use procfs::process::Process;

use super::{failure::cannot_run, mounts, terminal::Terminal};

/// The message of the init when everything is mounted; any other message is an error.
const READY: &str = "ready";

/// Runs the command in the namespace `name` with its own PID namespace and /proc, waits for its
/// end, and ends with the same exit code or signal.
///
/// # Errors
/// When the kernel refuses a step; then the command has not run.
pub(super) fn run(name: &str, namespace: File, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut terminal = Terminal::open();
    let inherited = SigSet::thread_get_mask().context("cannot read the signal mask")?;
    // If it were ignored, the kernel would not report how the command ends.
    default_action(Signal::SIGCHLD)?;
    SigSet::all().thread_block().context("cannot block signals")?;
    let signals = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC)
        .context("cannot wait for signals")?;

    mounts::own_mounts()?;
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a PID namespace")?;
    let init = Init::start(name, &namespace)?;
    let enter = move || {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(inherited.thread_set_mask()?)
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(enter) };
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id().cast_signed()),
        Err(error) => return Ok(cannot_run(command.get_program(), &error)),
    };
    let end = watch(child, &signals, terminal.as_mut());
    if let Some(terminal) = &terminal {
        terminal.take_back();
    }
    // Kills all remaining processes of the command.
    drop(init);
    match end.context("cannot wait for the command")? {
        End::Code(code) => Ok(ExitCode::from(code)),
        End::Signal(signal) => die_by(signal),
    }
}

/// PID 1 of the namespace that this process's next children are born in. Dropping it ends all
/// processes inside.
#[derive(Debug)]
struct Init(Pid);

impl Init {
    /// Starts it, and returns when all is mounted.
    fn start(name: &str, namespace: &File) -> anyhow::Result<Self> {
        let (mut answer, report) = io::pipe().context("cannot make a pipe")?;
        // SAFETY: this process has no other thread that could hold a lock.
        let init = match unsafe { fork() }.context("cannot start a process")? {
            ForkResult::Parent { child } => Self(child),
            ForkResult::Child => {
                drop(answer);
                be_init(name, namespace, report)
            }
        };
        drop(report);
        let mut said = String::new();
        answer.read_to_string(&mut said).context("cannot read from the init")?;
        match said.as_str() {
            READY => Ok(init),
            "" => anyhow::bail!("the init of the PID namespace was killed"),
            why => anyhow::bail!("{why}"),
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // Its PID cannot have been reused: it is a child that was not waited for.
        let _ = kill(self.0, Signal::SIGKILL);
        // Returns when the last process inside has ended.
        while waitpid(self.0, None) == Err(Errno::EINTR) {}
    }
}

/// The code of PID 1.
fn be_init(name: &str, namespace: &File, mut report: PipeWriter) -> ! {
    let ready = prepare(name, namespace);
    let text = ready.as_ref().map_or_else(|why| format!("{why:#}"), |()| READY.to_owned());
    // The parent died before PDEATHSIG was set.
    if report.write_all(text.as_bytes()).is_err() || ready.is_err() {
        process::exit(1);
    }
    drop(report);
    loop {
        pause();
    }
}

fn prepare(name: &str, namespace: &File) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot set PDEATHSIG")?;
    // The name is cosmetic, so an error is ignored.
    let _ = take_name();
    setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("cannot enter namespace \"{name}\""))?;
    mounts::sys(name)?;
    mounts::lay_over_etc(name)?;
    mounts::proc()?;
    // The kernel reaps the children of a process that ignores SIGCHLD.
    // SAFETY: no handler is installed or replaced.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.context("cannot ignore SIGCHLD")?;
    // The init must not keep the command's output open: a reader waits until all writers have
    // closed.
    let nothing = File::options().read(true).write(true).open("/dev/null");
    let nothing = nothing.context("cannot open /dev/null")?;
    dup2_stdin(&nothing)
        .and_then(|()| dup2_stdout(&nothing))
        .and_then(|()| dup2_stderr(&nothing))
        .context("cannot close the output")
}

/// Makes `ps` show the init as `netns-init`, and not as a second `netns exec`.
fn take_name() -> anyhow::Result<()> {
    const NAME: &CStr = c"netns-init";
    prctl::set_name(NAME)?;
    let stat = Process::myself()?.stat()?;
    let (Some(start), Some(end)) = (stat.arg_start, stat.arg_end) else { return Ok(()) };
    let length = usize::try_from(end.saturating_sub(start))?;
    // The command line is in this process's memory. If its last byte is not zero, the kernel shows
    // the text up to the first zero, which is how programs set their title.
    let mut title = vec![0; length];
    if let Some((last, most)) = title.split_last_mut()
        && let Some(place) = most.get_mut(..NAME.count_bytes())
    {
        place.copy_from_slice(NAME.to_bytes());
        *last = b'.';
        File::options().write(true).open("/proc/self/mem")?.write_all_at(&title, start)?;
    }
    Ok(())
}

/// How the command ended.
#[derive(Debug)]
enum End {
    Code(u8),
    Signal(Signal),
}

/// Passes signals on to the command and stops with it, until it ends.
fn watch(
    command: Pid,
    signals: &SignalFd,
    mut terminal: Option<&mut Terminal>,
) -> nix::Result<End> {
    loop {
        let signal = match signals.read_signal() {
            Ok(Some(signal)) => signal,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error),
        };
        if signal.ssi_signo != Signal::SIGCHLD as u32 {
            if signal.ssi_signo == Signal::SIGCONT as u32
                && let Some(terminal) = terminal.as_deref_mut()
            {
                terminal.look();
            }
            pass_on(&signal, command);
            continue;
        }
        match waitpid(command, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
            WaitStatus::Exited(_, code) => {
                // The kernel keeps the lowest eight bits.
                return Ok(End::Code(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            WaitStatus::Signaled(_, signal, _) => return Ok(End::Signal(signal)),
            WaitStatus::Stopped(_, signal) => stop_with(command, signal, terminal.as_deref_mut())?,
            _ => {}
        }
    }
}

/// Passes a signal on to the command, unless it has it already: the terminal sends its signals to
/// the whole process group, and so may the command itself.
fn pass_on(signal: &siginfo, command: Pid) {
    let sender = Pid::from_raw(signal.ssi_pid.cast_signed());
    if signal.ssi_code > 0 || sender == command {
        return;
    }
    // SAFETY: the call touches no memory. The command is our child and was not waited for yet, so
    // its PID cannot have been reused. Real-time signals have no name in `Signal`.
    unsafe { libc::kill(command.as_raw(), signal.ssi_signo.cast_signed()) };
}

/// Stops with the command. The shell that started us gets the terminal until it continues us.
fn stop_with(command: Pid, signal: Signal, terminal: Option<&mut Terminal>) -> nix::Result<()> {
    let holder = terminal.as_deref().and_then(Terminal::take_back);
    raise(signal)?;
    if signal != Signal::SIGSTOP {
        let only = SigSet::from(signal);
        only.thread_unblock()?;
        only.thread_block()?;
    }
    if let Some(terminal) = terminal {
        terminal.continued(holder);
    }
    kill(command, Signal::SIGCONT)
}

/// Ends by the same signal as the command, so that the shell reports it and an interrupted script
/// stops.
fn die_by(signal: Signal) -> anyhow::Result<ExitCode> {
    // The command has dumped its own core.
    prctl::set_dumpable(false).context("cannot disable the core dump")?;
    if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        default_action(signal)?;
    }
    raise(signal).context("cannot raise a signal")?;
    SigSet::from(signal).thread_unblock().context("cannot unblock a signal")?;
    // Reached only as PID 1 of a container, which ignores the signal.
    let number = u8::try_from(signal as i32).unwrap_or(0);
    Ok(ExitCode::from(128 + number))
}

fn default_action(of: Signal) -> anyhow::Result<()> {
    // SAFETY: no handler is installed, and those that this program has are not replaced.
    unsafe { signal(of, SigHandler::SigDfl) }.with_context(|| format!("cannot reset {of}"))?;
    Ok(())
}
