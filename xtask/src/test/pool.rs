//! A pool that runs the tests of all executables, with enough processes to keep all CPUs busy.

use std::{
    collections::HashMap,
    io::{PipeReader, Read as _, pipe},
    os::unix::process::CommandExt as _,
    process::{Command, ExitStatus},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{
    counts::Counts,
    interrupt::{Interrupted, Watch},
};
use crate::root;

/// A process that runs tests, and its name.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) command: Command,
    /// Whether its output is also shown when it passes.
    pub(super) is_shown: bool,
}

/// The pool: the number of processes at the same time, and the time limit of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) slots: usize,
    pub(super) limit: Duration,
}

/// The running processes by PID: the start, and the name.
type Running = Mutex<HashMap<i32, (Instant, String)>>;

impl Pool {
    /// Runs the jobs in their order and prints a line for each when it ends. Returns what their
    /// runners counted, and the names of those that failed. Ctrl-C kills all that run.
    pub(super) fn run(self, jobs: Vec<Job>) -> Result<(Counts, Vec<String>)> {
        let watch = Watch::begin().context("cannot watch for signals")?;
        Ok(self.run_until(jobs, watch.signal())?)
    }

    /// The same, until another thread or a signal handler writes the number of a signal.
    fn run_until(
        self,
        jobs: Vec<Job>,
        signal: &AtomicI32,
    ) -> Result<(Counts, Vec<String>), Interrupted> {
        let number = jobs.len();
        let jobs: Vec<_> = jobs.into_iter().map(|job| Mutex::new(Some(job))).collect();
        let next = AtomicUsize::new(0);
        let running = Running::default();
        let total = Mutex::new((Counts::default(), Vec::new()));
        let is_interrupted = || signal.load(Ordering::Relaxed) != 0;
        let work = || {
            while !is_interrupted()
                && let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let Some(mut job) = locked(job).take() else { continue };
                let begin = Instant::now();
                let ended = output_of(&mut job, &running);
                // A killed test has no result.
                if is_interrupted() {
                    break;
                }
                let counts = report(&job, begin.elapsed(), ended);
                let mut total = locked(&total);
                total.0 += counts;
                if counts.failed > 0 {
                    total.1.push(job.name);
                }
            }
        };
        let mut killed = Vec::new();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.slots.min(number)).map(|_| scope.spawn(work)).collect();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                if is_interrupted() {
                    kill_all(&running, &mut killed);
                } else {
                    self.end_those_that_hang(&running);
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        if is_interrupted() {
            killed.sort();
            return Err(Interrupted { signal: signal.load(Ordering::Relaxed), running: killed });
        }
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Kills processes that have exceeded the time limit.
    fn end_those_that_hang(self, running: &Running) {
        for (pid, (since, name)) in locked(running).iter_mut() {
            if since.elapsed() < self.limit {
                continue;
            }
            println!("{name} has not ended in {} s: it is killed", self.limit.as_secs());
            kill(*pid);
            *since = Instant::now();
        }
    }
}

/// Kills all processes that run, and adds the names of those that were not killed before. A worker
/// may start one more after this, so it is called until all workers have ended.
fn kill_all(running: &Running, killed: &mut Vec<String>) {
    for (pid, (_, name)) in locked(running).iter() {
        kill(*pid);
        if !killed.contains(name) {
            killed.push(name.clone());
        }
    }
}

/// Kills a process with all that it has started, which may hold its output open.
fn kill(pid: i32) {
    // It may have ended by itself in this moment: that is no error. sudo is root's process: only
    // root can end it, and it hands SIGTERM on to the test, but cannot hand on SIGKILL.
    if killpg(Pid::from_raw(pid), Signal::SIGKILL) == Err(Errno::EPERM) {
        let _ = root::command("kill", []).args(["-TERM", "--", &format!("-{pid}")]).output();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints how a process has ended, and returns what its runner counted.
fn report(job: &Job, time: Duration, ended: Result<(ExitStatus, String)>) -> Counts {
    let (status, output) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            println!("{} ... FAILED\n{error:#}", job.name);
            return Counts::FAILED;
        }
    };
    let mut counts = Counts::default();
    for found in output.lines().filter_map(Counts::parse) {
        counts += found;
    }
    let seconds = time.as_secs_f32();
    let has_failed = !status.success() || counts.failed > 0;
    if has_failed && counts.failed == 0 {
        counts += Counts::FAILED;
    }
    let verdict = match counts {
        _ if has_failed => "FAILED",
        Counts { passed: 0, .. } => "skipped",
        Counts { .. } => "ok",
    };
    // In one call, so that lines of other jobs do not come between.
    if has_failed || job.is_shown {
        println!("{} ... {verdict} ({seconds:.1} s, {status})\n{output}", job.name);
    } else {
        println!("{} ... {verdict} ({seconds:.1} s)", job.name);
    }
    counts
}

