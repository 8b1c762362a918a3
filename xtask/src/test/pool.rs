//! One pool for the tests of all executables: as many processes at a time as keep all CPUs busy.

use std::{
    collections::HashMap,
    io::{PipeReader, Read as _, pipe},
    os::unix::process::CommandExt as _,
    process::{Command, ExitStatus},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::counts::Counts;

/// A process that runs tests, and what it is called.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) command: Command,
    /// Whether its output is shown when it passes.
    pub(super) is_shown: bool,
}

/// The pool: how many processes run at a time, and for how long each may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) slots: usize,
    pub(super) limit: Duration,
}

/// The processes that run: since when, and by which name.
type Running = Mutex<HashMap<i32, (Instant, String)>>;

impl Pool {
    /// Runs the jobs in their order and prints a line for each when it ends. Returns what their
    /// runners counted, and the names of those that failed.
    pub(super) fn run(self, jobs: Vec<Job>) -> (Counts, Vec<String>) {
        let number = jobs.len();
        let jobs: Vec<_> = jobs.into_iter().map(|job| Mutex::new(Some(job))).collect();
        let next = AtomicUsize::new(0);
        let running = Running::default();
        let total = Mutex::new((Counts::default(), Vec::new()));
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Some(mut job) = locked(job).take() else { continue };
                let counts = run_one(&mut job, &running);
                let mut total = locked(&total);
                total.0 += counts;
                if counts.failed > 0 {
                    total.1.push(job.name);
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.slots.min(number)).map(|_| scope.spawn(work)).collect();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                self.end_those_that_hang(&running);
                thread::sleep(Duration::from_millis(100));
            }
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what has run for longer than it may.
    fn end_those_that_hang(self, running: &Running) {
        for (pid, (since, name)) in locked(running).iter_mut() {
            if since.elapsed() < self.limit {
                continue;
            }
            println!("{name} has not ended in {} s: it is killed", self.limit.as_secs());
            // With all that it has started, which may hold its output open. It may have ended by
            // itself in this moment. A process of sudo is root's, and ends only by itself.
            let _ = killpg(Pid::from_raw(*pid), Signal::SIGKILL);
            *since = Instant::now();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_one(job: &mut Job, running: &Running) -> Counts {
    let begin = Instant::now();
    let (status, output) = match output_of(job, running) {
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
    let seconds = begin.elapsed().as_secs_f32();
    let has_failed = !status.success() || counts.failed > 0;
    if has_failed && counts.failed == 0 {
        counts += Counts::FAILED;
    }
    let verdict = match counts {
        _ if has_failed => "FAILED",
        Counts { passed: 0, .. } => "skipped",
        Counts { .. } => "ok",
    };
    // In one call: the lines of others do not come between.
    if has_failed || job.is_shown {
        println!("{} ... {verdict} ({seconds:.1} s, {status})\n{output}", job.name);
    } else {
        println!("{} ... {verdict} ({seconds:.1} s)", job.name);
    }
    counts
}

/// Runs a process to its end, and returns all that it wrote.
fn output_of(job: &mut Job, running: &Running) -> Result<(ExitStatus, String)> {
    let (mut reader, writer) = pipe()?;
    let command = &mut job.command;
    command.stdout(writer.try_clone()?).stderr(writer);
    command.process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", job.name))?;
    // The command has the writing end, and the pipe ends only when nobody has.
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
    use std::{process::Command, time::Duration};

    use super::{Counts, Job, Pool};

    const POOL: Pool = Pool { slots: 2, limit: Duration::from_secs(60) };

    fn job(name: &str, script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job { name: name.into(), command, is_shown: false }
    }

    fn closing(passed: u32, failed: u32) -> String {
        format!("echo 'test result: ok. {passed} passed; {failed} failed; 0 ignored; 0 measured'")
    }

    #[test]
    fn the_results_of_all_processes_are_added_and_failures_named() {
        let jobs = vec![
            job("one", &closing(3, 0)),
            job("two", &format!("{}; exit 101", closing(1, 2))),
            job("three", "kill -9 $$"),
            job("four", &closing(1, 0)),
        ];
        let (counts, mut failed) = POOL.run(jobs);
        failed.sort();
        assert_eq!(counts, Counts { passed: 5, failed: 3, skipped: 0 });
        assert_eq!(failed, ["three", "two"]);
    }

    #[test]
    fn a_program_that_is_not_there_counts_as_failed() {
        let mut job = job("none", "");
        job.command = Command::new("/nowhere/none");
        let (counts, failed) = POOL.run(vec![job]);
        assert_eq!((counts.failed, failed), (1, vec!["none".to_owned()]));
    }

    #[test]
    fn a_process_that_hangs_is_killed_and_counts_as_failed() {
        let pool = Pool { slots: 2, limit: Duration::from_millis(200) };
        let (counts, failed) = pool.run(vec![job("hangs", "sleep 600 & wait")]);
        assert_eq!((counts.failed, failed), (1, vec!["hangs".to_owned()]));
    }

    #[test]
    fn two_slots_run_two_processes_at_a_time() {
        // Each waits for the other.
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let jobs = vec![
            job("writes", &format!("echo x > {}; {}", fifo.display(), closing(1, 0))),
            job("reads", &format!("cat {}; {}", fifo.display(), closing(1, 0))),
        ];
        assert_eq!(POOL.run(jobs).0.passed, 2);
    }
}
