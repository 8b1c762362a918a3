//! The CPUs of client and server, and how long all CPUs were busy.

use std::{fs, sync::OnceLock, time::Instant};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::statistics::as_f64;

/// The roles of client and server: indexes into the CPUs that this process may use.
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// The CPUs that this process may use.
static CHOSEN: OnceLock<Vec<usize>> = OnceLock::new();

/// Reads which CPUs this process may use. Call it before any thread is pinned.
pub(crate) fn choose() -> Result<()> {
    let may = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
    let all = (0..CpuSet::count()).filter(|cpu| may.is_set(*cpu).unwrap_or(false)).collect();
    // A second call finds the same CPUs.
    let _ = CHOSEN.set(all);
    Ok(())
}

/// The number of the CPU for a role; the first CPU if there is only one.
pub(crate) fn number(role: usize) -> usize {
    let all = CHOSEN.get().map_or(&[][..], Vec::as_slice);
    all.get(role).or(all.first()).copied().unwrap_or(0)
}

/// Runs `action` and returns, with its result, for how many seconds all CPUs together were not
/// idle. That includes senders, receivers, and the kernel's work between them.
pub(crate) fn busy_during<T>(action: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let idle = idle_ticks()?;
    let begin = Instant::now();
    let result = action()?;
    let wall = begin.elapsed().as_secs_f64() * as_f64(count()? as u64);
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no ticks")?;
    let idle = as_f64(idle_ticks()? - idle) / as_f64(u64::try_from(ticks)?);
    // The counters are exact to one tick for each CPU.
    anyhow::ensure!(idle < wall * 1.1 + 0.1, "CPUs were idle for {idle} s of {wall} s");
    Ok((result, (wall - idle).max(0.0)))
}

/// The ticks in which CPUs had nothing to do or another virtual machine ran on them.
fn idle_ticks() -> Result<u64> {
    let text = stat()?;
    let line = text.lines().next().unwrap_or_default();
    let field = |index| {
        let text = line.split_whitespace().nth(index)?;
        text.parse::<u64>().ok()
    };
    // idle, iowait and steal (proc_stat(5)).
    let fields = (field(4), field(5), field(8));
    let (Some(idle), Some(waiting), Some(stolen)) = fields else {
        anyhow::bail!("/proc/stat begins with {line:?}");
    };
    Ok(idle + waiting + stolen)
}

/// How many CPUs `/proc/stat` counts, including those that this process may not use.
pub(crate) fn count() -> Result<usize> {
    let is_cpu = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    Ok(stat()?.lines().filter(is_cpu).count())
}

fn stat() -> Result<String> {
    fs::read_to_string("/proc/stat").context("cannot read /proc/stat")
}

/// Pins the calling thread to the CPU for a role.
pub(crate) fn pin(role: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(number(role))?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot choose a CPU")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::busy_during;

    #[test]
    fn a_thread_that_works_makes_a_cpu_busy() {
        let work = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(300) {}
            Ok(())
        };
        let ((), seconds) = busy_during(work).unwrap();
        assert!(seconds > 0.2, "{seconds}");
    }
}