/// Runs a process to its end, and returns its output.
fn output_of(job: &mut Job, running: &Running) -> Result<(ExitStatus, String)> {
    let (mut reader, writer) = pipe()?;
    let command = &mut job.command;
    command.stdout(writer.try_clone()?).stderr(writer);
    command.process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", job.name))?;
    // Closes the writing end in the command: the pipe ends only when all writing ends are closed.
    *command = Command::new("");
    let pid = i32::try_from(child.id()).context("a process id is no i32")?;
    locked(running).insert(pid, (Instant::now(), job.name.clone()));
    let output = read_to_end(&mut reader);
    let status = child.wait();
    locked(running).remove(&pid);
    Ok((status?, output?))
}

fn read_to_end(reader: &mut PipeReader) -> Result<String> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        process::Command,
        sync::atomic::{AtomicI32, Ordering},
        thread,
        time::Duration,
    };

    use nix::{
        sys::{
            signal::{Signal, kill},
            stat::Mode,
        },
        unistd::{Pid, mkfifo},
    };

    use super::{Counts, Interrupted, Job, Pool};

    const POOL: Pool = Pool { slots: 2, limit: Duration::from_secs(60) };

    fn job(name: &str, script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job { name: name.into(), command, is_shown: false }
    }

    fn run(pool: Pool, jobs: Vec<Job>) -> (Counts, Vec<String>) {
        pool.run_until(jobs, &AtomicI32::new(0)).expect("no signal comes")
    }

    fn closing(passed: u32, failed: u32) -> String {
        format!("echo 'test result: ok. {passed} passed; {failed} failed; 0 ignored; 0 measured'")
    }

    #[test]
    fn the_results_of_all_processes_are_added_and_the_failed_ones_are_named() {
        let jobs = vec![
            job("one", &closing(3, 0)),
            job("two", &format!("{}; exit 101", closing(1, 2))),
            job("three", "kill -9 $$"),
            job("four", &closing(1, 0)),
        ];
        let (counts, mut failed) = run(POOL, jobs);
        failed.sort();
        assert_eq!(counts, Counts { passed: 5, failed: 3, skipped: 0 });
        assert_eq!(failed, ["three", "two"]);
    }

    #[test]
    fn a_program_that_does_not_exist_counts_as_failed() {
        let mut job = job("none", "");
        job.command = Command::new("/nowhere/none");
        let (counts, failed) = run(POOL, vec![job]);
        assert_eq!((counts.failed, failed), (1, vec!["none".to_owned()]));
    }

    #[test]
    fn a_process_that_hangs_is_killed_and_counts_as_failed() {
        let pool = Pool { slots: 2, limit: Duration::from_millis(200) };
        let (counts, failed) = run(pool, vec![job("hangs", "sleep 600 & wait")]);
        assert_eq!((counts.failed, failed), (1, vec!["hangs".to_owned()]));
    }

    #[test]
    fn two_slots_run_two_processes_at_the_same_time() {
        // Each process waits for the other.
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
        let jobs = vec![
            job("writes", &format!("echo x > {}; {}", fifo.display(), closing(1, 0))),
            job("reads", &format!("cat {}; {}", fifo.display(), closing(1, 0))),
        ];
        assert_eq!(run(POOL, jobs).0.passed, 2);
    }

    #[test]
    fn a_signal_kills_what_runs_with_its_children_and_starts_nothing_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
        let script = format!("sleep 600 & echo $! > {}; wait", fifo.display());
        let later = folder.path().join("later");
        let touch = format!("touch {}", later.display());
        let jobs = vec![job("first", &script), job("second", &touch)];
        let signal = AtomicI32::new(0);
        let (ended, child) = thread::scope(|scope| {
            let pool = scope.spawn(|| Pool { slots: 1, ..POOL }.run_until(jobs, &signal));
            // The first test is running as soon as it has written.
            let child = fs::read_to_string(&fifo).expect("the number of its child");
            signal.store(Signal::SIGINT as i32, Ordering::Relaxed);
            (pool.join().expect("the pool ends"), child)
        });
        let Err(Interrupted { signal, running }) = ended else { panic!("not interrupted") };
        assert_eq!((signal, running), (Signal::SIGINT as i32, vec!["first".to_owned()]));
        assert!(!later.exists());
        let child = Pid::from_raw(child.trim().parse().expect("a number"));
        assert!(is_gone(child).expect("processes can be asked for"), "{child} still runs");
    }

    /// Whether a process has ended: at least it is a zombie that nobody has waited for yet.
    fn is_gone(pid: Pid) -> io::Result<bool> {
        if kill(pid, None).is_err() {
            return Ok(true);
        }
        match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => Ok(stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}
